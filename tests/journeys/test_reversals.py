"""A payment by code is taken back: unpaid it ends, paid it is given back in full, once.

The truth is the simulated WeChat Pay's ledger and the sub-merchant's balance there.
"""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from partner.simulator.simulator import Simulator
from payments.orders.sweep import sweep_due
from payments.webhooks.divide import divide_events
from payments.webhooks.lanes import Rooms
from submerchants.permissions import Permission
from submerchants.tenancy import across_tenants
from submerchants.tenants.models import SubMerchant
from tests.books import all_orders, audit_actions
from tests.conftest import PLATFORM_URL
from tests.factories.webhooks import deliveries, make_endpoint
from tests.journeys.till import code, later, scan, shown, there, told
from tests.payments.api.caller import Api, Reply


@pytest.fixture
def till(client: FlaskClient, sub_merchant: SubMerchant) -> Api:
    """The shop's till, whose key may give money back."""
    return Api(client, sub_merchant)


def reverse(till: Api, order: dict[str, Any]) -> Reply:
    return till.post(f"/orders/{order['id']}/reverse")


def test_reversing_an_unpaid_order_closes_it(till: Api, simulator: Simulator) -> None:
    order = till.post("/orders", scan(code(simulator, "password"))).json

    with later(simulator, seconds=16):
        first, second = reverse(till, order), reverse(till, order)

    assert (first.status_code, first.json["state"]) == (200, "CLOSED")
    assert second.json == first.json
    assert there(simulator) == ["REVOKED"]
    assert told() == ["order.closed"]


def test_reversing_a_paid_order_gives_all_of_it_back(till: Api, simulator: Simulator) -> None:
    order = till.post("/orders", scan(code(simulator), amount_fen=2800)).json

    with later(simulator, minutes=5):
        first, second = reverse(till, order), reverse(till, order)

    assert (first.status_code, second.status_code) == (200, 200)
    assert shown(till, order) == ("PAID", "REVOKED", 2800)
    assert there(simulator) == ["REVOKED"]
    assert told() == ["order.paid", "order.reversed"]
    assert audit_actions(order["id"])[-2:] == ["order.reversal_asked", "order.reversed"]


def test_a_reversal_is_told_to_an_endpoint_that_asks_for_nothing_else(
    till: Api, simulator: Simulator, sub_merchant: SubMerchant
) -> None:
    url = "https://hooks.example.test/reversals"
    make_endpoint(sub_merchant=sub_merchant, url=url, event_types=["order.reversed"])
    order = till.post("/orders", scan(code(simulator), amount_fen=2800)).json

    with later(simulator, minutes=5):
        reverse(till, order)
        with across_tenants("a test divides as couriers do"):
            divide_events(Rooms())

    assert told() == ["order.paid", "order.reversed"]
    assert len(deliveries()) == 1


def test_a_reversal_that_meets_a_payment_nobody_knew_of_tells_both(
    till: Api, simulator: Simulator
) -> None:
    order = till.post("/orders", scan(code(simulator, "password"), amount_fen=2800)).json
    simulator.pay(order["out_trade_no"])

    with later(simulator, seconds=20):
        answer = reverse(till, order)

    assert (answer.json["state"], answer.json["refunded_fen"]) == ("PAID", 2800)
    assert answer.json["paid_at"] is not None
    assert shown(till, order) == ("PAID", "REVOKED", 2800)
    assert told() == ["order.paid", "order.reversed"]


def test_a_reversal_whose_answer_is_lost_is_finished_by_the_sweep(
    till: Api, simulator: Simulator
) -> None:
    order = till.post("/orders", scan(code(simulator), amount_fen=2800)).json
    with later(simulator, minutes=1):
        simulator.faults.add("lost_answer", path="/v3/pay", method="POST", times=3)
        lost = reverse(till, order)
        assert shown(till, order) == ("PAID", "SUCCESS", 0)

    with later(simulator, minutes=2):
        sweep_due()

    assert lost.status_code == 503
    assert shown(till, order) == ("PAID", "REVOKED", 2800)
    assert told() == ["order.paid", "order.reversed"]


def test_a_reversal_the_balance_cannot_bear_leaves_the_order_as_it_was(
    till: Api, simulator: Simulator, sub_merchant: SubMerchant
) -> None:
    order = till.post("/orders", scan(code(simulator), amount_fen=2800)).json
    simulator.register(sub_merchants=[{"sub_mchid": sub_merchant.sub_mchid, "balance_fen": 1}])

    with later(simulator, minutes=1):
        refused = reverse(till, order)

    assert refused.status_code == 424
    assert refused.json["detail"]["wechatpay"]["code"] == "NOT_ENOUGH"
    assert shown(till, order) == ("PAID", "SUCCESS", 0)
    [kept] = all_orders()
    assert (kept.refund_reserved_fen, kept.next_check_at) == (0, None)


def test_a_reversal_that_is_given_up_leaves_a_refund_made_elsewhere_its_reserve(
    till: Api, simulator: Simulator, sub_merchant: SubMerchant
) -> None:
    order = till.post("/orders", scan(code(simulator), amount_fen=2800)).json
    with later(simulator, minutes=1):
        simulator.faults.add("http_500", path="/v3/pay", method="POST", times=9)
        lost = reverse(till, order)
        simulator.faults.clear()
        simulator.refund_by_hand(
            order["out_trade_no"],
            300,
            notify_url=f"{PLATFORM_URL}/notify/wechatpay/{order['sp_mchid']}",
        )
        simulator.notifier.deliver_due()
        simulator.register(sub_merchants=[{"sub_mchid": sub_merchant.sub_mchid, "balance_fen": 1}])
        refused = reverse(till, order)

    assert (lost.status_code, refused.status_code) == (503, 424)
    [kept] = all_orders()
    assert (kept.refund_reserved_fen, kept.refunded_fen) == (300, 300)


def test_a_reversal_has_its_time(till: Api, simulator: Simulator) -> None:
    order = till.post("/orders", scan(code(simulator))).json

    too_early = reverse(till, order)
    with later(simulator, days=8):
        too_late = reverse(till, order)

    assert (too_early.status_code, too_early.code) == (409, "order_not_reversible")
    assert 0 < int(too_early.headers["Retry-After"]) <= 15
    assert (too_late.status_code, too_late.code) == (409, "order_not_reversible")
    assert there(simulator) == ["SUCCESS"]


def test_only_a_payment_by_code_is_reversed_and_it_is_never_closed(
    till: Api, simulator: Simulator
) -> None:
    page = till.order()
    order = till.post("/orders", scan(code(simulator, "password"))).json

    reversed_page = reverse(till, page)
    closed = till.post(f"/orders/{order['id']}/close")
    signed = till.post(f"/orders/{order['id']}/pay-params")

    assert (reversed_page.status_code, reversed_page.code) == (409, "order_not_reversible")
    assert (closed.status_code, closed.code) == (409, "order_only_reversible")
    assert "/reverse" in closed.json["message"]
    assert (signed.status_code, signed.code) == (409, "no_pay_params")


def test_a_key_that_may_not_refund_may_not_reverse(
    client: FlaskClient, till: Api, simulator: Simulator, sub_merchant: SubMerchant
) -> None:
    order = till.post("/orders", scan(code(simulator))).json
    scanner = Api(client, sub_merchant, Permission.ORDERS_WRITE)

    refused = reverse(scanner, order)

    assert (refused.status_code, refused.code) == (403, "scope_missing")
    assert there(simulator) == ["SUCCESS"]
