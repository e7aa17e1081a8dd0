"""The outermost layer: where connections are held, dropped, cut and dripped.

A fault at this level happens to the connection, not to the API, so it wraps the whole application.
To drop a connection without a byte it raises ConnectionResetError, at which a WSGI server closes
the socket; the in-process adapter turns the same error into the one a socket client would see.
"""

from __future__ import annotations

import errno
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn

from partner.simulator.answers import JSON_TYPE, compact_json, request_id
from partner.simulator.faults import REPLY_KINDS, Fault, FaultBook

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FAULT_KEY: Final = "simulator.fault"
HOLD_KEY: Final = "simulator.hold"
API_PREFIX: Final = "/v3/"
DRIPS: Final = 20

_BAD_GATEWAY: Final = (
    b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>"
)
# By kind: status, code, message, and the internal number; a fault's own words come before these.
_ERRORS: Final = {
    "http_500": (500, "SYSTEM_ERROR", "系统异常，请稍后重试", 268435460),
    "http_502": (502, "", "", 268435460),
    "http_503": (503, "SERVICE_UNAVAILABLE", "服务不可用，请稍后重试", 268435460),
    "rate_limit": (429, "FREQUENCY_LIMITED", "请求频率过高，请降低频率后重试", 268447840),
    "refusal": (400, "INVALID_REQUEST", "请求不符合业务规则", 268435461),
}


def _hang_up() -> NoReturn:
    raise ConnectionResetError(errno.ECONNRESET, "the simulator hung up")


class FaultLayer:
    """WSGI middleware. Which requests are hit: `/v3/…`, or whatever prefix the fault names."""

    def __init__(self, application: WSGIApplication, faults: FaultBook) -> None:
        self._application = application
        self._faults = faults

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        method = environ.get("REQUEST_METHOD", "")
        if path.startswith("/_simulator"):
            return self._application(environ, start_response)
        fault = self._faults.take(
            REPLY_KINDS, path=path, method=method, bound_only=not path.startswith(API_PREFIX)
        )
        if fault is None:
            return self._application(environ, start_response)
        return self._strike(fault, environ, start_response)

    def _strike(
        self, fault: Fault, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        if fault.kind in _ERRORS:
            if fault.params.get("work_done"):
                self._work(environ)
            return _error(fault, start_response)
        if fault.kind == "timeout":
            _hold(environ, fault.seconds(30))
            _hang_up()
        if fault.kind == "lost_answer":
            self._work(environ)
            _hold(environ, fault.seconds(0))
            _hang_up()
        if fault.kind == "reset":
            _linger_none(environ)
            _hang_up()
        if fault.kind == "cut_reply":
            return self._cut(environ, start_response)
        if fault.kind == "slow":
            return self._dripping(environ, start_response, fault.seconds(5))
        environ[FAULT_KEY] = fault
        return self._application(environ, start_response)

    def _work(self, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], bytes]:
        """Let the application do its work and keep its answer from leaving."""
        kept: dict[str, Any] = {}

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            kept.update(status=status, headers=headers)
            return lambda _data: None

        answer = self._application(environ, start)
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return kept["status"], kept["headers"], body

    def _cut(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        status, headers, body = self._work(environ)
        start_response(status, headers)
        yield body[: len(body) // 2]
        _hang_up()

    def _dripping(
        self, environ: WSGIEnvironment, start_response: StartResponse, seconds: float
    ) -> Iterator[bytes]:
        status, headers, body = self._work(environ)
        start_response(status, headers)
        step = max(1, -(-len(body) // DRIPS))
        for start in range(0, len(body), step):
            time.sleep(seconds / DRIPS)
            yield body[start : start + step]


def _error(fault: Fault, start_response: StartResponse) -> Iterable[bytes]:
    status, code, message, number = _ERRORS[fault.kind]
    body, content_type = _BAD_GATEWAY, "text/html"
    if fault.kind == "refusal":
        status, number = fault.number("status", status), fault.number("number", number)
        code, message = fault.params.get("code", code), fault.params.get("message", message)
    if code:
        body, content_type = compact_json({"code": code, "message": message}), JSON_TYPE
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        ("Request-ID", request_id(number)),
    ]
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [body]


def _hold(environ: WSGIEnvironment, seconds: float) -> None:
    """Keep the caller waiting; the in-process adapter brings its own way of letting time pass."""
    hold: Callable[[float], None] = environ.get(HOLD_KEY, time.sleep)
    if seconds > 0:
        hold(seconds)


def _linger_none(environ: WSGIEnvironment) -> None:
    """Make the close that follows a reset (RST) rather than a farewell (FIN)."""
    connection = environ.get("gunicorn.socket")
    if isinstance(connection, socket.socket):
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()
