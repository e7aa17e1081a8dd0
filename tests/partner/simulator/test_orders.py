"""Place, query, close: the documented answers, and the documented refusals."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from partner.simulator import Simulator
from partner.simulator.clock import rfc3339
from partner.simulator.payers import CannotPay
from tests.partner.simulator.conftest import ORDERS, PAYER, Merchant


def test_placing_an_order_answers_a_prepay_id(merchant: Merchant, sim: Simulator) -> None:
    answer = merchant.place()

    assert answer.status_code == 200
    assert merchant.is_genuine(answer)
    assert list(answer.json()) == ["prepay_id"]
    assert answer.json()["prepay_id"].startswith("wx")
    assert sim.ledger.order_numbers() == ["T20260301-000042"]


def test_an_unpaid_order_is_described_sparingly(merchant: Merchant) -> None:
    merchant.place()

    answer = merchant.query("T20260301-000042")

    assert merchant.is_genuine(answer)
    assert answer.json() == {
        "sp_appid": merchant.order["sp_appid"],
        "sp_mchid": merchant.mchid,
        "sub_mchid": merchant.order["sub_mchid"],
        "out_trade_no": "T20260301-000042",
        "trade_state": "NOTPAY",
        "trade_state_desc": "订单未支付",
        "amount": {"total": 1880, "currency": "CNY"},
        "payer": {},
    }


def test_a_paid_order_is_described_in_full_under_both_numbers(
    merchant: Merchant, sim: Simulator
) -> None:
    merchant.place()
    paid = sim.pay("T20260301-000042", coupon_fen=100)

    by_number = merchant.query("T20260301-000042").json()
    sub = merchant.order["sub_mchid"]
    query = f"?sp_mchid={merchant.mchid}&sub_mchid={sub}"
    by_transaction = merchant.call("GET", f"{ORDERS}/id/{paid.transaction_id}{query}").json()

    assert by_number == by_transaction
    assert by_number["trade_state"] == "SUCCESS"
    assert by_number["attach"] == "tenant=7"
    assert by_number["payer"] == {"sp_openid": PAYER}
    assert by_number["amount"] == {
        "total": 1880,
        "payer_total": 1780,
        "currency": "CNY",
        "payer_currency": "CNY",
    }
    assert by_number["promotion_detail"][0]["amount"] == 100
    assert by_number["transaction_id"].startswith("4200")
    assert len(by_number["transaction_id"]) == 28


def test_a_sub_merchants_payer_is_known_under_both_appids(
    merchant: Merchant, sim: Simulator
) -> None:
    sub_appid = sim.facts["sub_merchants"][0]["sub_appid"]
    merchant.place(sub_appid=sub_appid, payer={"sub_openid": PAYER})
    sim.pay("T20260301-000042")

    told = merchant.query("T20260301-000042").json()

    assert told["sub_appid"] == sub_appid
    assert told["payer"]["sub_openid"] == PAYER
    assert told["payer"]["sp_openid"] not in ("", PAYER)


def test_the_same_request_again_opens_a_fresh_session_of_the_same_order(
    merchant: Merchant, sim: Simulator
) -> None:
    first = merchant.place().json()["prepay_id"]

    second = merchant.place(amount={"total": 1880})

    assert second.status_code == 200
    assert second.json()["prepay_id"] != first
    assert sim.ledger.count() == 1


@pytest.mark.parametrize(
    "change",
    [
        {"amount": {"total": 1881, "currency": "CNY"}},
        {"description": "别的"},
        {"attach": None},
        {"notify_url": "http://receiver.localhost/other"},
        {"sub_mchid": "1900000912"},
        {"payer": {"sp_openid": "oSomebodyElse0001"}},
    ],
)
def test_the_same_number_with_other_content_is_refused(
    merchant: Merchant, sim: Simulator, change: dict[str, Any]
) -> None:
    merchant.place()

    answer = merchant.place(**change)

    assert answer.status_code == 403
    assert answer.json()["code"] == "OUT_TRADE_NO_USED"
    assert answer.headers["Request-ID"].endswith("-268498688")
    assert "Wechatpay-Signature" not in answer.headers
    assert [order.total for order in sim.ledger.orders()] == [1880]


def test_the_same_person_pays_through_another_appid(merchant: Merchant, sim: Simulator) -> None:
    ordered = sim.people.openid(merchant.order["sp_appid"], "wang")
    merchant.place(payer={"sp_openid": ordered})
    elsewhere = sim.people.openid("wx7a51c0ffee000911", "wang")

    with pytest.raises(CannotPay):
        sim.pay("T20260301-000042", sim.people.openid("wx7a51c0ffee000911", "li"))
    paid = sim.pay("T20260301-000042", elsewhere)

    assert (paid.trade_state, paid.sp_openid) == ("SUCCESS", ordered)


def test_a_paid_order_can_neither_be_placed_nor_closed_again(
    merchant: Merchant, sim: Simulator
) -> None:
    merchant.place()
    sim.pay("T20260301-000042")

    placed, closed = merchant.place(), merchant.close("T20260301-000042")

    assert (placed.status_code, placed.json()["code"]) == (400, "ORDER_PAID")
    assert (closed.status_code, closed.json()["code"]) == (400, "ORDER_PAID")
    assert sim.ledger.orders()[0].trade_state == "SUCCESS"


def test_closing_answers_a_signed_nothing_and_may_be_repeated(
    merchant: Merchant, sim: Simulator
) -> None:
    merchant.place()

    first, second = merchant.close("T20260301-000042"), merchant.close("T20260301-000042")

    for answer in (first, second):
        assert (answer.status_code, answer.content) == (204, b"")
        assert merchant.is_genuine(answer)
    assert merchant.query("T20260301-000042").json()["trade_state"] == "CLOSED"
    assert merchant.place().json()["code"] == "ORDER_CLOSED"
    assert sim.ledger.count() == 1


def test_unknown_orders_are_404_in_query_and_close(merchant: Merchant) -> None:
    for answer in (merchant.query("NOSUCHORDER"), merchant.close("NOSUCHORDER")):
        assert answer.status_code == 404
        assert answer.json()["code"] == "ORDER_NOT_EXIST"
        assert answer.headers["Request-ID"].endswith("-268512771")


def test_another_sub_merchants_order_is_not_shown_or_closed(
    merchant: Merchant, sim: Simulator
) -> None:
    merchant.place()

    for answer in (
        merchant.query("T20260301-000042", "1900000912"),
        merchant.close("T20260301-000042", "1900000912"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")
        assert answer.json()["message"] == "子商户号和订单信息不匹配"
    assert sim.ledger.orders()[0].trade_state == "NOTPAY"


def test_a_query_needs_both_merchant_numbers_in_its_url(merchant: Merchant) -> None:
    answer = merchant.call(
        "GET", f"{ORDERS}/out-trade-no/T20260301-000042?sp_mchid={merchant.mchid}"
    )

    assert answer.status_code == 400
    assert answer.json()["detail"]["field"] == "sub_mchid"
    assert answer.json()["detail"]["location"] == "query"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"amount": {"total": 0}}, "/amount/total"),
        ({"amount": {"total": -1}}, "/amount/total"),
        ({"amount": {"total": True}}, "/amount/total"),
        ({"amount": {"total": 18.8}}, "/amount/total"),
        ({"amount": {"total": "1880"}}, "/amount/total"),
        ({"amount": {"total": 10**15}}, "/amount/total"),
        ({"amount": {"total": 1, "currency": "USD"}}, "/amount/currency"),
        ({"amount": {"total": 1, "tip": 1}}, "/amount/tip"),
        ({"amount": None}, "/amount"),
        ({"description": "好" * 128}, "/description"),
        ({"description": ""}, "/description"),
        ({"description": "coffee 😀"}, "/description"),
        ({"description": 7}, "/description"),
        ({"attach": "x" * 129}, "/attach"),
        ({"out_trade_no": "T1234"}, "/out_trade_no"),
        ({"out_trade_no": "T" * 33}, "/out_trade_no"),
        ({"out_trade_no": "T12345 6"}, "/out_trade_no"),
        ({"notify_url": "https://pay.example.com/n?x=1"}, "/notify_url"),
        ({"notify_url": "https://pay.example.com/n#x"}, "/notify_url"),
        ({"notify_url": " https://pay.example.com/n"}, "/notify_url"),
        ({"notify_url": "ftp://pay.example.com/n"}, "/notify_url"),
        ({"time_expire": "2026-03-01 12:30:00"}, "/time_expire"),
        ({"time_expire": "2026-03-01T12:30:00"}, "/time_expire"),
        ({"time_expire": "2026-03-01T12:30:00+0800"}, "/time_expire"),
        ({"time_expire": "2026-03-01T12:30+08:00"}, "/time_expire"),
        ({"limit_pay": ["no_credit"]}, "/limit_pay"),
        ({"settle_info": {"subsidy_amount": 1}}, "/settle_info/subsidy_amount"),
        ({"detail": {"goods_detail": []}}, "/detail/goods_detail"),
        ({"scene_info": {"payer_client_ip": "300.1.1.1"}}, "/scene_info/payer_client_ip"),
        ({"sub_appid": ""}, "/sub_appid"),
        ({"payer": None}, "/payer"),
        ({"payer": {}}, "/payer"),
        ({"payer": {"sp_openid": "13800138000"}}, "/payer/sp_openid"),
        ({"payer": {"sub_openid": PAYER}}, "/sub_appid"),
    ],
)
def test_a_field_outside_its_limits_is_pointed_at(
    merchant: Merchant, sim: Simulator, change: dict[str, Any], pointer: str
) -> None:
    answer = merchant.place(**change)

    assert answer.status_code == 400
    assert answer.json()["code"] == "PARAM_ERROR"
    assert answer.json()["detail"]["field"] == pointer
    assert answer.json()["detail"]["location"] == "body"
    assert sim.ledger.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"a":NaN}',
        b'{"a":1,"a":2}',
        b'{"description":"\xff"}',
        b'{"description":"\\ud800"}',
        b"[" * 100_000,
        b'{"amount":{"total":' + b"9" * 5000 + b"}}",
    ],
)
def test_a_body_that_is_no_json_object_is_refused_without_a_stumble(
    merchant: Merchant, body: bytes
) -> None:
    answer = merchant.call("POST", f"{ORDERS}/jsapi", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")


@pytest.mark.parametrize(
    ("change", "status", "code", "text"),
    [
        ({"sp_mchid": "1900000999"}, 400, "PARAM_ERROR", "http header中的mchid"),
        ({"sub_mchid": "1900000901"}, 400, "PARAM_ERROR", "子商户mchid不能与自身mchid相同"),
        ({"sub_mchid": "1900000999"}, 400, "MCH_NOT_EXISTS", "商户号不存在"),
        ({"sub_mchid": "1900000988"}, 403, "NO_AUTH", "受理关系不存在"),
        ({"sub_mchid": "1900000977"}, 403, "NO_AUTH", "未授权服务商的产品权限"),
        ({"sub_mchid": "1900000966"}, 403, "NO_AUTH", "收款功能已被限制"),
        ({"sp_appid": "wx0000000000000000"}, 400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配"),
        (
            {"sub_appid": "wx0000000000000000"},
            400,
            "APPID_MCHID_NOT_MATCH",
            "sub_mch_id与sub_appid",
        ),
    ],
)
def test_who_may_not_sell_is_told_why(
    merchant: Merchant, sim: Simulator, change: dict[str, Any], status: int, code: str, text: str
) -> None:
    sim.register(
        sub_merchants=[
            {"sub_mchid": "1900000988", "related": False},
            {"sub_mchid": "1900000977", "permissions": ["NATIVE"]},
            {"sub_mchid": "1900000966", "restricted": True},
        ]
    )

    answer = merchant.place(**change)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert text in answer.json()["message"]


def test_an_openid_of_another_appid_does_not_fit(merchant: Merchant, sim: Simulator) -> None:
    sub_appid = sim.facts["sub_merchants"][0]["sub_appid"]
    theirs = sim.people.openid(sub_appid, "payer")

    as_sp = merchant.place(payer={"sp_openid": theirs})
    as_sub = merchant.place(sub_appid=sub_appid, payer={"sub_openid": theirs})

    assert as_sp.json()["message"] == "appid和openid不匹配"
    assert as_sub.status_code == 200


def test_time_expire_is_kept_between_one_minute_and_fifteen_days(
    merchant: Merchant, sim: Simulator
) -> None:
    now = sim.clock.now()
    wishes = {"EXPIRE-PAST": -3600, "EXPIRE-SOON": 7200, "EXPIRE-LATE": 40 * 86400}
    for number, seconds in wishes.items():
        merchant.place(out_trade_no=number, time_expire=rfc3339(now + timedelta(seconds=seconds)))

    lives = {one.out_trade_no: one.expires_at - one.created_at for one in sim.ledger.orders()}

    assert lives["EXPIRE-PAST"] == pytest.approx(60, abs=1)
    assert lives["EXPIRE-SOON"] == pytest.approx(7200, abs=2)
    assert lives["EXPIRE-LATE"] == pytest.approx(15 * 86400, abs=1)


def test_past_its_time_an_order_is_unpaid_and_after_seven_days_closed(
    merchant: Merchant, sim: Simulator
) -> None:
    merchant.place(time_expire=rfc3339(sim.clock.now() + timedelta(minutes=5)))

    sim.clock.advance(600)
    overdue, again = merchant.query("T20260301-000042"), merchant.place()
    sim.clock.advance(7 * 86400)
    week_later = merchant.query("T20260301-000042")

    assert overdue.json()["trade_state"] == "NOTPAY"
    assert (again.status_code, again.json()["code"]) == (403, "OUT_TRADE_NO_USED")
    assert week_later.json()["trade_state"] == "CLOSED"
