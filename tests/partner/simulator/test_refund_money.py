"""What a refund costs whom, and the trouble a refund's application can meet."""

from __future__ import annotations

import pytest
import requests

from partner.simulator import Simulator
from partner.simulator.refund_limit import RefundLimit
from partner.simulator.refusals import Refusal
from tests.partner.simulator.conftest import Merchant
from tests.partner.simulator.test_refunds import CONTROL, NUMBER, REFUNDS, apply, told


def test_a_refund_without_funds_waits_for_them_under_its_number(
    merchant: Merchant, sim: Simulator, web: requests.Session
) -> None:
    sub = merchant.order["sub_mchid"]
    sim.register(sub_merchants=[{"sub_mchid": sub, "balance_fen": 0}])
    merchant.place()
    sim.pay(NUMBER)
    sim.register(sub_merchants=[{"sub_mchid": sub, "balance_fen": 499}])
    short = apply(merchant)
    sim.register(sub_merchants=[{"sub_mchid": sub, "balance_fen": 500}])

    recharged = apply(merchant)

    assert told(short) == (403, "NOT_ENOUGH")
    assert recharged.status_code == 200
    [shown] = [
        one
        for one in web.get(f"{CONTROL}/merchants").json()["data"][0]["sub_merchants"]
        if one["sub_mchid"] == sub
    ]
    assert shown["balance_fen"] == 0


def test_payments_fill_the_balance_and_closed_refunds_come_back_to_it(
    merchant: Merchant, sim: Simulator
) -> None:
    sub = merchant.order["sub_mchid"]
    sim.register(sub_merchants=[{"sub_mchid": sub, "balance_fen": 0}])
    merchant.place()
    sim.pay(NUMBER, coupon_fen=80)
    full = sim.world.balances.of(sub)
    apply(merchant, 940)
    half = sim.world.balances.of(sub)

    sim.settle_refund("R20260302-000007", "CLOSED")

    assert (full, half, sim.world.balances.of(sub)) == (1800, 900, 1800)


def test_a_coupon_takes_its_share_of_every_refund(merchant: Merchant, sim: Simulator) -> None:
    merchant.place()
    sim.pay(NUMBER, coupon_fen=100)

    first = apply(merchant).json()
    sim.clock.advance(61)
    rest = apply(merchant, 1380, out_refund_no="R-REST").json()

    assert first["amount"] | {"refund_fee": 0} == {
        "total": 1880,
        "refund": 500,
        "payer_total": 1780,
        "payer_refund": 473,
        "settlement_total": 1780,
        "settlement_refund": 473,
        "discount_refund": 27,
        "refund_fee": 0,
        "currency": "CNY",
        "from": [],
    }
    assert first["promotion_detail"][0]["refund_amount"] == 27
    assert rest["amount"]["payer_refund"] == 1780 - 473
    assert rest["amount"]["discount_refund"] == 100 - 27


def test_money_accounts_are_for_profit_sharing_orders_and_must_add_up(
    merchant: Merchant, sim: Simulator
) -> None:
    merchant.place(settle_info={"profit_sharing": True})
    merchant.place(out_trade_no="PLAIN-ORDER")
    sim.pay(NUMBER)
    sim.pay("PLAIN-ORDER")
    halves = [{"account": "AVAILABLE", "amount": 200}, {"account": "UNAVAILABLE", "amount": 300}]
    amount = {"refund": 500, "total": 1880, "currency": "CNY", "from": halves}
    short = amount | {"from": halves[:1]}
    twice = amount | {"from": [halves[0], halves[1] | {"account": "AVAILABLE"}]}

    answers = [
        apply(merchant, amount=short),
        apply(merchant, amount=twice),
        apply(merchant, amount=amount, out_trade_no="PLAIN-ORDER"),
    ]
    good = apply(merchant, amount=amount, funds_account="AVAILABLE").json()

    codes = ["PARAM_ERROR", "PARAM_ERROR", "INVALID_REQUEST"]
    assert [told(one) for one in answers] == [(400, code) for code in codes]
    assert good["amount"]["from"] == halves
    assert good["funds_account"] == "AVAILABLE"


def test_only_ordered_goods_can_be_given_back(merchant: Merchant, sim: Simulator) -> None:
    latte = {"merchant_goods_id": "latte", "quantity": 2, "unit_price": 940}
    merchant.place(detail={"goods_detail": [latte]})
    sim.pay(NUMBER)
    back = {"unit_price": 940, "refund_amount": 500, "refund_quantity": 1}
    goods = {
        "ordered": {"merchant_goods_id": "latte", **back},
        "too many": {"merchant_goods_id": "latte", **back, "refund_quantity": 3},
        "never ordered": {"merchant_goods_id": "mocha", **back},
        "incomplete": {"merchant_goods_id": "latte"},
    }

    codes = {
        name: told(apply(merchant, goods_detail=[one], out_refund_no=f"R-{len(name)}"))
        for name, one in goods.items()
    }
    sim.clock.advance(61)
    kept = told(apply(merchant, 400, out_refund_no="R-NEXT", goods_detail=[goods["ordered"]]))

    refused = (400, "PARAM_ERROR")
    assert codes == {
        "ordered": (200, ""),
        "too many": refused,
        "never ordered": refused,
        "incomplete": refused,
    }
    assert kept == (200, "")


def test_a_lost_answer_did_its_work_and_asking_again_refunds_once(
    paid: Merchant, sim: Simulator
) -> None:
    sim.faults.add("lost_answer", path=REFUNDS, method="POST")
    with pytest.raises(requests.ConnectionError):
        apply(paid)

    again = apply(paid)

    assert again.status_code == 200
    assert sim.refunds.count() == 1


@pytest.mark.parametrize(
    ("kind", "status"), [("http_500", 500), ("http_502", 502), ("rate_limit", 429)]
)
@pytest.mark.parametrize("work_done", [False, True])
def test_trouble_at_the_refund_desk_may_hide_work_that_was_done(
    paid: Merchant, sim: Simulator, kind: str, status: int, work_done: bool
) -> None:
    sim.faults.add(kind, path=REFUNDS, work_done=work_done)

    answer = apply(paid)

    assert answer.status_code == status
    assert sim.refunds.count() == int(work_done)


def test_a_provider_has_so_many_refund_requests_a_second_and_no_more() -> None:
    now = 100.0
    limit = RefundLimit(lambda: now)
    limit.enforced = True
    for _ in range(150):
        with limit.counted("1900000901"):
            pass

    with pytest.raises(Refusal, match="频率"), limit.counted("1900000901"):
        pass
    with limit.counted("1900000801"):
        pass

    now = 101.0
    with limit.counted("1900000901"):
        pass


def test_refunds_too_fast_are_turned_away_when_the_limit_is_on(
    paid: Merchant, web: requests.Session
) -> None:
    def fail() -> int:
        return apply(paid, out_trade_no="NO-SUCH-ORDER").status_code

    free = [fail() for _ in range(8)]
    web.post(f"{CONTROL}/refund-limit", json={"enforced": True})

    limited = [fail() for _ in range(8)]

    assert set(free) == {404}
    assert limited[:6] == [404] * 6
    assert 429 in limited[6:]
