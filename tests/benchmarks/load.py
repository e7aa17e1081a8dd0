"""The load: a process that sends prepared requests over kept-alive connections and keeps the time.

`python -m tests.benchmarks.load FILE PORT CONNECTIONS` prints one JSON document. Requests are whole
bytes made beforehand and answers are hardly looked at, so that what is measured is the server.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from selectors import EVENT_READ, BaseSelector
from typing import Any

HOST = "127.0.0.1"
SOCKET_SECONDS = 30
_LENGTH = struct.Struct("!I")


def write_requests(file: Path, requests: Iterable[bytes]) -> None:
    """Keep prepared requests for the load process."""
    with file.open("wb") as out:
        for request in requests:
            out.write(_LENGTH.pack(len(request)) + request)


def read_requests(file: Path) -> list[bytes]:
    """What `write_requests` kept."""
    data, found, at = file.read_bytes(), [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        found.append(data[at : at + length])
        at += length
    return found


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One request as it goes over the wire."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {HOST}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Line:
    """One kept-alive connection with one request on it; opened anew when the server closed it."""

    def __init__(self, port: int, selector: BaseSelector) -> None:
        self._port, self._selector = port, selector
        self._socket: socket.socket | None = None
        self._is_fresh = True
        self._request, self._received = b"", b""
        self.place = 0
        self.asked_at = 0.0

    def ask(self, place: int, request: bytes) -> None:
        """Send the request of that place."""
        self.place, self._request = place, request
        self.asked_at = time.perf_counter()
        self._send()

    def answer(self) -> int | None:
        """Read what has come: the status once it is whole, None until then."""
        assert self._socket is not None
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self._send_anew()
            return None
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or len(body) < _content_length(head):
            return None
        self._is_fresh = False
        if b"connection: close" in head.lower():
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _send(self) -> None:
        if self._socket is None:
            self._socket = socket.create_connection((HOST, self._port), SOCKET_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(self._socket, EVENT_READ, self)
            self._is_fresh = True
        self._received = b""
        try:
            self._socket.sendall(self._request)
        except ConnectionError:
            self._send_anew()

    def _send_anew(self) -> None:
        """Once more, where the server closed a connection that it had kept open."""
        if self._is_fresh:
            raise EOFError("the server closed a new connection without an answer")
        self.close()
        self._send()


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def send_all(requests: Sequence[bytes], port: int, connections: int) -> dict[str, Any]:
    """Send every request, one at a time on each connection, and keep the time of each.

    One thread waits for all: what the load itself costs is taken from the servers that it measures.
    """
    latencies, statuses, places = [0.0] * len(requests), Counter[int](), count()
    with selectors.DefaultSelector() as selector:
        lines = [Line(port, selector) for _ in range(min(connections, len(requests)))]
        started = time.perf_counter()
        for line in lines:
            place = next(places)
            line.ask(place, requests[place])
        asked = len(lines)
        while asked:
            ready = selector.select(SOCKET_SECONDS)
            if not ready:
                raise TimeoutError(f"no answer within {SOCKET_SECONDS} seconds")
            for line in (key.data for key, _ in ready):
                status = line.answer()
                if status is None:
                    continue
                latencies[line.place] = time.perf_counter() - line.asked_at
                statuses[status] += 1
                if (place := next(places)) < len(requests):
                    line.ask(place, requests[place])
                else:
                    asked -= 1
        seconds = time.perf_counter() - started
        for line in lines:
            line.close()
    return {"seconds": seconds, "latencies": latencies, "statuses": statuses}


def main() -> int:
    file, port, connections = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    sys.stdout.write(json.dumps(send_all(read_requests(file), port, connections)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
