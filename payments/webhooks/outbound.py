"""The way out to a receiver: one POST by the egress policy, within a deadline, and its answer.

The deadline is wall-clock time over everything: looking the name up, connecting, TLS, sending and
reading. No redirect is followed, no cookie kept, no proxy or password taken from the environment.
Many requests wait at once in one thread, so that a receiver who lets us wait costs a socket and no
thread.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import certifi

from payments.webhooks.egress import (
    Address,
    EgressRefused,
    Network,
    Target,
    read_target,
    require_allowed,
)
from payments.webhooks.replies import MAX_REPLY_BYTES, BadReply, Reply, read_reply

DEADLINE_SECONDS = 15.0
IDLE_SECONDS = 10.0  # a connection unused for longer is not trusted any more
MOST_ADDRESSES = 3
USER_AGENT = "Partner-Platform-Webhooks/1"

Resolve = Callable[[str, int], Sequence[str]]


class NoAnswer(Exception):
    """No HTTP status came back; the text says why, to the tenant."""


@dataclass(slots=True)
class Connection:
    """A connection to an address that was checked, for this target only."""

    origin: tuple[str, int, bool]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float = 0.0
    is_used: bool = False

    @property
    def is_good(self) -> bool:
        """Whether another request may go out on it."""
        fresh = time.monotonic() - self.idle_since < IDLE_SECONDS
        return fresh and not self.reader.at_eof() and not self.writer.is_closing()

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass(slots=True)
class Kept:
    """One endpoint's open connections that nobody uses just now; never shared with another's."""

    idle: list[Connection] = field(default_factory=list)

    def take(self, target: Target) -> Connection | None:
        origin = _origin(target)
        while self.idle:
            connection = self.idle.pop()
            if connection.origin == origin and connection.is_good:
                return connection
            connection.close()
        return None

    def put(self, connection: Connection) -> None:
        connection.idle_since = time.monotonic()
        connection.is_used = True
        self.idle.append(connection)

    def close(self) -> None:
        for connection in self.idle:
            connection.close()
        self.idle.clear()

    def close_stale(self) -> None:
        """Close what nobody used for a while."""
        good = [connection for connection in self.idle if connection.is_good]
        for connection in self.idle:
            if connection not in good:
                connection.close()
        self.idle = good


def look_up(host: str, port: int) -> Sequence[str]:
    """Every address of a name, as this machine resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class Outbound:
    """Sends POST requests; `resolve` and `tls` are how names and certificates are judged."""

    def __init__(
        self,
        exceptions: Sequence[Network] = (),
        *,
        resolve: Resolve = look_up,
        tls: ssl.SSLContext | None = None,
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._exceptions = tuple(exceptions)
        self._resolve = resolve
        self._tls = tls or ssl.create_default_context(cafile=certifi.where())
        self._deadline_seconds = deadline_seconds

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, kept: Kept) -> Reply:
        """Send; answer the reply as far as it was read. Raises NoAnswer saying why there is none.

        A reply whose status came before the deadline is an answer, however its body ends.
        """
        reply = Reply()
        try:
            async with asyncio.timeout(self._deadline_seconds):
                await self._post(read_target(url), headers, body, kept, reply)
        except TimeoutError:
            problem = f"No whole answer within {self._deadline_seconds:g} seconds."
        except EgressRefused as refusal:
            problem = str(refusal)
        except (OSError, EOFError, BadReply) as error:
            problem = _in_words(error)
        else:
            return reply
        if reply.status is None:
            raise NoAnswer(problem)
        return reply

    async def _post(
        self, target: Target, headers: Mapping[str, str], body: bytes, kept: Kept, reply: Reply
    ) -> None:
        connection = kept.take(target)
        if connection is not None:
            try:
                return await _exchange(connection, target, headers, body, kept, reply)
            except (OSError, EOFError):
                if reply.has_begun:
                    raise
                # The receiver closed a connection it had kept open; it has not seen this request,
                # and if it has, the id tells it so.
        await _exchange(await self._connected(target), target, headers, body, kept, reply)
        return None

    async def _connected(self, target: Target) -> Connection:
        failure: OSError | None = None
        for address in (await self._addresses(target))[:MOST_ADDRESSES]:
            try:
                reader, writer = await asyncio.open_connection(
                    str(address),
                    target.port,
                    limit=MAX_REPLY_BYTES,
                    ssl=self._tls if target.is_tls else None,
                    server_hostname=target.host if target.is_tls else None,
                )
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
                continue
            return Connection(_origin(target), reader, writer)
        raise failure or OSError("no address")

    async def _addresses(self, target: Target) -> Sequence[Address]:
        if target.literal is not None:
            return require_allowed(target, [target.host], self._exceptions)
        found = await _in_a_thread(lambda: self._resolve(target.host, target.port))
        return require_allowed(target, found, self._exceptions)


async def _exchange(
    connection: Connection,
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    kept: Kept,
    reply: Reply,
) -> None:
    try:
        connection.writer.write(_request(target, headers, body))
        await connection.writer.drain()
        await read_reply(connection.reader, reply)
    finally:
        if reply.is_whole:
            kept.put(connection)
        else:
            connection.close()


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [
        f"POST {target.path} HTTP/1.1",
        f"Host: {target.authority}",
        f"User-Agent: {USER_AGENT}",
        "Accept: */*",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _origin(target: Target) -> tuple[str, int, bool]:
    return target.host, target.port, target.is_tls


async def _in_a_thread(work: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Wait for a look-up no longer than the caller does: a resolver's own patience has no limit."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def settle(found: Sequence[str] | None, error: OSError | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found or ())

    def look() -> None:
        found: Sequence[str] | None = None
        failure: OSError | None = None
        try:
            found = work()
        except (OSError, UnicodeError) as error:
            failure = error if isinstance(error, OSError) else socket.gaierror(str(error))
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, found, failure)

    threading.Thread(target=look, name="webhook-look-up", daemon=True).start()
    return await answer


def _in_words(error: Exception) -> str:
    if isinstance(error, BadReply):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate is not accepted: {error.verify_message}."
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'no common protocol'}."
    if isinstance(error, socket.gaierror):
        return "The host's name cannot be resolved."
    if isinstance(error, ConnectionRefusedError):
        return "The connection was refused."
    if isinstance(error, EOFError | ConnectionError):
        return "The connection ended before an answer came."
    return "The host cannot be reached."
