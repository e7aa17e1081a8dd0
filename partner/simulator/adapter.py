"""Requests without a socket: a transport adapter that calls a WSGI application directly.

Mounted on a `requests.Session` it makes two programs in one process talk as if over the network.
What a network would do to a client (time-outs, resets, answers cut short) comes out as the same
exceptions.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

TimeLimit = float | tuple[float | None, float | None] | None


class _Reply(io.RawIOBase):
    """The application's answer as a stream; a connection that breaks ends it early."""

    def __init__(self, chunks: Iterator[bytes], close: Callable[[], None]) -> None:
        self._chunks = chunks
        self._close = close
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            try:
                self._rest = next(self._chunks)
            except (StopIteration, ConnectionResetError):
                return 0
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        if not self.closed:
            self._close()
        super().close()


class WsgiAdapter(BaseAdapter):
    """Serves every request of the session from `application`."""

    def __init__(self, application: WSGIApplication, *, remote_addr: str = "127.0.0.1") -> None:
        super().__init__()
        self._application = application
        self._remote_addr = remote_addr
        self._responses = HTTPAdapter()

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: TimeLimit = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The application's answer; requests' own exceptions where a network would have raised
        them."""
        environ = self._environ(request, timeout)
        started: dict[str, Any] = {}

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            started.update(status=status, headers=headers)
            return lambda _data: None

        try:
            answer = self._application(environ, start_response)
            chunks = iter(answer)
            first = next(chunks, b"")
        except ConnectionResetError as problem:
            raise requests.ConnectionError(problem, request=request) from None
        raw = _raw_response(request, started, _chain(first, chunks), answer)
        response = self._responses.build_response(request, raw)
        if not stream:
            _ = response.content
        return response

    def close(self) -> None:
        self._responses.close()

    def _environ(self, request: requests.PreparedRequest, timeout: TimeLimit) -> dict[str, Any]:
        url = urlsplit(request.url or "")
        body = request.body or b""
        data = body.encode() if isinstance(body, str) else body
        if not isinstance(data, bytes):
            data = b"".join(data if isinstance(data, Iterable) else [data])
        port = url.port or (443 if url.scheme == "https" else 80)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(url.path or "/").decode("latin-1"),
            "QUERY_STRING": url.query,
            "RAW_URI": request.path_url,
            "REQUEST_URI": request.path_url,
            "SERVER_NAME": url.hostname or "localhost",
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self._remote_addr,
            "HTTP_HOST": url.netloc.rpartition("@")[2],
            "CONTENT_LENGTH": str(len(data)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": url.scheme,
            "wsgi.input": io.BytesIO(data),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "simulator.hold": _holder(timeout, request),
        }
        for name, value in request.headers.items():
            text = value.decode("latin-1") if isinstance(value, bytes) else value
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = text
        environ.pop("HTTP_CONTENT_LENGTH", None)
        return environ


def _holder(timeout: TimeLimit, request: requests.PreparedRequest) -> Callable[[float], None]:
    """How a held connection feels to this client: the read time-out strikes, with no waiting."""
    read = timeout[1] if isinstance(timeout, tuple) else timeout

    def hold(seconds: float) -> None:
        if read is not None and seconds >= read:
            raise requests.ReadTimeout(f"no answer within {read} s", request=request)

    return hold


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _raw_response(
    request: requests.PreparedRequest,
    started: dict[str, Any],
    chunks: Iterator[bytes],
    answer: Iterable[bytes],
) -> HTTPResponse:
    status, _, reason = started["status"].partition(" ")
    headers: CaseInsensitiveDict[str] = CaseInsensitiveDict()
    for name, value in started["headers"]:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return HTTPResponse(
        body=io.BufferedReader(_Reply(chunks, getattr(answer, "close", lambda: None))),
        headers=dict(headers),
        status=int(status),
        reason=reason,
        preload_content=False,
        decode_content=False,
        request_method=request.method,
        enforce_content_length=True,
    )
