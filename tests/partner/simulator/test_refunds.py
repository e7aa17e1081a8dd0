"""Apply for refunds and ask for them: the documented answers, and the documented refusals."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from partner.simulator import Simulator
from tests.partner.simulator.conftest import BASE, RECEIVER, Merchant

REFUNDS = "/v3/refund/domestic/refunds"
CONTROL = f"{BASE}/_simulator"
NUMBER = "T20260301-000042"
YEAR_S = 365 * 86400


def application(merchant: Merchant, refund_fen: int = 500, **changes: Any) -> dict[str, Any]:
    body = {
        "sub_mchid": merchant.order["sub_mchid"],
        "out_trade_no": NUMBER,
        "out_refund_no": "R20260302-000007",
        "reason": "退一杯",
        "notify_url": RECEIVER,
        "amount": {"refund": refund_fen, "total": 1880, "currency": "CNY"},
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def apply(merchant: Merchant, refund_fen: int = 500, **changes: Any) -> requests.Response:
    return merchant.call("POST", REFUNDS, application(merchant, refund_fen, **changes))


def ask(merchant: Merchant, number: str, sub_mchid: str | None = None) -> requests.Response:
    sub = sub_mchid or merchant.order["sub_mchid"]
    return merchant.call("GET", f"{REFUNDS}/{number}?sub_mchid={sub}")


def told(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_a_refund_is_accepted_and_described(paid: Merchant, sim: Simulator) -> None:
    answer = apply(paid)

    refund = answer.json()
    assert answer.status_code == 200
    assert paid.is_genuine(answer)
    assert refund["refund_id"].startswith("5030")
    assert len(refund["refund_id"]) == 29
    assert refund["transaction_id"] == sim.ledger.orders()[0].transaction_id
    assert (refund["status"], refund["channel"]) == ("PROCESSING", "ORIGINAL")
    assert "success_time" not in refund
    assert refund["amount"] == {
        "total": 1880,
        "refund": 500,
        "payer_total": 1880,
        "payer_refund": 500,
        "settlement_total": 1880,
        "settlement_refund": 500,
        "discount_refund": 0,
        "refund_fee": 3,
        "currency": "CNY",
        "from": [],
    }
    assert ask(paid, "R20260302-000007").json() == refund


def test_an_order_counts_as_refunded_as_soon_as_a_refund_exists(paid: Merchant) -> None:
    apply(paid, 1)

    order = paid.query(NUMBER).json()

    assert order["trade_state"] == "REFUND"
    assert order["amount"]["total"] == 1880
    assert order["success_time"]
    assert told(paid.close(NUMBER)) == (400, "ORDER_PAID")


def test_the_same_application_again_answers_the_same_refund(paid: Merchant, sim: Simulator) -> None:
    first = apply(paid)

    again = apply(paid)

    assert again.json() == first.json()
    assert sim.refunds.refund_numbers() == ["R20260302-000007"]


@pytest.mark.parametrize(
    "change",
    [
        {"amount": {"refund": 501, "total": 1880, "currency": "CNY"}},
        {"amount": {"refund": 500, "total": 1881, "currency": "CNY"}},
        {"reason": "别的"},
        {"notify_url": None},
        {"out_trade_no": "T20260301-000043"},
    ],
)
def test_a_used_refund_number_with_other_parameters_is_refused(
    paid: Merchant, sim: Simulator, change: dict[str, Any]
) -> None:
    apply(paid)
    sim.clock.advance(61)

    answer = apply(paid, **change)

    assert told(answer) == (400, "INVALID_REQUEST")
    assert "Wechatpay-Signature" not in answer.headers
    assert [refund.refund for refund in sim.refunds.refunds()] == [500]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"sub_mchid": None}, 400, "PARAM_ERROR"),
        ({"sub_mchid": "1900000901"}, 400, "PARAM_ERROR"),
        ({"sub_mchid": "1900000999"}, 404, "MCH_NOT_EXISTS"),
        ({"sub_mchid": "1900000912"}, 404, "RESOURCE_NOT_EXISTS"),
        ({"out_trade_no": None}, 400, "PARAM_ERROR"),
        ({"out_trade_no": "NO-SUCH-ORDER"}, 404, "RESOURCE_NOT_EXISTS"),
        ({"out_trade_no": None, "transaction_id": "4200"}, 404, "RESOURCE_NOT_EXISTS"),
        ({"out_refund_no": None}, 400, "PARAM_ERROR"),
        ({"out_refund_no": "R" * 65}, 400, "PARAM_ERROR"),
        ({"out_refund_no": "R 1"}, 400, "PARAM_ERROR"),
        ({"reason": "因" * 81}, 400, "PARAM_ERROR"),
        ({"notify_url": "https://a.example/x?y=1"}, 400, "PARAM_ERROR"),
        ({"sp_mchid": "1900000901"}, 400, "PARAM_ERROR"),
        ({"attach": "x"}, 400, "PARAM_ERROR"),
        ({"funds_account": "BASIC"}, 400, "PARAM_ERROR"),
        ({"funds_account": "UNSETTLED"}, 400, "INVALID_REQUEST"),
        ({"amount": {"refund": 0, "total": 1880, "currency": "CNY"}}, 400, "PARAM_ERROR"),
        ({"amount": {"refund": 500, "total": 1880}}, 400, "PARAM_ERROR"),
        ({"amount": {"refund": 500, "total": 1880, "currency": "USD"}}, 400, "PARAM_ERROR"),
        ({"amount": {"refund": 500, "total": 1380, "currency": "CNY"}}, 400, "INVALID_REQUEST"),
        ({"amount": {"refund": 1881, "total": 1880, "currency": "CNY"}}, 400, "INVALID_REQUEST"),
    ],
)
def test_an_application_that_does_not_fit_is_refused_with_its_reason(
    paid: Merchant, sim: Simulator, change: dict[str, Any], status: int, code: str
) -> None:
    answer = apply(paid, **change)

    assert told(answer) == (status, code)
    assert sim.refunds.count() == 0
    assert paid.query(NUMBER).json()["trade_state"] == "SUCCESS"


def test_what_was_never_paid_cannot_be_refunded(merchant: Merchant) -> None:
    merchant.place()
    unpaid = apply(merchant)
    merchant.close(NUMBER)

    closed = apply(merchant)

    assert told(unpaid) == told(closed) == (404, "RESOURCE_NOT_EXISTS")


def test_the_right_to_refund_is_the_sub_merchants_to_grant(paid: Merchant, sim: Simulator) -> None:
    sub = paid.order["sub_mchid"]
    sim.register(sub_merchants=[{"sub_mchid": sub, "permissions": ["JSAPI", "BILL"]}])
    without = apply(paid)
    sim.register(sub_merchants=[{"sub_mchid": sub, "permissions": ["JSAPI", "REFUND"]}])

    granted = apply(paid)

    assert told(without) == (403, "NO_AUTH")
    assert granted.status_code == 200


def test_refunds_of_one_order_keep_a_minute_apart_and_never_exceed_it(
    paid: Merchant, sim: Simulator
) -> None:
    apply(paid, 1000, out_refund_no="R-1")
    too_soon = apply(paid, 880, out_refund_no="R-2")
    sim.clock.advance(60)
    too_much = apply(paid, 881, out_refund_no="R-2")

    rest = apply(paid, 880, out_refund_no="R-2")

    assert told(too_soon) == (429, "FREQUENCY_LIMITED")
    assert told(too_much) == (400, "INVALID_REQUEST")
    assert rest.status_code == 200
    assert sum(refund.refund for refund in sim.refunds.refunds()) == 1880


def test_applications_for_the_same_money_have_one_winner(paid: Merchant, sim: Simulator) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: apply(paid, 1880, out_refund_no=f"R-{n}").status_code, range(16))
        )

    assert answers.count(200) == 1
    assert sim.refunds.count() == 1


def test_an_order_takes_fifty_refunds(paid: Merchant, sim: Simulator) -> None:
    accepted = []
    for number in range(50):
        accepted.append(apply(paid, 1, out_refund_no=f"R-{number}").status_code)
        sim.clock.advance(61)

    one_more = apply(paid, 1, out_refund_no="R-50")

    assert set(accepted) == {200}
    assert told(one_more) == (400, "INVALID_REQUEST")
    assert "50" in one_more.json()["message"]


def test_an_order_can_be_refunded_for_a_year(paid: Merchant, sim: Simulator) -> None:
    sim.clock.advance(YEAR_S - 5)
    in_time = apply(paid, 1)
    sim.clock.advance(61)

    too_late = apply(paid, 1, out_refund_no="R-LATE")

    assert in_time.status_code == 200
    assert told(too_late) == (400, "INVALID_REQUEST")


def test_a_payer_whose_account_is_gone_gets_nothing_this_way(
    paid: Merchant, sim: Simulator
) -> None:
    sim.refund_outcomes.set("USER_ACCOUNT_ABNORMAL")

    answer = apply(paid)

    assert told(answer) == (403, "USER_ACCOUNT_ABNORMAL")
    assert sim.refunds.count() == 0


def test_a_refund_is_shown_to_its_own_sub_merchant_only(paid: Merchant) -> None:
    apply(paid)

    answers = {
        "unknown": ask(paid, "R-UNKNOWN"),
        "another's": ask(paid, "R20260302-000007", "1900000912"),
        "nobody's": ask(paid, "R20260302-000007", "1900000999"),
        "unsaid": paid.call("GET", f"{REFUNDS}/R20260302-000007"),
    }

    assert {name: told(one) for name, one in answers.items()} == {
        "unknown": (404, "RESOURCE_NOT_EXISTS"),
        "another's": (404, "RESOURCE_NOT_EXISTS"),
        "nobody's": (404, "MCH_NOT_EXISTS"),
        "unsaid": (400, "PARAM_ERROR"),
    }
