"""WeChat Pay's side of the wire as these tests need it: a socket that misbehaves on demand.

It reads requests off real connections, checks their signatures with its own few lines, signs with a
real key, and can fall silent, drip, cut, reset or lie. It knows nothing of the client's code.
"""

import base64
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

AUTHORIZATION = re.compile(
    r'WECHATPAY2-SHA256-RSA2048 mchid="(?P<mchid>[^"]*)",nonce_str="(?P<nonce>[^"]*)",'
    r'signature="(?P<signature>[^"]*)",timestamp="(?P<timestamp>[^"]*)",serial_no="(?P<serial>[^"]*)"'
)


@dataclass(frozen=True)
class Received:
    """One request exactly as it came off the wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    is_rightly_signed: bool
    nonce: str

    @property
    def json(self) -> object:
        return json.loads(self.body)


Answer = Callable[["ScriptedServer", socket.socket], bool]
"""Answers one request on a connection; False ends the connection."""


class ScriptedServer:
    """Plays its script one request at a time, then answers `{}` rightly signed."""

    def __init__(
        self,
        platform_key: RSAPrivateKey,
        serial: str,
        merchant_key: RSAPublicKey,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.script: deque[Answer] = deque()
        self.requests: list[Received] = []
        self.connections = 0
        self._platform_key = platform_key
        self._serial = serial
        self._merchant_key = merchant_key
        self._tls = tls
        self._leaving = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leaving.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join(timeout=5)

    def plays(self, *answers: Answer) -> None:
        self.script.extend(answers)

    def pause(self, seconds: float) -> bool:
        """Wait, and say whether the test is still going on."""
        return not self._leaving.wait(seconds)

    def signature_headers(
        self,
        body: bytes,
        *,
        timestamp: int | None = None,
        serial: str | None = None,
        key: RSAPrivateKey | None = None,
    ) -> dict[str, str]:
        stamp, nonce = str(int(time.time()) if timestamp is None else timestamp), "n0nce" * 6
        message = f"{stamp}\n{nonce}\n".encode() + body + b"\n"
        signature = (key or self._platform_key).sign(message, PKCS1v15(), SHA256())
        return {
            "Wechatpay-Timestamp": stamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": base64.b64encode(signature).decode(),
            "Wechatpay-Serial": serial or self._serial,
        }

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._leaving.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            secured = (
                self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            )
        except OSError:
            connection.close()
            return
        self._converse(secured)

    def _converse(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                while (request_line := lines.readline()) and self._answered(
                    connection, request_line.decode("latin-1"), lines.readline, lines.read
                ):
                    pass
            except OSError:
                return

    def _answered(
        self,
        connection: socket.socket,
        request_line: str,
        readline: Callable[[], bytes],
        read: Callable[[int], bytes],
    ) -> bool:
        method, target, _ = request_line.split(" ")
        headers: dict[str, str] = {}
        while line := readline().decode("latin-1").rstrip("\r\n"):
            name, _, value = line.partition(": ")
            headers[name.lower()] = value
        body = read(int(headers.get("content-length", "0")))
        self._record(method, target, headers, body)
        answer = self.script.popleft() if self.script else replies({})
        return answer(self, connection)

    def _record(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        claimed = AUTHORIZATION.fullmatch(headers["authorization"])
        assert claimed is not None
        message = f"{method}\n{target}\n{claimed['timestamp']}\n{claimed['nonce']}\n".encode()
        try:
            self._merchant_key.verify(
                base64.b64decode(claimed["signature"]), message + body + b"\n", PKCS1v15(), SHA256()
            )
            is_rightly_signed = True
        except InvalidSignature:
            is_rightly_signed = False
        self.requests.append(
            Received(method, target, headers, body, is_rightly_signed, claimed["nonce"])
        )


def raw_reply(
    status: int, headers: Mapping[str, str], body: bytes, length: int | None = None
) -> bytes:
    announced = {"Content-Length": str(len(body) if length is None else length), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in announced.items())
    return f"HTTP/1.1 {status} Told\r\n{lines}\r\n".encode("latin-1") + body


def replies(
    message: object,
    *,
    status: int = 200,
    timestamp: int | None = None,
    serial: str | None = None,
    key: RSAPrivateKey | None = None,
    further: Mapping[str, str] | None = None,
) -> Answer:
    """A signed reply; a message that is not bytes travels as JSON."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()

    def answer(server: ScriptedServer, connection: socket.socket) -> bool:
        signed = server.signature_headers(body, timestamp=timestamp, serial=serial, key=key)
        headers = {**signed, "Request-ID": "08F1-268", **(further or {})}
        connection.sendall(raw_reply(status, headers, body))
        return True

    return answer


def replies_unsigned(status: int, body: bytes, further: Mapping[str, str] | None = None) -> Answer:
    def answer(_: ScriptedServer, connection: socket.socket) -> bool:
        connection.sendall(raw_reply(status, {"Request-ID": "08F1-268", **(further or {})}, body))
        return True

    return answer


def falls_silent() -> Answer:
    def answer(server: ScriptedServer, _: socket.socket) -> bool:
        server.pause(10)
        return False

    return answer


def hangs_up() -> Answer:
    return lambda _server, _connection: False


def resets() -> Answer:
    def answer(_: ScriptedServer, connection: socket.socket) -> bool:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return answer


def cuts_its_reply_short() -> Answer:
    def answer(server: ScriptedServer, connection: socket.socket) -> bool:
        body = b'{"prepay_id":"wx01"}'
        connection.sendall(raw_reply(200, server.signature_headers(body), body[:9], len(body)))
        return False

    return answer


def drips(at_once: bytes, every_s: float = 0.05) -> Answer:
    """Send the beginning, then one byte at a time for as long as anybody listens."""

    def answer(server: ScriptedServer, connection: socket.socket) -> bool:
        connection.sendall(at_once)
        while server.pause(every_s):
            connection.sendall(b"x")
        return False

    return answer
