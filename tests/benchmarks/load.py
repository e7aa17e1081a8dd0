"""The load: a process that sends prepared requests over kept-alive connections and keeps the time.

`python -m tests.benchmarks.load FILE PORT CONNECTIONS` prints one JSON document. Requests are whole
bytes made beforehand and answers are hardly looked at, so that what is measured is the server.
"""

from __future__ import annotations

import itertools
import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

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
    """One connection that is opened again when the server closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> int:
        """The status of the answer; a connection closed between two requests is opened anew."""
        for attempt in (1, 2):
            try:
                return self._ask(request)
            except (ConnectionError, EOFError):
                self._socket = None
                if attempt == 2:
                    raise
        raise AssertionError

    def _ask(self, request: bytes) -> int:
        if self._socket is None:
            self._socket = socket.create_connection((HOST, self._port), SOCKET_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._received()
        head, _, body = data.partition(b"\r\n\r\n")
        expected = _content_length(head)
        while len(body) < expected:
            body += self._received()
        if b"connection: close" in head.lower():
            self._socket.close()
            self._socket = None
        return int(head[9:12])

    def _received(self) -> bytes:
        assert self._socket is not None
        data = self._socket.recv(65536)
        if not data:
            raise EOFError
        return data


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


def main() -> int:
    file, port, connections = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    requests = read_requests(file)
    latencies = [0.0] * len(requests)
    statuses: Counter[int] = Counter()
    places, lock = itertools.count(), threading.Lock()

    def run() -> None:
        line, mine = Line(port), Counter[int]()
        while (place := next(places)) < len(requests):
            started = time.perf_counter()
            mine[line.ask(requests[place])] += 1
            latencies[place] = time.perf_counter() - started
        with lock:
            statuses.update(mine)

    threads = [threading.Thread(target=run) for _ in range(connections)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    report = {"seconds": seconds, "latencies": latencies, "statuses": statuses}
    sys.stdout.write(json.dumps(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
