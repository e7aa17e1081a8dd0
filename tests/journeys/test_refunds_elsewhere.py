"""Money that went back by another hand: in the merchant platform, or through another system.

It is heard of from a notification, by asking for its number, or at the latest from the day's bill;
whichever comes first, it is one refund and is counted once.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from config.clock import beijing_date
from partner.simulator.refund_book import Refund as Theirs
from partner.simulator.simulator import Simulator
from submerchants.tenants.models import SubMerchant
from tests.books import all_events, all_refunds, audit_actions
from tests.journeys.shop import A_MINUTE, Shop
from tests.payments.api.caller import Reply
from tests.together import at_once


@pytest.fixture
def shop(app: Flask, simulator: Simulator, sub_merchant: SubMerchant) -> Iterator[Shop]:
    """The journey's shop; when it is over, our books are WeChat Pay's."""
    made = Shop(app, simulator, sub_merchant)
    yield made
    made.require_same_books()


def by_hand(shop: Shop, order: dict[str, Any], amount_fen: int) -> Theirs:
    """Somebody refunds in the merchant platform, and nobody is told."""
    return shop.simulator.refund_by_hand(order["out_trade_no"], amount_fen)


def find(shop: Shop, out_refund_no: str) -> Reply:
    return shop.api.post("/refunds/find", {"out_refund_no": out_refund_no})


def sums(shop: Shop, order: dict[str, Any]) -> tuple[int, int]:
    """What of the order went back, and how many refunds there are."""
    shown = shop.api.get(f"/orders/{order['id']}").json
    return shown["refunded_fen"], len(shop.api.get("/refunds").json["data"])


def test_made_elsewhere_and_notified(shop: Shop) -> None:
    order = shop.sold(2800)
    url = f"https://pay.example.test/notify/wechatpay/{order['sp_mchid']}"

    shop.simulator.refund_by_hand(order["out_trade_no"], 1000, notify_url=url)
    shop.news()

    [refund] = shop.api.get("/refunds").json["data"]
    assert (refund["origin"], refund["state"], refund["amount_fen"]) == (
        "ELSEWHERE",
        "SUCCEEDED",
        1000,
    )
    assert shop.refund(order, 1801).code == "refund_exceeds_balance"


def test_made_elsewhere_and_found_on_the_bill(shop: Shop) -> None:
    order = shop.sold(2800)
    shop.refund(order, 800, "R-1")
    shop.news()
    shop.simulator.clock.advance(70)
    shop.simulator.refund_by_hand(order["out_trade_no"], 1000)
    shop.simulator.world.refund_life.settle_due()
    day = beijing_date(shop.simulator.clock.now())

    with shop.later(timedelta(days=1, hours=11)):
        [compared] = shop.command(
            "reconcile", "--date", str(day), "--sub-mchid", order["sub_mchid"]
        )
        shop.command("refunds", "sync")

    assert (compared["state"], compared["discrepancies"]) == ("MATCHED", [])
    assert compared["matched"] == 3
    assert compared["ours"] == compared["theirs"] == {"count": 3, "amount_fen": 1000}
    found = {refund["origin"]: refund for refund in shop.api.get("/refunds").json["data"]}
    assert (found["ELSEWHERE"]["state"], found["ELSEWHERE"]["amount_fen"]) == ("SUCCEEDED", 1000)
    assert shop.api.get(f"/orders/{order['id']}").json["refunded_fen"] == 1800


def test_made_elsewhere_and_asked_for_by_its_number(shop: Shop) -> None:
    order = shop.sold(2800)
    made = by_hand(shop, order, 1000)
    shop.simulator.world.refund_life.settle_due()

    answer = find(shop, made.out_refund_no)

    refund = answer.json
    assert answer.status_code == 200
    assert refund == shop.shown(refund)
    assert (refund["origin"], refund["state"]) == ("ELSEWHERE", "SUCCEEDED")
    assert (refund["amount_fen"], refund["order_id"]) == (1000, order["id"])
    assert (refund["out_refund_no"], refund["refund_id"]) == (made.out_refund_no, made.refund_id)
    assert sums(shop, order) == (1000, 1)
    assert len(all_events("refund.succeeded")) == 1
    assert shop.refund(order, 1801).code == "refund_exceeds_balance"


def test_found_while_it_is_under_way_it_holds_its_money_and_the_sweep_settles_it(
    shop: Shop,
) -> None:
    order = shop.sold(2800)
    shop.simulator.refund_outcomes.set("HOLD")
    made = by_hand(shop, order, 1000)

    found = find(shop, made.out_refund_no).json
    too_much = shop.refund(order, 1801)
    shop.simulator.settle_refund(made.out_refund_no)
    shop.swept(A_MINUTE)

    assert (found["state"], too_much.code) == ("PROCESSING", "refund_exceeds_balance")
    assert shop.shown(found)["state"] == "SUCCEEDED"
    assert sums(shop, order) == (1000, 1)


def test_asked_for_twice_it_is_one_refund_and_counts_once(shop: Shop) -> None:
    order = shop.sold(2800)
    shop.simulator.refund_outcomes.set("HOLD")
    made = by_hand(shop, order, 1000)

    first = find(shop, made.out_refund_no).json
    shop.simulator.settle_refund(made.out_refund_no)
    second = find(shop, made.out_refund_no).json
    third = find(shop, made.out_refund_no).json

    assert (first["state"], second["state"]) == ("PROCESSING", "SUCCEEDED")
    assert first["id"] == second["id"]
    assert second == third
    assert sums(shop, order) == (1000, 1)
    assert len(all_events("refund.succeeded")) == 1


def test_many_who_ask_at_once_take_in_one_refund(app: Flask, shop: Shop) -> None:
    order = shop.sold(2800)
    made = by_hand(shop, order, 1000)
    shop.simulator.world.refund_life.settle_due()

    answers = at_once(app, 6, lambda: find(shop, made.out_refund_no))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert [refund.state for refund in all_refunds()] == ["SUCCEEDED"]
    assert sums(shop, order) == (1000, 1)
    assert shop.refund(order, 1801).code == "refund_exceeds_balance"
    assert shop.refund(order, 1800).status_code == 201


def test_news_after_the_asking_changes_nothing(shop: Shop) -> None:
    order = shop.sold(2800)
    url = f"https://pay.example.test/notify/wechatpay/{order['sp_mchid']}"
    made = shop.simulator.refund_by_hand(order["out_trade_no"], 1000, notify_url=url)
    shop.simulator.world.refund_life.settle_due()

    found = find(shop, made.out_refund_no).json
    shop.simulator.notifier.deliver_due()

    assert shop.shown(found) == found
    assert sums(shop, order) == (1000, 1)


def test_another_tenants_refund_is_not_there_and_stays_as_it_is(
    app: Flask, shop: Shop, other_sub_merchant: SubMerchant
) -> None:
    order = shop.sold(2800)
    shop.simulator.refund_outcomes.set("HOLD")
    known = find(shop, by_hand(shop, order, 500).out_refund_no).json
    shop.simulator.clock.advance(70)
    unheard = by_hand(shop, order, 1000)
    for number in (known["out_refund_no"], unheard.out_refund_no):
        shop.simulator.settle_refund(number)
    stranger = Shop(app, shop.simulator, other_sub_merchant)

    numbers = (known["out_refund_no"], unheard.out_refund_no, "50000000382019052709732")
    answers = [find(stranger, number) for number in numbers]

    assert {(answer.status_code, answer.code) for answer in answers} == {(404, "refund_unknown")}
    assert len({answer.json["message"] for answer in answers}) == 1
    assert stranger.api.get("/refunds").json["data"] == []
    assert shop.shown(known) == known
    assert sums(shop, order) == (0, 1)
    # Whose they are finds both.
    assert {find(shop, number).status_code for number in numbers[:2]} == {200}
    assert sums(shop, order) == (1500, 2)


def test_its_payment_was_never_heard_of_either(shop: Shop) -> None:
    order = shop.api.order(amount_fen=2800)
    shop.simulator.faults.add("notification_missing")
    shop.simulator.pay(order["out_trade_no"])
    shop.news()
    made = by_hand(shop, order, 1000)
    shop.simulator.world.refund_life.settle_due()
    before = shop.api.get(f"/orders/{order['id']}").json["state"]

    answer = find(shop, made.out_refund_no)

    after = shop.api.get(f"/orders/{order['id']}").json
    assert (before, after["state"], after["refunded_fen"]) == ("PENDING", "PAID", 1000)
    assert (answer.status_code, answer.json["state"]) == (200, "SUCCEEDED")
    told = sorted(event.type for event in all_events())
    assert told == ["order.paid", "refund.succeeded"]


def test_one_that_got_stuck_is_taken_in_with_its_task(shop: Shop) -> None:
    order = shop.sold(2800)
    shop.simulator.refund_outcomes.set("ABNORMAL")
    made = by_hand(shop, order, 2800)
    shop.simulator.world.refund_life.settle_due()

    stuck = find(shop, made.out_refund_no).json
    shop.simulator.refund_outcomes.set("SUCCESS")
    shop.command("refunds", "apply-abnormal", stuck["id"], "--type", "MERCHANT_BANK_CARD")
    shop.news()
    shop.swept(A_MINUTE)

    assert stuck["state"] == "ABNORMAL"
    assert shop.shown(stuck)["state"] == "SUCCEEDED"
    assert sums(shop, order) == (2800, 1)


def test_an_operator_finds_one_and_the_trail_says_so(shop: Shop) -> None:
    order = shop.sold(2800)
    made = by_hand(shop, order, 1000)
    shop.simulator.world.refund_life.settle_due()
    whose = ("--sub-mchid", order["sub_mchid"], "--sp-mchid", order["sp_mchid"])

    shown = shop.command("refunds", "find", made.out_refund_no, *whose)

    assert shown == shop.shown(shown)
    assert audit_actions(shown["id"]) == ["refund.succeeded", "refund.found"]
    assert sums(shop, order) == (1000, 1)


@pytest.mark.parametrize(
    ("number", "whose", "said"),
    [
        ("50000000382019052709732", None, "knows no refund of this number"),
        ("no/such", None, "A refund's number has up to 64 letters"),
        ("50000000382019052709732", "1699999999", "There is no sub-merchant 1699999999"),
    ],
)
def test_an_operator_reads_why_nothing_was_found(
    app: Flask, sub_merchant: SubMerchant, number: str, whose: str | None, said: str
) -> None:
    words = ["refunds", "find", number, "--sub-mchid", whose or sub_merchant.sub_mchid]

    result = app.test_cli_runner().invoke(args=words)

    assert result.exit_code == 1
    assert said in result.stderr
    assert all_refunds() == []
