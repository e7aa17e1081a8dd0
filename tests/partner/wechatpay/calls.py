"""One call over a transport, and what it came to."""

import pytest

from partner.wechatpay.errors import OutcomeUnknown, Refused
from partner.wechatpay.transport import Transport

PATH = "/v3/pay/partner/transactions/jsapi"


def ask(transport: Transport, *, repeatable: bool = True, endpoint: str = "prepay") -> bytes:
    return transport.send("POST", PATH, body=b'{"a":1}', repeatable=repeatable, endpoint=endpoint)


def outcome_of(transport: Transport, **how: bool) -> OutcomeUnknown:
    with pytest.raises(OutcomeUnknown) as raised:
        ask(transport, **how)  # type: ignore[arg-type]
    return raised.value


def refusal_of(transport: Transport) -> Refused:
    with pytest.raises(Refused) as raised:
        ask(transport)
    return raised.value
