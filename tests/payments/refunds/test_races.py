"""Many at once: whatever the order in which they come, no fen goes back twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from config.clock import frozen_at, now
from config.errors import AppError
from payments.orders.queries import get_order
from payments.refunds.models import RefundState
from payments.refunds.refusals import RefundExceedsBalance, RefundsTooFast
from payments.refunds.request import request_refund
from payments.refunds.sweep import sweep_refunds
from submerchants.tenancy import acting_for
from tests.books import all_refunds, order_now
from tests.factories.refunds import paid_order, refund_request

REQUESTS = 200
THREADS = 12


@pytest.fixture
def order(simulator, sub_merchant, partner):
    return paid_order(simulator, sub_merchant, partner, amount_fen=1000)


def ask_at_once(app, order, requests):
    """What each of the requests came to: the refund's id, or the refusal's type."""

    def one(request):
        with app.app_context(), acting_for(order.sub_merchant_id):
            try:
                return request_refund(order=get_order(order.id), request=request).refund.id
            except AppError as refusal:
                return type(refusal)

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, requests))


def settle_everything(simulator):
    """The minutes it takes until each part has gone its way."""
    for minutes in range(1, 15):
        wait = timedelta(minutes=minutes, seconds=5 * minutes)
        simulator.clock.set(now() + wait)
        with frozen_at(now() + wait):
            sweep_refunds()
        simulator.world.refund_life.settle_due()
        simulator.notifier.deliver_due()


def test_two_hundred_refunds_of_the_same_money_never_exceed_it(app, simulator, order):
    results = ask_at_once(app, order, [refund_request(100) for _ in range(REQUESTS)])

    refused = [one for one in results if isinstance(one, type)]
    row = order_now(order)
    assert len(results) - len(refused) == 10
    assert set(refused) == {RefundExceedsBalance}
    assert (row.refund_reserved_fen, row.refund_count) == (1000, 10)
    assert len(all_refunds()) == 10

    settle_everything(simulator)
    there = simulator.refunds.refunds()
    assert {refund.state for refund in all_refunds()} == {RefundState.SUCCEEDED}
    assert order_now(order).refunded_fen == 1000
    assert (len(there), sum(one.refund for one in there)) == (10, 1000)


def test_two_hundred_times_the_same_request_is_one_refund(app, simulator, order):
    request = refund_request(600)

    results = ask_at_once(app, order, [request] * REQUESTS)

    made = {one for one in results if isinstance(one, str)}
    assert len(made) == 1
    assert {one for one in results if isinstance(one, type)} <= {RefundsTooFast}
    assert order_now(order).refund_reserved_fen == 600
    assert [one.refund for one in simulator.refunds.refunds()] == [600]


def test_parts_of_any_size_add_up_to_no_more_than_was_paid(app, order):
    amounts = [1 + (number * 37) % 250 for number in range(REQUESTS)]

    results = ask_at_once(app, order, [refund_request(amount) for amount in amounts])

    taken = sum(
        amount for amount, one in zip(amounts, results, strict=True) if isinstance(one, str)
    )
    assert order_now(order).refund_reserved_fen == taken <= 1000
    assert sum(refund.amount_fen for refund in all_refunds()) == taken
