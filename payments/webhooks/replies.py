"""Reading a receiver's HTTP/1.1 answer: as much as is needed, never more than is allowed.

The status is what counts; it stands in the reply as soon as the headers are whole, whatever becomes
of the body afterwards.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from config.logs import redacted

MAX_REPLY_BYTES = 20_000  # of the body; and of the headers again
SHOWN_CHARACTERS = 2_000
_MOST_INTERIM = 5  # "100 Continue" and its kin before the answer
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: .*)?")
_NO_BODY = (204, 304)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")


class BadReply(Exception):
    """What came back is not HTTP as it must be; the text says so to the tenant."""


@dataclass(slots=True)
class Reply:
    """An answer as far as it was read."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    is_whole: bool = False  # read to its end, and the connection may carry another request
    has_begun: bool = False

    @property
    def text(self) -> str:
        """The body as plain text for the tenant's log, cut short."""
        if not self.body:
            return ""
        text = bytes(self.body).decode("utf-8", "replace")
        shown = _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text[: SHOWN_CHARACTERS + 1])
        if len(shown) > SHOWN_CHARACTERS:
            shown = shown[:SHOWN_CHARACTERS] + "…"
        return str(redacted(shown))


async def read_reply(reader: asyncio.StreamReader, reply: Reply) -> None:
    """Fill the reply in. Raises BadReply, or EOFError when the connection ends before it."""
    try:
        is_newer, status = await _status(reader, reply)
        headers = await _headers(reader)
        for _ in range(_MOST_INTERIM):
            if status >= 200:
                break
            is_newer, status = await _status(reader, reply)
            headers = await _headers(reader)
        if status < 200:
            raise BadReply("The receiver announces an answer again and again.")
    except ValueError as error:  # a line longer than the reader takes
        raise BadReply("The headers of the answer are too long.") from error
    reply.headers = headers
    reply.status = status
    ended = await _body(reader, reply)
    reply.is_whole = ended and is_newer and headers.get("connection", "").lower() != "close"


async def _status(reader: asyncio.StreamReader, reply: Reply) -> tuple[bool, int]:
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    reply.has_begun = True
    form = _STATUS_LINE.fullmatch(line.rstrip(b"\r\n"))
    if form is None:
        raise BadReply("The answer is not HTTP/1.1.")
    return form[1] == b"1", int(form[2])


async def _headers(reader: asyncio.StreamReader) -> dict[str, str]:
    headers: dict[str, str] = {}
    size = 0
    while (line := await reader.readline()) not in (b"\r\n", b"\n"):
        size += len(line)
        if not line.endswith(b"\n"):
            raise EOFError
        if size > MAX_REPLY_BYTES:
            raise BadReply("The headers of the answer are too long.")
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return headers


async def _body(reader: asyncio.StreamReader, reply: Reply) -> bool:
    """Read the body as far as is allowed; whether its end was reached and is beyond doubt."""
    if reply.status in _NO_BODY:
        return True
    length = reply.headers.get("content-length")
    if "transfer-encoding" in reply.headers:
        return await _chunks(reader, reply) and length is None
    if length is None:
        await _some(reader, reply, MAX_REPLY_BYTES)
        return False  # it ends with the connection
    if not (length.isascii() and length.isdecimal()):
        raise BadReply("The answer does not say how long it is.")
    announced = int(length[:18])
    return await _some(reader, reply, announced) and announced <= MAX_REPLY_BYTES


async def _some(reader: asyncio.StreamReader, reply: Reply, count: int) -> bool:
    """Read so many bytes, or up to the limit; False when the connection ended before."""
    count = min(count, MAX_REPLY_BYTES - len(reply.body))
    while count > 0:
        piece = await reader.read(count)
        if not piece:
            return False
        reply.body += piece
        count -= len(piece)
    return True


async def _chunks(reader: asyncio.StreamReader, reply: Reply) -> bool:
    try:
        while True:
            size = int((await reader.readline()).split(b";")[0].strip() or b"?", 16)
            if size == 0:
                await _headers(reader)
                return True
            if size < 0 or len(reply.body) + size > MAX_REPLY_BYTES:
                await _some(reader, reply, MAX_REPLY_BYTES)
                return False
            if not await _some(reader, reply, size) or await reader.readline() not in (
                b"\r\n",
                b"\n",
            ):
                return False
    except (ValueError, EOFError):
        return False
