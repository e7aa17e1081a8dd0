"""How a conversation with WeChat Pay can end badly, told apart by what the caller may do next.

`Refused` means it answered no and nothing happened. `OutcomeUnknown` means it may have happened:
ask again with the same number. `Untrusted`, `Malformed` and `Undecryptable` say how far a message
got before it was turned away. Nothing here decides about orders or money.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

FREQUENCY_LIMITED: Final = "FREQUENCY_LIMITED"

# Older pages and live traffic spell several codes differently; callers see one spelling only.
_CANONICAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ACCOUNTERROR": "ACCOUNT_ERROR",
        "BANKERROR": "BANK_ERROR",
        "FREQENCY_LIMIT": FREQUENCY_LIMITED,
        "FREQUENCY_LIMIT": FREQUENCY_LIMITED,
        "FREQUENCY_LIMIT_EXCEED": FREQUENCY_LIMITED,
        "NOAUTH": "NO_AUTH",
        "NOTENOUGH": "NOT_ENOUGH",
        "ORDERCLOSED": "ORDER_CLOSED",
        "ORDERNOTEXIST": "ORDER_NOT_EXIST",
        "ORDERPAID": "ORDER_PAID",
        "RATE_LIMITED": FREQUENCY_LIMITED,
        "RATELIMIT_EXCEEDED": FREQUENCY_LIMITED,
        "RULELIMIT": "RULE_LIMIT",
        "SYSTEMERROR": "SYSTEM_ERROR",
    }
)


# Some interfaces say INVALID_REQUEST of an order that is paid, and what it is by number only.
_VAGUE: Final = "INVALID_REQUEST"
_LONGEST_NUMBER: Final = 12
_BY_NUMBER: Final[Mapping[int, str]] = MappingProxyType(
    {268449538: "ORDER_PAID", 268498689: "ORDER_PAID"}
)


def canonical_code(wire_code: str) -> str:
    """The one spelling of an error code that the platform branches on."""
    return _CANONICAL.get(wire_code, wire_code)


def internal_number(request_id: str | None) -> int:
    """WeChat Pay's own number of an error, the digits that end a Request-ID; 0 without any."""
    last = (request_id or "").rpartition("-")[2]
    is_one = last.isascii() and last.isdigit() and len(last) <= _LONGEST_NUMBER
    return int(last) if is_one else 0


class WeChatPayError(Exception):
    """Everything this client raises about WeChat Pay's side of the conversation."""


class Refused(WeChatPayError):
    """WeChat Pay answered no: the operation did not take place. Branch on `code` alone.

    `code` is canonical, and exact where the internal number says more; a refusal whose body named
    none (an unknown path answers with an empty body) carries `HTTP_<status>`. `message` is for
    people and changes without notice.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str,
        message: str = "",
        detail: Mapping[str, object] | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"WeChat Pay refused: {status} {code} {message}".rstrip())
        self.status = status
        self.code = canonical_code(code)
        if self.code == _VAGUE:
            self.code = _BY_NUMBER.get(internal_number(request_id), _VAGUE)
        self.message = message
        self.detail: Mapping[str, object] = detail or {}
        self.request_id = request_id


class UnknownReason(StrEnum):
    """Why nobody can say whether the operation took place."""

    CIRCUIT_OPEN = "circuit_open"
    NO_CONNECTION = "no_connection"
    CONNECTION_LOST = "connection_lost"
    TIMED_OUT = "timed_out"
    SERVER_ERROR = "server_error"
    UNEXPECTED_STATUS = "unexpected_status"
    REPLY_TOO_LARGE = "reply_too_large"
    REPLY_UNTRUSTED = "reply_untrusted"
    REPLY_MALFORMED = "reply_malformed"
    STILL_PROCESSING = "still_processing"


class OutcomeUnknown(WeChatPayError):
    """The operation may or may not have happened: query it, or repeat it with the same number.

    `was_sent` is False only when it is certain that no byte of the request left us, that is when
    no connection came about or the circuit breaker kept the call at home.
    """

    def __init__(
        self,
        reason: UnknownReason,
        cause: BaseException | None = None,
        request_id: str | None = None,
        *,
        was_sent: bool = True,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        told = " ".join(str(part) for part in (status, code, cause) if part is not None)
        super().__init__(f"Outcome unknown: {reason.value} {told}".rstrip())
        self.reason = reason
        self.cause = cause
        self.request_id = request_id
        self.was_sent = was_sent
        self.status = status
        self.code = code


class StillProcessing(OutcomeUnknown):
    """A signed 202: WeChat Pay took the request and is not done. Repeat the same after a pause."""

    def __init__(self, *, code: str | None, request_id: str | None) -> None:
        super().__init__(
            UnknownReason.STILL_PROCESSING, request_id=request_id, status=202, code=code
        )


class Distrust(StrEnum):
    """The closed list of reasons for which a signed message is turned away."""

    MISSING_HEADER = "missing_header"
    MALFORMED = "malformed"
    STALE = "stale"
    UNKNOWN_SERIAL = "unknown_serial"
    BAD_SIGNATURE = "bad_signature"


class Untrusted(WeChatPayError):
    """A message that did not prove it comes from WeChat Pay, now.

    `is_signature_probe` marks WeChat Pay's deliberate tests of our checking. It exists for the
    log level only: a probe is refused like any other bad signature.
    """

    def __init__(self, reason: Distrust, *, is_signature_probe: bool = False) -> None:
        super().__init__(f"Message not trusted: {reason.value}")
        self.reason = reason
        self.is_signature_probe = is_signature_probe


class Malformed(WeChatPayError):
    """From WeChat Pay, yet not of the documented shape. Names the field, never its value."""


class Undecryptable(WeChatPayError):
    """None of the keys we hold opens this ciphertext."""


class BillDamaged(WeChatPayError):
    """What was downloaded is not a whole bill; apply for the bill again."""


class BillDigestMismatch(BillDamaged):
    """The unpacked bill is not the one WeChat Pay announced."""


class BillTooLarge(WeChatPayError):
    """The bill passed a size limit, packed or unpacked."""


class BillAddressRefused(WeChatPayError):
    """The download address does not belong to WeChat Pay's API hosts; nothing was sent there."""
