"""Applying for refunds, asking for them, and how strictly a refund is read."""

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from partner.wechatpay.ciphers import open_field
from partner.wechatpay.client import WeChatPayClient
from partner.wechatpay.errors import Malformed, OutcomeUnknown, Refused, UnknownReason
from partner.wechatpay.resources.refunds import BankCard, Refund, SealingKey, refund_body
from tests.partner.wechatpay.conftest import API_V3_KEY, PLATFORM_SERIAL, SP_MCHID, TransportMaker
from tests.partner.wechatpay.scripted_server import ScriptedServer, hangs_up, replies

BODY = refund_body(
    sub_mchid="1600000777",
    transaction_id="4200000000202603010000000001",
    out_refund_no="R20260302-000007",
    notify_url="https://pay.example.com/wx/notify/refund",
    refund_fen=500,
    total_fen=1880,
    currency="CNY",
    reason="退一杯",
)
ANSWER: dict[str, Any] = {
    "refund_id": "50300000002026030200000000001",
    "out_refund_no": "R20260302-000007",
    "transaction_id": "4200000000202603010000000001",
    "out_trade_no": "T20260301-000042",
    "channel": "ORIGINAL",
    "user_received_account": "支付用户零钱",
    "create_time": "2026-03-02T09:00:00+08:00",
    "status": "PROCESSING",
    "amount": {
        "total": 1880,
        "refund": 500,
        "payer_total": 1780,
        "payer_refund": 473,
        "discount_refund": 27,
        "currency": "CNY",
        "from": [],
    },
}
NOTIFIED: dict[str, Any] = {
    "sp_mchid": "1600000001",
    "sub_mchid": "1600000777",
    "transaction_id": "4200000000202603010000000001",
    "out_trade_no": "T20260301-000042",
    "refund_id": "50300000002026030200000000001",
    "out_refund_no": "R20260302-000007",
    "refund_status": "SUCCESS",
    "success_time": "2026-03-02T09:00:20+08:00",
    "user_received_account": "支付用户零钱",
    "amount": {"total": 1880, "refund": 500, "payer_total": 1780, "payer_refund": 473},
}
ASKED = {"out_refund_no": "R20260302-000007", "sub_mchid": "1600000777"}


def changed(message: dict[str, Any], **changes: object) -> dict[str, Any]:
    """The message with fields changed; `amount__x` reaches inside, None leaves out."""
    made = copy.deepcopy(message)
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        target: Any = made[outer] if inner else made
        if value is None:
            del target[inner or outer]
        else:
            target[inner or outer] = value
    return made


def test_a_refund_names_tenant_address_and_the_whole_order() -> None:
    assert json.loads(BODY) == {
        "sub_mchid": "1600000777",
        "transaction_id": "4200000000202603010000000001",
        "out_refund_no": "R20260302-000007",
        "reason": "退一杯",
        "notify_url": "https://pay.example.com/wx/notify/refund",
        "amount": {"refund": 500, "total": 1880, "currency": "CNY"},
    }


def test_applying_sends_exactly_those_bytes(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies(ANSWER))

    refund = client.refunds.create(BODY, **ASKED)

    [request] = server.requests
    assert (request.method, request.target) == ("POST", "/v3/refund/domestic/refunds")
    assert request.body == BODY
    assert (refund.sp_mchid, refund.sub_mchid) == (SP_MCHID, "1600000777")
    assert (refund.status, refund.refund_fen, refund.total_fen) == ("PROCESSING", 500, 1880)
    assert refund.create_time == datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def test_an_application_that_may_have_arrived_is_not_sent_twice(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(hangs_up(), replies(ANSWER))

    with pytest.raises(OutcomeUnknown):
        client.refunds.create(BODY, **ASKED)

    assert len(server.requests) == 1


def test_asking_names_the_sub_merchant_in_the_address(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies(ANSWER))

    client.refunds.query(**ASKED)

    [request] = server.requests
    path = "/v3/refund/domestic/refunds/R20260302-000007?sub_mchid=1600000777"
    assert (request.method, request.target) == ("GET", path)


@pytest.mark.parametrize("other", [{"out_refund_no": "R-8"}, {"sub_mchid": "1600000778"}])
def test_a_genuine_answer_to_another_question_settles_nothing(
    client: WeChatPayClient, server: ScriptedServer, other: dict[str, str]
) -> None:
    server.plays(replies(changed(ANSWER, **other)))

    with pytest.raises(OutcomeUnknown) as raised:
        client.refunds.query(**ASKED)

    assert raised.value.reason is UnknownReason.REPLY_MALFORMED


def test_a_number_that_was_never_accepted_is_a_refusal(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies({"code": "RESOURCE_NOT_EXISTS", "message": "退款单不存在"}, status=404))

    with pytest.raises(Refused) as raised:
        client.refunds.query(**ASKED)

    assert raised.value.code == "RESOURCE_NOT_EXISTS"


def test_a_card_is_sealed_for_the_key_the_header_names(
    make_transport: TransportMaker, server: ScriptedServer, platform_key: RSAPrivateKey
) -> None:
    sealing = SealingKey(PLATFORM_SERIAL, platform_key.public_key())
    client = WeChatPayClient(make_transport(), [API_V3_KEY], sealing)
    server.plays(replies(ANSWER))
    card = BankCard(bank_type="CMB_DEBIT", account="6225880000000001", real_name="张三")

    client.refunds.apply_abnormal(refund_id=ANSWER["refund_id"], card=card, **ASKED)

    [request] = server.requests
    sent: Any = request.json
    target = f"/v3/refund/domestic/refunds/{ANSWER['refund_id']}/apply-abnormal-refund"
    assert request.target == target
    assert request.headers["wechatpay-serial"] == PLATFORM_SERIAL
    assert (sent["type"], sent["bank_type"]) == ("USER_BANK_CARD", "CMB_DEBIT")
    assert open_field(platform_key, sent["bank_account"]) == "6225880000000001"
    assert open_field(platform_key, sent["real_name"]) == "张三"
    assert b"6225880000000001" not in request.body


def test_a_card_never_prints_itself() -> None:
    card = BankCard(bank_type="CMB_DEBIT", account="6225880000000001", real_name="张三")

    assert "6225" not in repr(card)
    assert "张" not in repr(card)


def test_without_a_card_it_goes_to_the_merchant(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies(ANSWER))

    client.refunds.apply_abnormal(refund_id=ANSWER["refund_id"], card=None, **ASKED)

    [request] = server.requests
    assert request.json == {
        "sub_mchid": "1600000777",
        "out_refund_no": "R20260302-000007",
        "type": "MERCHANT_BANK_CARD",
    }


def test_a_card_without_a_key_to_seal_it_is_not_sent(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    card = BankCard(bank_type="CMB_DEBIT", account="6225880000000001", real_name="张三")

    with pytest.raises(LookupError):
        client.refunds.apply_abnormal(refund_id=ANSWER["refund_id"], card=card, **ASKED)

    assert server.requests == []


def test_a_notification_calls_the_status_by_its_own_name() -> None:
    refund = Refund.from_wire(NOTIFIED)

    assert refund.status == "SUCCESS"
    assert (refund.sp_mchid, refund.sub_mchid) == ("1600000001", "1600000777")
    assert (refund.payer_refund_fen, refund.currency) == (473, None)
    assert refund.success_time == datetime(2026, 3, 2, 1, 0, 20, tzinfo=UTC)


def test_the_variant_with_one_merchant_number_is_read() -> None:
    told = changed(NOTIFIED, sp_mchid=None, sub_mchid=None, mchid="1600000001")

    refund = Refund.from_wire(told)

    assert (refund.sp_mchid, refund.sub_mchid, refund.mchid) == (None, None, "1600000001")


@pytest.mark.parametrize(
    "changes",
    [
        {"refund_status": None},
        {"out_refund_no": None},
        {"refund_id": None},
        {"transaction_id": 4200},
        {"amount": None},
        {"amount__refund": None},
        {"amount__refund": "500"},
        {"amount__refund": True},
        {"amount__refund": 500.0},
        {"amount__refund": -1},
        {"amount__total": None},
        {"success_time": "yesterday"},
        {"sub_mchid": 1600000777},
        {"refund_id": "5" * 33},
    ],
)
def test_what_is_not_of_the_documented_shape_is_malformed(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        Refund.from_wire(changed(NOTIFIED, **changes))
