"""One signed call to WeChat Pay: sign, send, wait as long as agreed, verify, repeat what is safe.

It ends in one of three ways: verified bytes, `Refused`, or `OutcomeUnknown`. Each try is signed
anew; after trouble with a connection the next try goes to the backup host. Connections and keys are
handed in. What the bytes mean is for the resources to say. WeChat Pay document: "基本规则".
"""

import random
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

import requests
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, SSLError

from partner.wechatpay import wire
from partner.wechatpay.breaker import CircuitBreaker
from partner.wechatpay.errors import (
    FREQUENCY_LIMITED,
    Malformed,
    OutcomeUnknown,
    Refused,
    StillProcessing,
    UnknownReason,
    Untrusted,
    canonical_code,
)
from partner.wechatpay.sessions import SignedRequest
from partner.wechatpay.signing import Signer
from partner.wechatpay.verification import Headers, Verifier

MAX_TRIES: Final = 3
CONNECT_TIMEOUT_S: Final = 3.0
READ_TIMEOUT_S: Final = 6.0
DEADLINE_S: Final = 12.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 0.8
MAX_REPLY_BYTES: Final = 1_048_576
MAX_ERROR_BYTES: Final = 65_536
LONGEST_TOLD: Final = 1_024  # how much of a refusal's message is kept
LONGEST_REQUEST_ID: Final = 64
_CHUNK_BYTES: Final = 65_536

_ORIGIN: Final = re.compile(
    r"https?://[0-9A-Za-z.\-]+(:[0-9]{1,5})?|https?://\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?"
)
_TARGET: Final = re.compile(r"/[!-~]*")
_ERROR_CODE: Final = re.compile(r"[0-9A-Za-z_]{1,64}")
# Codes by which the other side says that it does not know either, whatever the status beside them.
_UNDECIDED_CODES: Final = frozenset({"SYSTEM_ERROR", "BANK_ERROR", "SERVICE_UNAVAILABLE"})
_CONNECTION_TROUBLE: Final = frozenset(
    {UnknownReason.NO_CONNECTION, UnknownReason.CONNECTION_LOST, UnknownReason.TIMED_OUT}
)

_Answer = TypeVar("_Answer")


def path(*segments: str) -> str:
    """An absolute path out of raw segments, escaped so that no stack on the way rewrites it."""
    return "".join("/" + quote(segment, safe="") for segment in segments)


class Transport:
    """Talks to one merchant number's WeChat Pay; shared by all threads of a process.

    `verifier_source` is asked for every reply, so refreshed keys count at once. `session` comes
    from `sessions.new_session`; its adapters are used directly, since redirects and cookies have
    no place here, nor has switching off the check of certificates. Times are in seconds;
    `deadline_s` bounds all tries of a call together.
    """

    def __init__(
        self,
        *,
        session: requests.Session,
        signer: Signer,
        verifier_source: Callable[[], Verifier],
        base_url: str,
        fallback_base_url: str | None,
        user_agent: str,
        public_key_id: str | None = None,
        connect_timeout: float = CONNECT_TIMEOUT_S,
        read_timeout: float = READ_TIMEOUT_S,
        deadline_s: float = DEADLINE_S,
        max_tries: int = MAX_TRIES,
        new_breaker: Callable[[], CircuitBreaker] = CircuitBreaker,
    ) -> None:
        if not user_agent:
            raise ValueError("WeChat Pay refuses calls without a User-Agent")
        self.signer = signer
        self.verifier_source = verifier_source
        self.origins = tuple(_origin(url) for url in (base_url, fallback_base_url) if url)
        self._session = session
        self._connect_timeout = connect_timeout
        self._read_timeout = read_timeout
        self._deadline_s = deadline_s
        self._max_tries = max_tries
        self._new_breaker = new_breaker
        self._breakers: dict[str, CircuitBreaker] = {}
        self._headers = {"Accept": "application/json", "User-Agent": user_agent}
        if public_key_id is not None:
            # Asks for replies signed with that public key rather than a platform certificate.
            self._headers["Wechatpay-Serial"] = public_key_id

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        repeatable: bool = False,
        *,
        endpoint: str,
        verifier_for: Callable[[bytes], Verifier] | None = None,
        serial: str | None = None,
    ) -> bytes:
        """The verified body of a 2xx reply; raises `Refused` or `OutcomeUnknown`.

        `path` is escaped already. `repeatable` promises that calling twice equals calling once.
        `endpoint` names the circuit breaker. `verifier_for` chooses the verifier after a look at
        the reply, for the one reply that brings its own key. `serial` names the key of WeChat
        Pay's that sealed fields of the body.
        """
        target = f"{path}?{urlencode(query, quote_via=quote, safe='')}" if query else path
        deadline = time.monotonic() + self._deadline_s

        def once(origin: str) -> bytes:
            response = self._exchange(method, origin, target, body, deadline, serial)
            reply = _read(response, deadline)
            if not 200 <= reply.status < 300:
                raise _unhappy(reply)
            verifier = verifier_for(reply.body) if verifier_for else self.verifier_source()
            return _verified(reply, verifier)

        return self._guarded(endpoint, lambda: self._repeated(once, repeatable, deadline))

    def stream(
        self, target: str, *, endpoint: str, deadline_s: float, longest: int
    ) -> Iterator[bytes]:
        """The raw bytes of an unsigned download, at most `longest` and within `deadline_s`.

        WeChat Pay does not sign files; whoever reads this must check the announced digest.
        """
        deadline = time.monotonic() + deadline_s

        def once(origin: str) -> requests.Response:
            response = self._exchange("GET", origin, target, None, deadline)
            if response.status_code != 200:
                raise _unhappy(_read(response, deadline))
            return response

        response = self._guarded(endpoint, lambda: self._repeated(once, True, deadline))
        yield from _chunks(response, deadline, longest)

    def _guarded(self, endpoint: str, call: Callable[[], _Answer]) -> _Answer:
        breaker = self._breakers.setdefault(endpoint, self._new_breaker())
        if not breaker.lets_through():
            raise OutcomeUnknown(UnknownReason.CIRCUIT_OPEN, was_sent=False)
        try:
            answer = call()
        except (Refused, StillProcessing):
            breaker.succeeded()
            raise
        except OutcomeUnknown:
            breaker.failed()
            raise
        breaker.succeeded()
        return answer

    def _repeated(
        self, once: Callable[[str], _Answer], repeatable: bool, deadline: float
    ) -> _Answer:
        was_sent, host, tries = False, 0, 0
        while True:
            try:
                return once(self.origins[host % len(self.origins)])
            except StillProcessing:
                raise
            except OutcomeUnknown as unknown:
                tries += 1
                was_sent = unknown.was_sent = was_sent or unknown.was_sent
                pause = random.uniform(0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**tries))  # noqa: S311
                in_time = time.monotonic() + pause < deadline
                if tries >= self._max_tries or not in_time or (was_sent and not repeatable):
                    raise
                host += unknown.reason in _CONNECTION_TROUBLE
            time.sleep(pause)

    def _exchange(
        self,
        method: str,
        origin: str,
        target: str,
        body: bytes | None,
        deadline: float,
        serial: str | None = None,
    ) -> requests.Response:
        if not _TARGET.fullmatch(target):
            raise ValueError("the request target holds characters that must be escaped")
        left = deadline - time.monotonic()
        if left <= 0:
            raise OutcomeUnknown(UnknownReason.TIMED_OUT, was_sent=False)
        headers = self._signed_headers(method, target, body)
        if serial is not None:
            headers["Wechatpay-Serial"] = serial
        request = SignedRequest(
            method=method,
            origin=origin,
            target=target,
            headers=headers,
            body=body,
            deadline=deadline,
        )
        timeout = (min(self._connect_timeout, left), min(self._read_timeout, left))
        try:
            return self._session.get_adapter(origin).send(
                request,
                stream=True,
                timeout=timeout,
                verify=self._session.verify or True,
                proxies={},
            )
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _without_reply(error) from error

    def _signed_headers(self, method: str, target: str, body: bytes | None) -> dict[str, str]:
        headers = self._headers | {
            "Authorization": self.signer.authorization(method, target, body or b"")
        }
        if body is not None:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        return headers


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: Headers
    body: bytes
    request_id: str | None


def _origin(url: str) -> str:
    origin = url.rstrip("/")
    if not _ORIGIN.fullmatch(origin):
        raise ValueError("a base URL is a scheme and a host, nothing more")
    return origin.lower()


def _without_reply(error: Exception) -> OutcomeUnknown:
    if isinstance(error, requests.ConnectTimeout) or _never_connected(error):
        return OutcomeUnknown(UnknownReason.NO_CONNECTION, error, was_sent=False)
    if isinstance(error, requests.Timeout | TimeoutError):
        return OutcomeUnknown(UnknownReason.TIMED_OUT, error)
    return OutcomeUnknown(UnknownReason.CONNECTION_LOST, error)


def _never_connected(error: Exception) -> bool:
    wrapped = error.args[0] if error.args else None
    reason = wrapped.reason if isinstance(wrapped, MaxRetryError) else None
    if isinstance(reason, SSLError):
        return isinstance(reason.args[0], ssl.SSLCertVerificationError)
    return isinstance(reason, NewConnectionError)


def _read(response: requests.Response, deadline: float) -> _Reply:
    longest = MAX_REPLY_BYTES if response.ok else MAX_ERROR_BYTES
    body = b"".join(_chunks(response, deadline, longest))
    return _Reply(
        status=response.status_code,
        headers=response.headers,  # one sent twice is joined by a comma, which no form allows
        body=body,
        request_id=_request_id(response),
    )


def _request_id(response: requests.Response) -> str | None:
    told = response.headers.get("Request-ID")
    return told[:LONGEST_REQUEST_ID] if told else None


def _chunks(response: requests.Response, deadline: float, longest: int) -> Iterator[bytes]:
    """The body as it arrives; closes the connection unless the whole reply was read."""
    # read1 hands over what has arrived; read would wait until a whole chunk has dripped in.
    read = getattr(response.raw, "read1", response.raw.read)
    request_id = _request_id(response)
    taken = 0
    try:
        while chunk := read(_CHUNK_BYTES):
            taken += len(chunk)
            if taken > longest:
                raise OutcomeUnknown(UnknownReason.REPLY_TOO_LARGE, request_id=request_id)
            if time.monotonic() > deadline:
                raise OutcomeUnknown(UnknownReason.TIMED_OUT, request_id=request_id)
            yield chunk
    except (HTTPError, OSError) as error:
        response.raw.close()
        timed_out = isinstance(error, TimeoutError) or "timed out" in str(error)
        reason = UnknownReason.TIMED_OUT if timed_out else UnknownReason.CONNECTION_LOST
        raise OutcomeUnknown(reason, error, request_id) from error
    except BaseException:
        response.raw.close()
        raise


def _verified(reply: _Reply, verifier: Verifier) -> bytes:
    try:
        verifier.verify(reply.headers, reply.body)
    except Untrusted as distrust:
        raise OutcomeUnknown(
            UnknownReason.REPLY_UNTRUSTED, distrust, reply.request_id, status=reply.status
        ) from distrust
    if reply.status == 202:
        code, _, _ = _error_fields(reply.body)
        raise StillProcessing(code=code, request_id=reply.request_id)
    return reply.body


def _unhappy(reply: _Reply) -> Refused | OutcomeUnknown:
    code, message, detail = _error_fields(reply.body)
    if not 400 <= reply.status < 500 or reply.status == 408 or code in _UNDECIDED_CODES:
        server_said = reply.status >= 400
        return OutcomeUnknown(
            UnknownReason.SERVER_ERROR if server_said else UnknownReason.UNEXPECTED_STATUS,
            request_id=reply.request_id,
            status=reply.status,
            code=code,
        )
    if reply.status == 429:
        code = FREQUENCY_LIMITED
    return Refused(
        status=reply.status,
        code=code or f"HTTP_{reply.status}",
        message=message,
        detail=detail,
        request_id=reply.request_id,
    )


def _error_fields(body: bytes) -> tuple[str | None, str, Mapping[str, object]]:
    """Code, message and detail, as far as there are any: error bodies come empty, as HTML, odd."""
    try:
        told = wire.read_object(body)
    except Malformed:
        return None, "", {}
    code, message, detail = told.get("code"), told.get("message"), told.get("detail")
    return (
        canonical_code(code) if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else None,
        message[:LONGEST_TOLD] if isinstance(message, str) else "",
        detail if isinstance(detail, dict) else {},
    )
