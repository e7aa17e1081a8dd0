"""Receivers of webhooks on real loopback sockets: good ones, dead ones, and those who play tricks.

The first word of the path says how a request is treated, so that one server plays any number of
receivers. `python -m tests.payments.webhooks.receivers PORT` serves as a program of its own, for
load; `GET /report` there answers who got what, and when.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

HOST = "127.0.0.1"
DRIP_SECONDS = 0.5
_NEVER = 3_600


@dataclass(frozen=True)
class Arrival:
    """One request as it came in."""

    path: str
    headers: dict[str, str]
    body: str
    at: float  # wall-clock, when its first byte was read

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receivers:
    """A server that remembers what it was sent."""

    arrivals: list[Arrival] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    scheme: str = "http"
    counts: Counter[str] = field(default_factory=Counter)
    replies: dict[str, bytes] = field(default_factory=dict)  # by path: what /raw/… answers

    def url(self, path: str) -> str:
        return f"{self.scheme}://{HOST}:{self.port}{path}"

    def at(self, path: str) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if arrival.path == path]

    def wait_for(self, count: int, path: str | None = None, seconds: float = 10) -> list[Arrival]:
        """The arrivals once there are so many; fails when there never are."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            found = self.arrivals if path is None else self.at(path)
            if len(found) >= count:
                return list(found)
            time.sleep(0.01)
        raise AssertionError(f"{len(self.arrivals)} arrived: {self.counts}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first = await reader.readexactly(1)
        at = time.time()
        head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        request, *lines = head.split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        body = (await reader.readexactly(int(headers.get("content-length", 0)))).decode()
        path = request.split(" ")[1]
        if path == "/report":
            writer.write(_answer(200, json.dumps(self.report()).encode()))
            return False
        self.arrivals.append(Arrival(path, headers, body, at))
        self.counts[path] += 1
        return await self._answer(path, writer)

    async def _answer(self, path: str, writer: asyncio.StreamWriter) -> bool:
        kind, _, rest = path.strip("/").partition("/")
        if kind == "never":
            await asyncio.sleep(_NEVER)
        if kind == "drip":
            for letter in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":
                writer.write(bytes([letter]))
                await asyncio.sleep(DRIP_SECONDS)
            return True
        if kind == "hangup":
            return False
        if kind == "raw":
            writer.write(self.replies[path])
            await writer.drain()
            return False
        status = 204
        if kind == "status":
            status = int(rest.split("/")[0])
        if kind == "flap" and self.counts[path] % 2:
            status = 500
        if kind == "slow":
            await asyncio.sleep(float(rest.split("/")[0]))
        writer.write(_answer(status, b"" if status == 204 else b"as it was told to answer"))
        await writer.drain()
        return True

    def report(self) -> list[tuple[str, str, float]]:
        """Who got what, and when."""
        return [(each.path, each.event_id, each.at) for each in self.arrivals]


def _answer(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} Told\r\n"
    if status != 204:
        head += f"Content-Length: {len(body)}\r\nContent-Type: text/plain\r\n"
    if status == 307:
        head += "Location: http://127.0.0.1:1/elsewhere\r\n"
    return f"{head}\r\n".encode() + body


@contextmanager
def receiving(tls: ssl.SSLContext | None = None) -> Iterator[Receivers]:
    """A server in a thread of this process, for as long as the block lasts."""
    receivers = Receivers(scheme="https" if tls else "http")
    ready, loop = threading.Event(), asyncio.new_event_loop()

    async def run() -> None:
        server = await asyncio.start_server(receivers.serve, HOST, 0, ssl=tls)
        receivers.port = server.sockets[0].getsockname()[1]
        ready.set()
        await over.wait()
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    over = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    ready.wait()
    yield receivers
    loop.call_soon_threadsafe(over.set)
    thread.join()
    loop.close()


async def _serve(port: int) -> None:
    receivers = Receivers(port=port)
    server = await asyncio.start_server(receivers.serve, HOST, port, backlog=1_024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
