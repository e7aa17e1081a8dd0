"""A WeChat Pay that answers every order at once, over TLS, so that the platform is measured.

The simulator keeps a ledger and checks everything, which costs more than the application under
test. This one signs one answer a second and gives it to all, and counts its connections.
`python -m tests.benchmarks.upstream STAGE PORT`.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path

from partner.simulator.answers import Signature
from partner.simulator.home import Home

BODY = b'{"prepay_id":"wx201410272009395522657a690389285100"}'
LIMIT = 1 << 20


class Upstream:
    """Connections so far, and the answer of this second."""

    def __init__(self, home: Path) -> None:
        self._key = Home(home).open().public_key
        self._second = 0
        self._answer = b""
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(_content_length(head))
                if head.startswith(b"GET /count"):
                    self.connections -= 1  # whoever asks is not counted
                    writer.write(_http(json.dumps({"connections": self.connections}).encode(), {}))
                else:
                    writer.write(self._signed())
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _signed(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            signature = Signature.make(self._key, BODY, float(second))
            self._second, self._answer = second, _http(BODY, signature.as_headers())
        return self._answer


def _http(body: bytes, headers: dict[str, str]) -> bytes:
    lines = [
        "HTTP/1.1 200 OK",
        "Content-Type: application/json; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Request-ID: 0890F8D9A30110BEF8",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _content_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line[15:])
    return 0


async def run(stage: Path, port: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(stage / "upstream.crt", stage / "upstream.key")
    upstream = Upstream(stage / "simulator")
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", port, ssl=context, limit=LIMIT)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), int(sys.argv[2])))
