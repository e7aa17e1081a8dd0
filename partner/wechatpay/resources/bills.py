"""Trade bills: apply for one, then download it. Reading its rows happens elsewhere.

The application is signed like any reply; the file is not. It is believed because it comes from
WeChat Pay's own host and its unpacked bytes have the digest the signed reply announced. WeChat Pay
documents: "申请交易账单", "下载账单".
"""

import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from partner.wechatpay import wire
from partner.wechatpay.errors import (
    BillAddressRefused,
    BillDamaged,
    BillDigestMismatch,
    BillTooLarge,
    Malformed,
    OutcomeUnknown,
    UnknownReason,
)
from partner.wechatpay.transport import Transport, path

MAX_PACKED_BYTES: Final = 1 << 29
MAX_UNPACKED_BYTES: Final = 1 << 32
DOWNLOAD_DEADLINE_S: Final = 600.0

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = zlib.MAX_WBITS | 16
_CHUNK_BYTES: Final = 262_144
_SHA1_HEX: Final = re.compile(r"[0-9A-Fa-f]{40}")
_ADDRESS: Final = re.compile(r"(?P<origin>[A-Za-z]+://[^/?#\\]*)(?P<target>/[^#]*)")


@dataclass(frozen=True, slots=True)
class BillTicket:
    """Where a bill lies and what it must hash to. Use it at once: it may live for 30 seconds."""

    hash_type: str
    hash_value: str
    download_url: str = field(repr=False)  # holds a token


class Bills:
    """The bills of one service provider. The limits are in bytes and seconds."""

    def __init__(
        self,
        transport: Transport,
        *,
        max_packed_bytes: int = MAX_PACKED_BYTES,
        max_unpacked_bytes: int = MAX_UNPACKED_BYTES,
        deadline_s: float = DOWNLOAD_DEADLINE_S,
    ) -> None:
        self._transport = transport
        self._max_packed_bytes = max_packed_bytes
        self._max_unpacked_bytes = max_unpacked_bytes
        self._deadline_s = deadline_s

    def apply_trade_bill(
        self,
        bill_date: date,
        bill_type: str = "ALL",
        sub_mchid: str | None = None,
        gzip: bool = True,
    ) -> BillTicket:
        """Ask for the trade bill of a Beijing day, of one sub-merchant or of all.

        `Refused` with NO_STATEMENT_EXIST says that the day had no trade; with STATEMENT_CREATING,
        that it is too early.
        """
        query = {"bill_date": bill_date.isoformat(), "bill_type": bill_type}
        if sub_mchid is not None:
            query["sub_mchid"] = sub_mchid
        if gzip:
            query["tar_type"] = "GZIP"
        reply = self._transport.send(
            "GET", path("v3", "bill", "tradebill"), query, repeatable=True, endpoint="tradebill"
        )
        try:
            return _read_ticket(reply)
        except Malformed as error:
            raise OutcomeUnknown(UnknownReason.REPLY_MALFORMED, error) from error

    def download(self, ticket: BillTicket) -> Iterator[bytes]:
        """The unpacked bill in pieces. Believe none of them before the iteration has ended well.

        Raises `BillDigestMismatch` after the last piece, `BillDamaged` or `BillTooLarge` on the
        way, `BillAddressRefused` before anything is sent, `Refused` when the ticket is dead.
        """
        packed = self._transport.stream(
            self._target(ticket.download_url),
            endpoint="billdownload",
            deadline_s=self._deadline_s,
            longest=self._max_packed_bytes,
        )
        digest, size = hashlib.sha1(usedforsecurity=False), 0
        for piece in _unpacked(_within_limit(packed)):
            size += len(piece)
            if size > self._max_unpacked_bytes:
                raise BillTooLarge("The unpacked bill passes the limit.")
            digest.update(piece)
            yield piece
        if digest.hexdigest() != ticket.hash_value.lower():
            raise BillDigestMismatch("The bill is not the one that was announced.")

    def _target(self, download_url: str) -> str:
        """Path and query byte for byte: the token in them does not survive being re-encoded."""
        address = _ADDRESS.fullmatch(download_url)
        if address is None or address["origin"].lower() not in self._transport.origins:
            raise BillAddressRefused("The download address is not on a WeChat Pay host.")
        return address["target"]


def _read_ticket(reply: bytes) -> BillTicket:
    message = wire.read_object(reply)
    hash_type = wire.text(message, "hash_type", longest=16).strip()
    hash_value = wire.text(message, "hash_value", longest=1_024).strip()
    if hash_type != "SHA1" or not _SHA1_HEX.fullmatch(hash_value):
        raise Malformed("hash_value is not a SHA1 digest.")
    # Official samples print the address with a blank in front.
    download_url = wire.text(message, "download_url", longest=2_048).strip()
    return BillTicket(hash_type, hash_value, download_url)


def _within_limit(packed: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from packed
    except OutcomeUnknown as unknown:
        if unknown.reason is UnknownReason.REPLY_TOO_LARGE:
            raise BillTooLarge("The bill passes the limit as it was sent.") from unknown
        raise


def _unpacked(packed: Iterable[bytes]) -> Iterator[bytes]:
    """Gunzip if the bytes are gzip, whatever the headers said, in pieces of bounded size."""
    pieces = iter(packed)
    head = b""
    while len(head) < len(_GZIP_MAGIC) and (piece := next(pieces, b"")):
        head += piece
    if not head.startswith(_GZIP_MAGIC):
        yield from (piece for piece in (head,) if piece)
        yield from pieces
        return
    yield from _gunzipped(head, pieces)


def _gunzipped(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    rest = head
    try:
        while True:
            while rest:
                if inflater.eof:  # a gzip file may be several, one after another
                    inflater = zlib.decompressobj(_GZIP_WINDOW)
                if unpacked := inflater.decompress(rest, _CHUNK_BYTES):
                    yield unpacked
                rest = inflater.unconsumed_tail or inflater.unused_data
            rest = next(pieces, b"")
            if not rest:
                break
    except zlib.error as error:
        raise BillDamaged("The bill cannot be unpacked.") from error
    if not inflater.eof:
        raise BillDamaged("The packed bill breaks off.")
