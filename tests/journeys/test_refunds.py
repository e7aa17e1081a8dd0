"""Money back, the way a tenant's system, an operator and WeChat Pay meet it: each way it can end.

Everything goes over HTTP and through the commands; the simulator plays WeChat Pay. At the end of
each journey both sides' sums are held against each other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from partner.simulator.simulator import Simulator
from submerchants.tenants.models import SubMerchant
from tests.books import all_events, all_refund_tasks, all_refunds, inbox
from tests.journeys.shop import A_MINUTE, Shop

APPLY = {"path": "/v3/refund", "method": "POST"}


@pytest.fixture
def shop(app: Flask, simulator: Simulator, sub_merchant: SubMerchant) -> Iterator[Shop]:
    """The journey's shop; when it is over, our books are WeChat Pay's."""
    made = Shop(app, simulator, sub_merchant)
    yield made
    made.require_same_books()


def states(shop: Shop) -> list[str]:
    return [refund["state"] for refund in shop.api.get("/refunds").json["data"]]


def test_the_whole_of_it_goes_back(shop: Shop) -> None:
    order = shop.sold(2800)

    refund = shop.refund(order, 2800).json
    shop.news()

    done = shop.shown(refund)
    after = shop.api.get(f"/orders/{order['id']}").json
    assert (done["state"], done["payer_refund_fen"]) == ("SUCCEEDED", 2800)
    assert (after["refunded_fen"], after["trade_state"], after["state"]) == (2800, "REFUND", "PAID")
    assert [entry.state.value for entry in inbox()] == ["APPLIED", "APPLIED"]
    [event] = all_events("refund.succeeded")
    assert json.loads(event.data) == done


def test_two_parts_a_minute_apart(shop: Shop) -> None:
    order = shop.sold(2800)
    shop.refund(order, 800, "R-1")

    second = shop.refund(order, 2000, "R-2")
    waiting = (second.status_code, second.json["state"], second.json["waiting"])
    shop.swept(A_MINUTE)
    shop.news()

    assert waiting == (201, "REQUESTED", "MINUTE")
    assert states(shop) == ["SUCCEEDED", "SUCCEEDED"]
    assert shop.api.get(f"/orders/{order['id']}").json["refunded_fen"] == 2800
    assert shop.refund(order, 1, "R-3").code == "refund_exceeds_balance"


@pytest.mark.parametrize("fault", ["lost_answer", "http_500", "reset", "bad_signature"])
def test_an_answer_that_never_came(shop: Shop, fault: str) -> None:
    order = shop.sold()
    shop.simulator.faults.add(fault, **APPLY)

    answer = shop.refund(order, 2800)
    shop.swept(A_MINUTE)
    shop.news()

    assert (answer.status_code, answer.code) == (503, "wechatpay_outcome_unknown")
    assert states(shop) == ["SUCCEEDED"]
    assert len(shop.simulator.refunds.refund_numbers()) == 1


def test_news_that_never_came(shop: Shop) -> None:
    order = shop.sold()
    shop.simulator.faults.add("notification_missing")
    shop.refund(order, 2800)
    shop.news()
    assert states(shop) == ["PROCESSING"]

    shop.swept(A_MINUTE)

    assert states(shop) == ["SUCCEEDED"]


def test_not_enough_and_then_enough(shop: Shop) -> None:
    order = shop.sold(2800)
    shop.simulator.world.balances.set(order["sub_mchid"], 0)
    refund = shop.refund(order, 2800).json
    assert refund["waiting"] == "FUNDS"

    shop.simulator.world.balances.set(order["sub_mchid"], 5000)
    shop.swept(timedelta(minutes=3))
    shop.news()

    assert shop.shown(refund)["state"] == "SUCCEEDED"
    assert shop.simulator.refunds.refund_numbers() == [refund["out_refund_no"]]


def test_stuck_and_sent_to_another_card(shop: Shop) -> None:
    order = shop.sold()
    shop.simulator.world.refund_outcomes.set("ABNORMAL")
    refund = shop.refund(order, 2800).json
    shop.news()
    assert shop.shown(refund)["state"] == "ABNORMAL"
    assert [task.settled_at for task in all_refund_tasks()] == [None]
    shop.simulator.world.refund_outcomes.set("SUCCESS")

    words = ("refunds", "apply-abnormal", refund["id"], "--type", "USER_BANK_CARD")
    shop.command(*words, "--bank-type", "CMB_DEBIT", answers="6225880000000001\n张三\n")
    again = shop.shown(refund)["state"]
    shop.news()

    assert again == "PROCESSING"
    assert shop.shown(refund)["state"] == "SUCCEEDED"
    [task] = all_refund_tasks()
    assert (task.applied_type, task.settled_at is None) == ("USER_BANK_CARD", False)
    assert "6225880000000001" not in str([vars(refund) for refund in all_refunds()])


def test_stuck_and_sent_to_the_merchant(shop: Shop) -> None:
    order = shop.sold()
    shop.simulator.world.refund_outcomes.set("ABNORMAL")
    refund = shop.refund(order, 2800).json
    shop.news()
    shop.simulator.world.refund_outcomes.set("SUCCESS")

    shop.command("refunds", "apply-abnormal", refund["id"], "--type", "MERCHANT_BANK_CARD")
    shop.news()

    assert shop.shown(refund)["state"] == "SUCCEEDED"


def test_what_is_stuck_no_longer_is_not_sent_another_way(app: Flask, shop: Shop) -> None:
    order = shop.sold()
    shop.simulator.world.refund_outcomes.set("ABNORMAL")
    refund = shop.refund(order, 2800).json
    shop.news()
    shop.simulator.world.refund_outcomes.set("SUCCESS")
    # Somebody was faster, in the merchant platform.
    [there] = shop.simulator.refunds.refunds()
    shop.simulator.refunds.reopen(there, outcome="SUCCESS", settles_at=0.0)
    shop.simulator.faults.add("notification_missing")
    shop.simulator.world.refund_life.settle_due()

    words = ["refunds", "apply-abnormal", refund["id"], "--type", "MERCHANT_BANK_CARD"]
    result = app.test_cli_runner().invoke(args=words)

    assert result.exit_code == 1
    assert "this one is SUCCEEDED" in result.output
    assert shop.shown(refund)["state"] == "SUCCEEDED"


def test_closed_and_asked_for_anew(shop: Shop) -> None:
    order = shop.sold(2800)
    shop.simulator.world.refund_outcomes.set("CLOSED")
    first = shop.refund(order, 2800, "R-1").json
    shop.news()
    assert shop.shown(first)["state"] == "CLOSED"
    shop.simulator.world.refund_outcomes.set("SUCCESS")

    with shop.later(A_MINUTE):
        again = shop.refund(order, 2800, "R-1")
        second = shop.refund(order, 2800, "R-2")
        shop.news()

    assert (again.status_code, again.json["state"]) == (200, "CLOSED")
    assert second.status_code == 201
    assert shop.shown(second.json)["state"] == "SUCCEEDED"
    assert shop.api.get(f"/orders/{order['id']}").json["refunded_fen"] == 2800
    told = sorted(event.type for event in all_events())
    assert told == ["order.paid", "refund.closed", "refund.succeeded"]


def test_refused_and_asked_for_anew(shop: Shop) -> None:
    order = shop.sold(2800)
    known = shop.simulator.facts["sub_merchants"][0]
    shop.simulator.register(sub_merchants=[{**known, "permissions": ["JSAPI"]}])

    refused = shop.refund(order, 2800, "R-1")
    shop.simulator.register(sub_merchants=[{**known, "permissions": ["JSAPI", "REFUND", "BILL"]}])
    with shop.later(A_MINUTE):
        allowed = shop.refund(order, 2800, "R-2")
        shop.news()

    assert (refused.status_code, refused.json["detail"]["wechatpay"]["code"]) == (424, "NO_AUTH")
    assert allowed.status_code == 201
    assert states(shop) == ["SUCCEEDED", "CLOSED"]


def test_operators_see_refunds_of_every_tenant(
    shop: Shop, client: FlaskClient, simulator: Simulator, other_sub_merchant: SubMerchant
) -> None:
    mine = shop.refund(shop.sold(), 100).json
    other = Shop(client.application, simulator, other_sub_merchant)
    theirs = other.refund(other.sold(), 200).json

    listed = shop.command("refunds", "list")
    synced = shop.command("refunds", "sync", theirs["id"])

    assert {row["id"] for row in listed} == {mine["id"], theirs["id"]}
    assert synced["id"] == theirs["id"]
