"""The sweep looks at everybody's waiting rows: tenants take turns, a long queue is worked off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config.clock import frozen_at, now
from payments.orders.models import Order
from payments.orders.sweep import check_order, sweep_due
from payments.sweeping import TAKEN, sweep
from tests.books import all_orders
from tests.factories.payments import place_order

SOON = timedelta(seconds=10)


@pytest.fixture
def crowd(sub_merchant, partner):
    """A tenant's orders, all of which have been waiting for longer than anybody else's."""
    with frozen_at(now() - timedelta(seconds=30)):
        return [place_order(sub_merchant=sub_merchant, partner=partner) for _ in range(6)]


@pytest.mark.usefixtures("crowd")
def test_one_tenants_long_queue_keeps_nobody_else_waiting(other_sub_merchant, partner):
    order = place_order(sub_merchant=other_sub_merchant, partner=partner)
    seen: list[str] = []

    def look(order_id: str) -> str:
        seen.append(order_id)
        return check_order(order_id)

    with frozen_at(now() + SOON):
        sweep(Order, look, threads=1, limit=4)

    assert order.id in seen[:2]


@pytest.mark.usefixtures("crowd")
def test_a_queue_longer_than_a_batch_is_worked_off_at_once():
    with frozen_at(now() + SOON):
        figures = sweep_due(limit=4)

    assert figures == {"asked": 6, "pending": 6}
    assert [order.checks for order in all_orders()] == [1] * 6


@pytest.mark.usefixtures("crowd")
def test_a_batch_in_which_nothing_moves_ends_the_sweep():
    def fails(_order_id: str) -> str:
        raise RuntimeError("The row cannot be looked at.")

    with frozen_at(now() + SOON):
        taken = sweep(Order, lambda _order_id: TAKEN, threads=1, limit=4)
        failed = sweep(Order, fails, threads=1, limit=4)

    assert (taken, failed) == ({"asked": 0}, {"asked": 4, "fault": 4})
