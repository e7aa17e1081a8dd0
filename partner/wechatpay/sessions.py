"""The HTTP session: sends exactly the bytes that were signed, and lets no reply take for ever.

Two habits of the usual stack are in the way of a signing client. URLs are tidied up on their way
out (`|` is escaped, `%2f` becomes `%2F`), after which the signature no longer matches. And a read
time-out starts anew with every received byte, so a server that drips holds a thread as long as it
likes. A `SignedRequest` carries its own target and deadline down to the socket.
"""

import io
import socket
import threading
import time
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Any, Final

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

HOSTS: Final = 2  # the main and the backup host


class SignedRequest(requests.PreparedRequest):
    """A request that is final: what `path_url` says is what was signed and what is sent.

    `deadline` is on the scale of `time.monotonic`; reading the reply stops there.
    """

    def __init__(
        self,
        *,
        method: str,
        origin: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: float,
    ) -> None:
        super().__init__()
        self.method = method
        self.url = origin + target
        self.headers = CaseInsensitiveDict(headers)
        self.body = body
        self.target = target
        self.deadline = deadline

    @property
    def path_url(self) -> str:
        """The request target, byte for byte."""
        return self.target


def new_session(pool_size: int, adapter: BaseAdapter | None = None) -> requests.Session:
    """The one session of a process: `pool_size` is at least its number of threads.

    It takes nothing from the environment: no proxy, no credentials, no other certificate bundle.
    `adapter` replaces the network, for a server that lives in this process.
    """
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", adapter or SignedAdapter(HOSTS, pool_size))
    session.mount("http://", adapter or SignedAdapter(HOSTS, pool_size))
    return session


class _InFlight(threading.local):
    """The request this thread is sending: urllib3 offers no way to hand it to the connection."""

    request: SignedRequest | None = None


_in_flight: Final = _InFlight()


class SignedAdapter(HTTPAdapter):
    """Sends `SignedRequest`s untouched and by their deadline, over kept-alive connections."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send and read up to the end of the headers."""
        _in_flight.request = request if isinstance(request, SignedRequest) else None
        try:
            return super().send(request, *args, **kwargs)
        finally:
            _in_flight.request = None

    def get_connection_with_tls_context(
        self, request: requests.PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> HTTPConnectionPool:
        """The host's own pool: there are no proxies here to look for."""
        host, tls = self.build_connection_pool_key_attributes(request, verify, cert)
        pool: HTTPConnectionPool = self.poolmanager.connection_from_host(**host, pool_kwargs=tls)
        return pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """What stands in the first line: with no proxy, the target alone."""
        return request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """The reply as far as it is read here: no cookies, no text."""
        response = requests.Response()
        response.status_code, response.reason = resp.status, resp.reason
        response.headers = CaseInsensitiveDict(resp.headers)
        response.raw, response.url, response.request = resp, req.url or "", req
        return response


class _DeadlineReader(io.RawIOBase):
    """Reads from a socket, never waiting past the deadline however often bytes arrive."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        super().__init__()
        self._sock = sock
        self._each = sock.gettimeout()
        self._deadline = deadline
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline of the reply has passed")
        self._sock.settimeout(left if self._each is None else min(left, self._each))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineSocket:
    """All that a reply wants of its socket: a file to read from."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._sock, self._deadline))


class _Reply(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        current = _in_flight.request
        source: Any = sock if current is None else _DeadlineSocket(sock, current.deadline)
        super().__init__(source, *args, **kwargs)


class _Connection(HTTPConnection):
    response_class = _Reply

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        current = _in_flight.request
        super().putrequest(method, url if current is None else current.target, *args, **kwargs)


class _TlsConnection(HTTPSConnection):
    response_class = _Reply

    def putrequest(self, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        current = _in_flight.request
        super().putrequest(method, url if current is None else current.target, *args, **kwargs)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection
