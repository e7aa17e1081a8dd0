"""Placing, querying and closing, and how strictly a transaction is read."""

import copy
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from partner.wechatpay.client import WeChatPayClient
from partner.wechatpay.errors import Malformed, OutcomeUnknown, Refused, UnknownReason
from partner.wechatpay.resources.order_bodies import JSAPI, order_body
from partner.wechatpay.resources.transactions import Transaction
from tests.partner.wechatpay.scripted_server import ScriptedServer, replies, replies_unsigned
from tests.partner.wechatpay.sealing import PAID

ORDER: dict[str, Any] = {
    "sp_appid": "wxaaaa0000bbbb1111",
    "sp_mchid": "1600000001",
    "sub_mchid": "1600000777",
    "description": "Corner Cafe-拿铁",
    "out_trade_no": "T20260301-000042",
    "notify_url": "https://pay.example.com/wx/notify/pay",
    "total_fen": 1880,
    "sp_openid": "oAAAAbbbbCCCCddddEEEEffff0001",
}
UNPAID = {
    "out_trade_no": "T20260301-000042",
    "sp_appid": "wxaaaa0000bbbb1111",
    "sp_mchid": "1600000001",
    "sub_mchid": "1600000777",
    "trade_state": "NOTPAY",
    "trade_state_desc": "订单未支付",
    "amount": {"total": 1880, "currency": "CNY"},
    "payer": {},
}


def paid_but(**changes: object) -> dict[str, Any]:
    """A paid transaction with one field changed; `payer__x` reaches inside."""
    message = copy.deepcopy(PAID)
    for name, value in changes.items():
        outer, _, inner = name.partition("__")
        target: Any = message[outer] if inner else message
        target[inner or outer] = value
    return message


def test_an_order_is_compact_utf_8_without_what_was_not_given() -> None:
    body = order_body(JSAPI, **ORDER)

    assert "拿铁".encode() in body
    assert b" " not in body.replace(b"Corner Cafe", b"")
    assert json.loads(body) == {
        "sp_appid": "wxaaaa0000bbbb1111",
        "sp_mchid": "1600000001",
        "sub_mchid": "1600000777",
        "description": "Corner Cafe-拿铁",
        "out_trade_no": "T20260301-000042",
        "notify_url": "https://pay.example.com/wx/notify/pay",
        "amount": {"total": 1880, "currency": "CNY"},
        "payer": {"sp_openid": "oAAAAbbbbCCCCddddEEEEffff0001"},
    }


def test_an_order_carries_every_option_where_wechat_pay_looks_for_it() -> None:
    options: dict[str, Any] = {
        "sub_appid": "wxcccc2222dddd3333",
        "sub_openid": "oSub",
        "time_expire": datetime(2026, 3, 1, 4, 30, 0, 999, tzinfo=UTC),
        "attach": "tenant=7",
        "goods_tag": "SPRING",
        "support_fapiao": False,
        "profit_sharing": True,
        "detail": {"cost_price": 2000},
        "scene_info": {"payer_client_ip": "203.0.113.9"},
    }

    order = json.loads(order_body(JSAPI, **(ORDER | options | {"sp_openid": None})))

    assert order["sub_appid"] == "wxcccc2222dddd3333"
    assert order["payer"] == {"sub_openid": "oSub"}
    assert order["time_expire"] == "2026-03-01T12:30:00+08:00"
    assert (order["attach"], order["goods_tag"]) == ("tenant=7", "SPRING")
    assert order["support_fapiao"] is False
    assert order["settle_info"] == {"profit_sharing": True}
    assert order["detail"] == {"cost_price": 2000}
    assert order["scene_info"] == {"payer_client_ip": "203.0.113.9"}


def test_the_same_order_is_the_same_bytes() -> None:
    elsewhere = timezone(timedelta(hours=-5))
    expiry = datetime(2026, 3, 1, 4, 30, tzinfo=UTC)

    first = order_body(JSAPI, **ORDER, time_expire=expiry)
    second = order_body(JSAPI, **ORDER, time_expire=expiry.astimezone(elsewhere))

    assert first == second


def test_an_expiry_without_a_zone_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="aware"):
        order_body(JSAPI, **ORDER, time_expire=datetime(2026, 3, 1, 12, 30))  # noqa: DTZ001


def test_placing_sends_the_stored_bytes_and_returns_the_prepay_id(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    body = order_body(JSAPI, **ORDER)
    server.plays(replies_unsigned(500, b""), replies({"prepay_id": "wx0112", "new": 1}))

    prepay_id = client.transactions.place(JSAPI, body)

    assert prepay_id == "wx0112"
    assert [request.body for request in server.requests] == [body, body]
    assert server.requests[0].target == "/v3/pay/partner/transactions/jsapi"


@pytest.mark.parametrize(
    "message",
    [{}, {"prepay_id": None}, {"prepay_id": 7}, {"prepay_id": ""}, {"prepay_id": "x" * 65}, []],
)
def test_a_signed_success_without_a_usable_prepay_id_is_unknown(
    client: WeChatPayClient, server: ScriptedServer, message: object
) -> None:
    server.plays(replies(message))

    with pytest.raises(OutcomeUnknown) as raised:
        client.transactions.place(JSAPI, b"{}")

    assert raised.value.reason is UnknownReason.REPLY_MALFORMED


def test_a_query_by_our_number_reads_what_was_paid(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies(PAID))

    paid = client.transactions.query_by_out_trade_no(
        out_trade_no="T20260301-000042", sub_mchid="1600000777"
    )

    assert server.requests[0].target == (
        "/v3/pay/partner/transactions/out-trade-no/T20260301-000042"
        "?sp_mchid=1600000001&sub_mchid=1600000777"
    )
    assert server.requests[0].body == b""
    assert paid.is_paid
    assert paid.transaction_id == "4200000000202603010000000001"
    assert paid.success_time == datetime(2026, 3, 1, 4, 1, 2, tzinfo=UTC)
    assert paid.payer_sp_openid == "oAAAAbbbbCCCCddddEEEEffff0001"
    assert paid.payer_sub_openid is None
    assert (paid.total_fen, paid.payer_total_fen) == (1880, 1780)
    assert (paid.currency, paid.payer_currency) == ("CNY", "CNY")
    assert (paid.trade_type, paid.bank_type, paid.attach) == ("JSAPI", "OTHERS", "tenant=7")


def test_a_query_by_wechat_pays_number_uses_its_own_path(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies(PAID))

    paid = client.transactions.query_by_transaction_id(
        transaction_id="4200000000202603010000000001", sub_mchid="1600000777"
    )

    assert paid.out_trade_no == "T20260301-000042"
    assert server.requests[0].target.startswith(
        "/v3/pay/partner/transactions/id/4200000000202603010000000001?sp_mchid="
    )


def test_an_unpaid_order_is_read_from_the_little_that_is_told() -> None:
    unpaid = Transaction.from_wire(UNPAID)

    assert not unpaid.is_paid
    assert unpaid.total_fen == 1880
    assert unpaid.success_time is None
    assert unpaid.transaction_id is None
    assert unpaid.payer_sp_openid is None


@pytest.mark.parametrize(
    ("trade_state", "is_paid"),
    [("SUCCESS", True), ("REFUND", True), ("NOTPAY", False), ("CLOSED", False), ("NEW", False)],
)
def test_money_was_received_in_two_states_only(trade_state: str, is_paid: bool) -> None:
    assert Transaction.from_wire(paid_but(trade_state=trade_state)).is_paid is is_paid


def test_a_reversed_order_was_paid_if_it_has_wechat_pays_number() -> None:
    given_back = Transaction.from_wire(paid_but(trade_state="REVOKED"))
    never_paid = Transaction.from_wire({**UNPAID, "trade_state": "REVOKED"})

    assert (given_back.is_paid, never_paid.is_paid) == (True, False)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01T12:01:02+08:00", datetime(2026, 3, 1, 4, 1, 2, tzinfo=UTC)),
        ("2026-03-01T12:01:02.345+08:00", datetime(2026, 3, 1, 4, 1, 2, 345000, tzinfo=UTC)),
        ("2026-03-01T04:01:02Z", datetime(2026, 3, 1, 4, 1, 2, tzinfo=UTC)),
        ("2026-03-01t04:01:02.000001z", datetime(2026, 3, 1, 4, 1, 2, 1, tzinfo=UTC)),
        ("2026-02-28T23:01:02-05:00", datetime(2026, 3, 1, 4, 1, 2, tzinfo=UTC)),
    ],
)
def test_times_are_read_in_every_documented_form(text: str, moment: datetime) -> None:
    assert Transaction.from_wire(paid_but(success_time=text)).success_time == moment


@pytest.mark.parametrize(
    "changes",
    [
        {"amount__total": True},
        {"amount__total": "1880"},
        {"amount__total": 1880.0},
        {"amount__total": -1},
        {"amount__total": 2**63},
        {"amount__payer_total": [1]},
        {"amount__currency": 156},
        {"amount": [1880]},
        {"amount": 1880},
        {"payer": "oAAAA"},
        {"payer__sp_openid": 5},
        {"out_trade_no": None},
        {"out_trade_no": ""},
        {"out_trade_no": 42},
        {"out_trade_no": "x" * 33},
        {"sp_mchid": None},
        {"sub_mchid": 1600000777},
        {"trade_state": None},
        {"trade_state": {"a": 1}},
        {"transaction_id": 42000000002026},
        {"attach": False},
        {"success_time": "2026-03-01T12:01:02"},
        {"success_time": "2026-03-01 12:01:02+08:00"},
        {"success_time": "2026-13-01T12:01:02+08:00"},
        {"success_time": "0001-01-01T00:00:00+08:00"},
        {"success_time": 1772337662},
        {"success_time": "20260301T120102+0800"},
    ],
)
def test_a_transaction_with_a_wrong_type_is_malformed(changes: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        Transaction.from_wire(paid_but(**changes))


@pytest.mark.parametrize(
    ("name", "nothing"),
    [
        ("amount", None),
        ("payer", None),
        ("attach", None),
        ("transaction_id", None),
        ("success_time", None),
        ("attach", ""),
        ("sub_appid", ""),
        ("transaction_id", ""),
        ("success_time", ""),
    ],
)
def test_null_and_empty_texts_read_as_absent(name: str, nothing: str | None) -> None:
    message = paid_but(**{name: nothing})

    assert Transaction.from_wire(message) == Transaction.from_wire(
        {key: value for key, value in message.items() if key != name}
    )


@pytest.mark.parametrize(
    "message",
    [
        paid_but(out_trade_no="T20260301-000043"),
        paid_but(sub_mchid="1600000778"),
        paid_but(sp_mchid="1600000002"),
        paid_but(amount__total=True),
        "not an object",
    ],
)
def test_a_signed_answer_to_another_question_is_no_answer(
    client: WeChatPayClient, server: ScriptedServer, message: object
) -> None:
    server.plays(replies(message))

    with pytest.raises(OutcomeUnknown) as raised:
        client.transactions.query_by_out_trade_no(
            out_trade_no="T20260301-000042", sub_mchid="1600000777"
        )

    assert raised.value.reason is UnknownReason.REPLY_MALFORMED


def test_an_unknown_order_is_a_refusal_with_its_code(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies_unsigned(404, b'{"code":"ORDERNOTEXIST","message":"none"}'))

    with pytest.raises(Refused) as raised:
        client.transactions.query_by_out_trade_no(out_trade_no="T1", sub_mchid="1600000777")

    assert (raised.value.status, raised.value.code) == (404, "ORDER_NOT_EXIST")


def test_closing_names_both_merchants_in_the_body(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies(b"", status=204))

    client.transactions.close(out_trade_no="T20260301-000042", sub_mchid="1600000777")

    (request,) = server.requests
    assert request.target == "/v3/pay/partner/transactions/out-trade-no/T20260301-000042/close"
    assert request.body == b'{"sp_mchid":"1600000001","sub_mchid":"1600000777"}'
    assert request.is_rightly_signed


def test_an_unsigned_close_is_not_believed(client: WeChatPayClient, server: ScriptedServer) -> None:
    server.plays(*[replies_unsigned(204, b"")] * 3)

    with pytest.raises(OutcomeUnknown):
        client.transactions.close(out_trade_no="T1", sub_mchid="1600000777")


def test_a_paid_order_refuses_to_be_closed(client: WeChatPayClient, server: ScriptedServer) -> None:
    server.plays(replies_unsigned(400, b'{"code":"ORDERPAID","message":"paid"}'))

    with pytest.raises(Refused) as raised:
        client.transactions.close(out_trade_no="T1", sub_mchid="1600000777")

    assert raised.value.code == "ORDER_PAID"


def test_the_self_test_says_what_wechat_pay_heard(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies({"echo_message": "你好"}))

    heard = client.echo.ask("你好")

    assert heard == "你好"
    assert server.requests[0].target == "/v3/security/echo"
    assert server.requests[0].json == {"echo_message": "你好"}
