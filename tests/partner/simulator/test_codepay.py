"""Payment codes at the till: paid, asked for a password, declined, reversed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import requests

from partner.simulator import Simulator
from partner.simulator.clock import BEIJING
from tests.partner.simulator.conftest import BASE, ORDERS, Merchant

NUMBER = "TILL-000042"
SCENE = {"store_info": {"out_id": "SHOP-1"}, "device_id": "TILL-1"}


def code(web: requests.Session, behaviour: str = "pay", person: str = "payer") -> str:
    asked = {"person": person, "behaviour": behaviour}
    made = web.post(f"{BASE}/_simulator/payment-codes", json=asked)
    assert made.status_code == 201
    return str(made.json()["auth_code"])


def read(merchant: Merchant, auth_code: str, **changes: Any) -> requests.Response:
    """The till has scanned a code."""
    order = {**merchant.order, "out_trade_no": NUMBER, "scene_info": SCENE, "notify_url": None}
    order |= {"payer": {"auth_code": auth_code}, **changes}
    order = {name: value for name, value in order.items() if value is not None}
    return merchant.call("POST", f"{ORDERS}/codepay", order)


def reverse(merchant: Merchant, number: str = NUMBER, **changes: Any) -> requests.Response:
    body = {"sp_mchid": merchant.mchid, "sub_mchid": merchant.order["sub_mchid"], **changes}
    return merchant.call("POST", f"{ORDERS}/out-trade-no/{number}/reverse", body)


def state(merchant: Merchant, number: str = NUMBER) -> str:
    return str(merchant.query(number).json()["trade_state"])


def test_a_code_that_simply_pays_is_answered_with_the_paid_transaction(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    answer = read(merchant, code(web, person="wang"))

    paid = answer.json()
    assert (answer.status_code, paid["trade_state"]) == (200, "SUCCESS")
    assert merchant.is_genuine(answer)
    assert paid["trade_type"] == "MICROPAY"
    assert paid["payer"] == {"sp_openid": sim.people.openid(paid["sp_appid"], "wang")}
    assert paid == merchant.query(NUMBER).json()


def test_a_payment_by_code_is_never_notified(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    read(merchant, code(web))
    read(merchant, code(web, "password"), out_trade_no="TILL-ASKED")
    sim.pay("TILL-ASKED")

    assert sim.outbox.listed() == []
    assert [order.trade_state for order in sim.ledger.orders()] == ["SUCCESS", "SUCCESS"]


def test_a_payer_who_is_asked_for_a_password_pays_later(
    merchant: Merchant, web: requests.Session
) -> None:
    auth_code = code(web, "password")

    asked, again = read(merchant, auth_code), read(merchant, auth_code)
    waiting = state(merchant)
    web.post(f"{BASE}/_simulator/orders/{NUMBER}/pay")

    assert (asked.status_code, asked.json()["code"]) == (202, "USERPAYING")
    assert merchant.is_genuine(asked)
    assert again.status_code == 202
    assert waiting == "USERPAYING"
    assert state(merchant) == "SUCCESS"
    assert read(merchant, auth_code).json()["code"] == "ORDER_PAID"


def test_a_payer_who_turns_the_password_away_has_failed_for_good(
    merchant: Merchant, web: requests.Session
) -> None:
    auth_code = code(web, "password")
    read(merchant, auth_code)

    first = web.post(f"{BASE}/_simulator/orders/{NUMBER}/cancel")
    second = web.post(f"{BASE}/_simulator/orders/{NUMBER}/cancel")
    late = web.post(f"{BASE}/_simulator/orders/{NUMBER}/pay")

    assert (first.status_code, second.status_code, late.status_code) == (200, 409, 409)
    assert state(merchant) == "PAYERROR"
    assert read(merchant, auth_code).json()["code"] == "TRADE_ERROR"


@pytest.mark.parametrize(
    ("behaviour", "status", "refusal", "after"),
    [
        ("decline", 403, "TRADE_ERROR", "PAYERROR"),
        ("not_enough", 403, "NOT_ENOUGH", "PAYERROR"),
        ("account_error", 403, "ACCOUNT_ERROR", "PAYERROR"),
        ("bank_error", 500, "BANK_ERROR", "NOTPAY"),
    ],
)
def test_a_payment_that_fails_says_why(
    merchant: Merchant,
    web: requests.Session,
    behaviour: str,
    status: int,
    refusal: str,
    after: str,
) -> None:
    answer = read(merchant, code(web, behaviour))

    assert (answer.status_code, answer.json()["code"]) == (status, refusal)
    assert state(merchant) == after


def test_a_code_pays_once_and_not_for_long(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    used, old = code(web), code(web)
    read(merchant, used)

    again = read(merchant, used, out_trade_no="TILL-AGAIN")
    sim.clock.advance(121)
    late = read(merchant, old, out_trade_no="TILL-LATE")
    invented = read(merchant, "130000000000000000", out_trade_no="TILL-INVENTED")

    assert (again.status_code, late.status_code, invented.status_code) == (400, 400, 400)
    assert "已被使用" in again.json()["message"]
    assert "已过期" in late.json()["message"]
    assert invented.json()["detail"]["field"] == "/payer/auth_code"
    assert sim.ledger.order_numbers() == [NUMBER]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"payer": {"auth_code": "12345"}}, "/payer/auth_code"),
        ({"payer": {"sp_openid": "oAAAAbbbbCCCC"}}, "/payer/sp_openid"),
        ({"scene_info": None}, "/scene_info"),
        ({"scene_info": {"device_id": "1"}}, "/scene_info/store_info"),
        ({"scene_info": {"store_info": {}}}, "/scene_info/store_info"),
        ({"notify_url": "https://pay.example.com/notify"}, "/notify_url"),
        ({"time_expire": "2027-01-01T00:00:00+08:00"}, "/time_expire"),
    ],
)
def test_the_tills_order_has_a_table_of_its_own(
    merchant: Merchant, web: requests.Session, change: dict[str, Any], field: str
) -> None:
    answer = read(merchant, code(web), **change)

    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")
    assert answer.json()["detail"]["field"] == field


def test_payment_codes_need_provider_and_sub_merchant_to_have_the_product(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    sim.register(codepay_enabled=False)
    without_product = read(merchant, code(web))
    sub = {"sub_mchid": merchant.order["sub_mchid"], "permissions": ["JSAPI"]}
    sim.register(codepay_enabled=True, sub_merchants=[sub])

    without_permission = read(merchant, code(web))

    for answer in (without_product, without_permission):
        assert (answer.status_code, answer.json()["code"]) == (403, "NO_AUTH")


def test_an_order_by_code_is_reversed_and_never_closed(
    merchant: Merchant, web: requests.Session
) -> None:
    read(merchant, code(web, "password"))

    closed = merchant.close(NUMBER)
    reversed_ = reverse(merchant)
    again = reverse(merchant, sp_appid=merchant.order["sp_appid"])

    assert closed.status_code == 400
    assert closed.headers["Request-ID"].endswith("-268449641")
    assert (reversed_.status_code, again.status_code) == (200, 200)
    assert merchant.is_genuine(reversed_)
    assert reversed_.json() == {
        "sp_mchid": merchant.mchid,
        "sub_mchid": merchant.order["sub_mchid"],
        "out_trade_no": NUMBER,
    }
    assert state(merchant) == "REVOKED"
    assert web.post(f"{BASE}/_simulator/orders/{NUMBER}/pay").status_code == 409


def test_reversing_a_paid_order_gives_the_money_back(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    read(merchant, code(web))

    answer = reverse(merchant)

    assert answer.status_code == 200
    assert state(merchant) == "REVOKED"
    now = int(sim.clock.timestamp())
    [(order, _)] = sim.ledger.reversed_between(merchant.mchid, now - 9, now + 9, None)
    assert (order.out_trade_no, order.transaction_id is None) == (NUMBER, False)


def test_a_reversal_needs_the_money_to_be_there(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    read(merchant, code(web))
    sub_mchid = merchant.order["sub_mchid"]
    sim.register(sub_merchants=[{"sub_mchid": sub_mchid, "balance_fen": 1879}])

    short = reverse(merchant)
    sim.register(sub_merchants=[{"sub_mchid": sub_mchid, "balance_fen": 1880}])
    enough = reverse(merchant)

    assert (short.status_code, short.json()["code"]) == (403, "NOT_ENOUGH")
    assert enough.status_code == 200
    assert sim.world.balances.of(sub_mchid) == 0


def test_a_reversal_may_have_to_wait(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    sim.register(reverse_after_s=15)
    read(merchant, code(web))

    early = reverse(merchant)
    sim.clock.advance(15)

    assert (early.status_code, early.json()["code"]) == (400, "INVALID_REQUEST")
    assert reverse(merchant).status_code == 200


def test_a_number_placed_otherwise_is_not_read_by_code_nor_the_other_way_round(
    merchant: Merchant, web: requests.Session
) -> None:
    merchant.place(out_trade_no="TILL-JSAPI")
    read(merchant, code(web, "password"))

    by_code = read(merchant, code(web), out_trade_no="TILL-JSAPI")
    by_page = merchant.place(out_trade_no=NUMBER)
    by_other_code = read(merchant, code(web))

    for answer in (by_code, by_page, by_other_code):
        assert (answer.status_code, answer.json()["code"]) == (403, "OUT_TRADE_NO_USED")


def test_the_bill_shows_payments_by_code_and_their_reversals(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    read(merchant, code(web))
    reverse(merchant)
    day = sim.clock.now().astimezone(BEIJING)
    sim.clock.set((day + timedelta(days=1)).replace(hour=10, minute=5))

    ticket = merchant.call("GET", f"/v3/bill/tradebill?bill_date={day:%Y-%m-%d}").json()
    bill = merchant.call("GET", ticket["download_url"].removeprefix(BASE)).content.decode()

    rows = [line.split(",`") for line in bill.splitlines() if NUMBER in line]
    assert [(row[8], row[9]) for row in rows] == [("MICROPAY", "SUCCESS"), ("MICROPAY", "REVOKED")]


def test_what_cannot_be_reversed(merchant: Merchant, web: requests.Session, sim: Simulator) -> None:
    merchant.place()
    read(merchant, code(web))
    other = {"sub_mchid": "1900000912"}

    unknown, foreign = reverse(merchant, "TILL-NEVER"), reverse(merchant, **other)
    jsapi = reverse(merchant, "T20260301-000042")
    sim.clock.advance(8 * 86400)
    late = reverse(merchant)

    assert (unknown.status_code, unknown.json()["code"]) == (404, "ORDER_NOT_EXIST")
    assert (foreign.status_code, foreign.json()["code"]) == (400, "PARAM_ERROR")
    assert (jsapi.status_code, jsapi.json()["code"]) == (400, "INVALID_REQUEST")
    assert (late.status_code, late.json()["code"]) == (400, "INVALID_REQUEST")
    assert state(merchant) == "SUCCESS"
