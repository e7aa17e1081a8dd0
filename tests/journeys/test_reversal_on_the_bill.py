"""A payment by code and its reversal meet their rows on the bill."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from config.clock import beijing_date, frozen_at, now
from config.database import changed_rows, db, release, transaction
from partner.gateway import wechatpay
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.bills.day import fetch_day
from payments.orders.models import Order
from payments.orders.sweep import sweep_due
from payments.reconciliation.models import Discrepancy, Reconciliation
from payments.reconciliation.run import reconcile_day
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.books import all_orders
from tests.journeys.till import code, later, scan, shown, told
from tests.payments.api.caller import Api

UNTIL_THE_BILL_IS_THERE = timedelta(days=1, hours=11)


@pytest.fixture
def reversed_order(client: FlaskClient, sub_merchant: SubMerchant, simulator: Simulator) -> str:
    """The id of an order that was paid by code and given back, beside one that stayed paid."""
    till = Api(client, sub_merchant)
    till.post("/orders", scan(code(simulator), amount_fen=1000))
    order = till.post("/orders", scan(code(simulator), amount_fen=2800)).json
    with later(simulator, seconds=20):
        assert till.post(f"/orders/{order['id']}/reverse").json["refunded_fen"] == 2800
    return str(order["id"])


def reconciled(partner: Partner, sub_merchant: SubMerchant, simulator: Simulator) -> Reconciliation:
    today, morning = beijing_date(now()), now() + UNTIL_THE_BILL_IS_THERE
    simulator.clock.set(morning)
    with frozen_at(morning):
        fetch_day(partner=partner, bill_date=today)
        reconcile_day(partner_id=partner.id, bill_date=today, forced=True)
    with acting_for(sub_merchant.id):
        return db.session.scalars(
            select(Reconciliation).where(Reconciliation.bill_date == today)
        ).one()


@pytest.mark.usefixtures("reversed_order")
def test_both_sides_agree_that_it_was_paid_and_given_back(
    partner: Partner, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    day = reconciled(partner, sub_merchant, simulator)

    assert (day.state.value, day.matched_count) == ("MATCHED", 3)
    assert (day.ours_amount_fen, day.theirs_amount_fen) == (1000, 1000)


def test_a_reversal_nobody_here_knows_of_is_a_difference(
    partner: Partner, sub_merchant: SubMerchant, simulator: Simulator, reversed_order: str
) -> None:
    with acting_for(sub_merchant.id), transaction():
        changed_rows(update(Order).where(Order.id == reversed_order).values(reversed_at=None))

    day = reconciled(partner, sub_merchant, simulator)

    with acting_for(sub_merchant.id):
        [found] = db.session.scalars(select(Discrepancy)).all()
        release()
    assert (day.state.value, day.matched_count) == ("DISCREPANT", 2)
    assert found.kind.value == "MISSING_HERE"
    assert "reversal" in found.explanation


def test_a_reversal_made_elsewhere_and_found_on_the_bill_is_asked_about_and_known(
    client: FlaskClient, partner: Partner, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    till = Api(client, sub_merchant)
    order = till.post("/orders", scan(code(simulator), amount_fen=2800)).json
    with later(simulator, seconds=20), acting_for(sub_merchant.id):
        wechatpay(partner.id).transactions.reverse(
            out_trade_no=order["out_trade_no"], sub_mchid=sub_merchant.sub_mchid
        )

    reconciled(partner, sub_merchant, simulator)
    with frozen_at(now() + UNTIL_THE_BILL_IS_THERE + timedelta(minutes=1)):
        sweep_due()

    assert shown(till, order) == ("PAID", "REVOKED", 2800)
    assert "order.reversed" in told()


def test_a_paid_order_that_was_asked_about_for_nothing_is_left_in_peace(
    client: FlaskClient, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    till = Api(client, sub_merchant)
    till.post("/orders", scan(code(simulator), amount_fen=2800))
    with acting_for(sub_merchant.id), transaction():
        changed_rows(update(Order).values(next_check_at=now()))

    with frozen_at(now() + timedelta(minutes=1)):
        figures = sweep_due()

    [order] = all_orders()
    assert figures == {"asked": 1, "paid": 1}
    assert (order.state.value, order.next_check_at) == ("PAID", None)
