"""Clear answers of "no": read from any error body, not repeated, not held against the server."""

import pytest

from partner.wechatpay.breaker import CircuitBreaker
from partner.wechatpay.errors import UnknownReason
from tests.partner.wechatpay.calls import outcome_of, refusal_of
from tests.partner.wechatpay.conftest import TransportMaker
from tests.partner.wechatpay.scripted_server import ScriptedServer, replies_unsigned


def test_a_refusal_names_code_message_detail_and_request_id(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    body = b'{"code":"PARAM_ERROR","message":"bad","detail":{"field":"/amount/total","value":0}}'
    server.plays(replies_unsigned(400, body))

    refused = refusal_of(make_transport())

    assert (refused.status, refused.code, refused.message) == (400, "PARAM_ERROR", "bad")
    assert refused.detail == {"field": "/amount/total", "value": 0}
    assert refused.request_id == "08F1-268"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("wire_code", "code"),
    [
        ("ORDERPAID", "ORDER_PAID"),
        ("ORDERCLOSED", "ORDER_CLOSED"),
        ("ORDERNOTEXIST", "ORDER_NOT_EXIST"),
        ("NOAUTH", "NO_AUTH"),
        ("NOTENOUGH", "NOT_ENOUGH"),
        ("RULELIMIT", "RULE_LIMIT"),
        ("ACCOUNTERROR", "ACCOUNT_ERROR"),
        ("RATELIMIT_EXCEEDED", "FREQUENCY_LIMITED"),
        ("RATE_LIMITED", "FREQUENCY_LIMITED"),
        ("FREQUENCY_LIMIT_EXCEED", "FREQUENCY_LIMITED"),
        ("FREQENCY_LIMIT", "FREQUENCY_LIMITED"),
        ("A_CODE_OF_TOMORROW", "A_CODE_OF_TOMORROW"),
    ],
)
def test_old_spellings_of_a_code_are_folded_into_one(
    make_transport: TransportMaker, server: ScriptedServer, wire_code: str, code: str
) -> None:
    server.plays(replies_unsigned(403, b'{"code":"%s"}' % wire_code.encode()))

    refused = refusal_of(make_transport())

    assert refused.code == code


@pytest.mark.parametrize(
    ("wire_code", "request_id", "code"),
    [
        ("INVALID_REQUEST", "08F1-268449538", "ORDER_PAID"),
        ("INVALID_REQUEST", "08F1-268498689", "ORDER_PAID"),
        ("INVALID_REQUEST", "08F1-268447914", "INVALID_REQUEST"),
        ("INVALID_REQUEST", "08F1", "INVALID_REQUEST"),
        ("INVALID_REQUEST", f"08F1-{'9' * 5000}", "INVALID_REQUEST"),
        ("NO_AUTH", "08F1-268449538", "NO_AUTH"),
    ],
)
def test_a_vague_code_is_made_exact_by_the_internal_number(
    make_transport: TransportMaker,
    server: ScriptedServer,
    wire_code: str,
    request_id: str,
    code: str,
) -> None:
    body = b'{"code":"%s"}' % wire_code.encode()
    server.plays(replies_unsigned(400, body, {"Request-ID": request_id}))

    refused = refusal_of(make_transport())

    assert refused.code == code


def test_too_fast_is_a_refusal_that_is_not_repeated_by_itself(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    server.plays(replies_unsigned(429, b'{"code":"SOMETHING_NEW","message":"slow down"}'))

    refused = refusal_of(make_transport())

    assert refused.code == "FREQUENCY_LIMITED"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>no such page</html>",
        b"[]",
        b"null",
        b'{"code":7,"message":["x"],"detail":"y"}',
        b'{"code":"<script>"}',
        b'{"code":null}',
        b"\xff\xfe",
        b'{"code":"A","code":"B"}',
        b'{"a":' * 5000,
    ],
    ids=["empty", "page", "list", "null", "types", "odd code", "none", "bytes", "twice", "deep"],
)
def test_an_odd_error_body_is_still_a_plain_refusal(
    make_transport: TransportMaker, server: ScriptedServer, body: bytes
) -> None:
    server.plays(replies_unsigned(404, body))

    refused = refusal_of(make_transport())

    assert (refused.status, refused.code) == (404, "HTTP_404")
    assert dict(refused.detail) == {}


def test_an_endless_error_body_is_not_swallowed(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    server.plays(replies_unsigned(400, b" " * 200_000))

    unknown = outcome_of(make_transport(), repeatable=False)

    assert unknown.reason is UnknownReason.REPLY_TOO_LARGE


def test_refusals_never_open_the_circuit(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    transport = make_transport(new_breaker=lambda: CircuitBreaker(2, 60), max_tries=1)
    server.plays(*[replies_unsigned(400, b'{"code":"PARAM_ERROR"}')] * 5)

    for _ in range(5):
        refusal_of(transport)

    assert len(server.requests) == 5
