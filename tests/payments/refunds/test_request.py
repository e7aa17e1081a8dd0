"""Where money back begins: reserved in one statement, once for each number, never too much."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from config.clock import frozen_at, now
from config.database import changed_rows, transaction
from payments.orders.models import Order, OrderState
from payments.refunds.models import RefundState, Waiting
from payments.refunds.refusals import (
    OrderNotRefundable,
    RefundConflict,
    RefundCurrencyDiffers,
    RefundExceedsBalance,
    RefundTooLate,
    TooManyRefunds,
)
from submerchants.tenancy import acting_for
from tests.books import all_refunds, audit_actions, order_now, refund_now
from tests.factories.payments import make_order, place_order
from tests.factories.refunds import ask_for, paid_order


@pytest.fixture
def order(simulator, sub_merchant, partner):
    return paid_order(simulator, sub_merchant, partner, amount_fen=1000)


def change(order, **values):
    with acting_for(order.sub_merchant_id), transaction():
        changed_rows(update(Order).where(Order.id == order.id).values(**values))


def sums(order):
    row = order_now(order)
    return row.refund_reserved_fen, row.refunded_fen, row.refund_count


def test_a_refund_is_reserved_recorded_and_under_way(simulator, order):
    requested = ask_for(order, 300, reason="cold tea")

    (there,) = simulator.refunds.refunds()
    refund = refund_now(requested.refund)
    assert requested.is_new
    assert (refund.state, refund.status, refund.waiting) == ("PROCESSING", "PROCESSING", None)
    assert (there.out_refund_no, there.refund, there.total, there.reason) == (
        refund.out_refund_no,
        300,
        1000,
        "cold tea",
    )
    assert there.notify_url.endswith(f"/notify/wechatpay/{order.sp_mchid}")
    assert refund.refund_id == there.refund_id
    assert sums(order) == (300, 0, 1)
    assert order_now(order).trade_state == "REFUND"
    assert audit_actions(refund.id) == ["refund.requested", "refund.processing"]


def test_the_same_request_again_is_the_same_refund(simulator, order):
    first = ask_for(order, 300, merchant_refund_no="A")

    again = ask_for(order, 300, merchant_refund_no="A")

    assert (again.is_new, again.refund.id) == (False, first.refund.id)
    assert len(simulator.refunds.refund_numbers()) == 1
    assert sums(order) == (300, 0, 1)


def test_the_same_request_is_the_same_refund_when_nothing_is_left(order):
    first = ask_for(order, 1000, merchant_refund_no="A")

    again = ask_for(order, 1000, merchant_refund_no="A")

    assert again.refund.id == first.refund.id
    assert sums(order) == (1000, 0, 1)


@pytest.mark.parametrize("changed", [{"amount_fen": 301}, {"reason": "another"}])
def test_the_same_number_with_other_content_is_a_conflict(order, changed):
    ask_for(order, 300, merchant_refund_no="A")

    with pytest.raises(RefundConflict):
        ask_for(order, **{"amount_fen": 300, "merchant_refund_no": "A", **changed})

    assert sums(order) == (300, 0, 1)


def test_the_same_number_for_another_order_is_a_conflict(simulator, order, sub_merchant, partner):
    other = paid_order(simulator, sub_merchant, partner)
    ask_for(order, 300, merchant_refund_no="A")

    with pytest.raises(RefundConflict):
        ask_for(other, 300, merchant_refund_no="A")

    assert sums(other) == (0, 0, 0)


def test_two_tenants_may_use_the_same_number(simulator, order, other_sub_merchant, partner):
    other = paid_order(simulator, other_sub_merchant, partner)

    ask_for(order, 300, merchant_refund_no="A")
    ask_for(other, 300, merchant_refund_no="A")

    assert len(all_refunds()) == 2


def test_no_more_goes_back_than_was_paid(order):
    ask_for(order, 700)

    with pytest.raises(RefundExceedsBalance) as refused:
        ask_for(order, 301)

    assert refused.value.detail["refundable_fen"] == 300
    assert sums(order) == (700, 0, 1)


def test_the_last_fen_can_be_given_back(order):
    ask_for(order, 999)

    ask_for(order, 1)

    assert sums(order) == (1000, 0, 2)


def test_what_was_reversed_at_the_till_is_not_given_back_again(order):
    change(order, refunded_fen=1000)

    with pytest.raises(RefundExceedsBalance):
        ask_for(order, 1)


@pytest.mark.parametrize("state", [OrderState.CREATED, OrderState.PENDING, OrderState.CLOSED])
def test_only_a_paid_order_is_refunded(app, state):
    order = make_order(state=state)

    with pytest.raises(OrderNotRefundable):
        ask_for(order, 1)

    assert sums(order) == (0, 0, 0)


def test_fifty_refunds_are_taken_and_no_more(order):
    change(order, refund_count=49)
    ask_for(order, 1)

    with pytest.raises(TooManyRefunds):
        ask_for(order, 1)

    assert sums(order) == (1, 0, 50)


def test_a_payment_is_refunded_for_a_year(order):
    change(order, paid_at=now() - timedelta(days=365, seconds=-60))
    ask_for(order, 1)
    change(order, paid_at=now() - timedelta(days=365, seconds=1))

    with pytest.raises(RefundTooLate):
        ask_for(order, 1)


def test_an_order_is_refunded_in_its_own_currency(order):
    with pytest.raises(RefundCurrencyDiffers):
        ask_for(order, 1, currency="USD")

    assert sums(order) == (0, 0, 0)


def test_a_second_refund_within_the_minute_is_reserved_and_sent_later(simulator, order):
    ask_for(order, 300)

    second = ask_for(order, 200)

    refund = refund_now(second.refund)
    assert (refund.state, refund.waiting) == (RefundState.REQUESTED, Waiting.MINUTE)
    assert refund.asked_at is None
    assert sums(order) == (500, 0, 2)
    assert len(simulator.refunds.refund_numbers()) == 1
    wait = (refund.next_check_at or now()) - now()
    assert timedelta(seconds=55) < wait < timedelta(seconds=70)


def test_refunds_of_different_orders_do_not_wait_for_each_other(
    simulator, order, sub_merchant, partner
):
    other = paid_order(simulator, sub_merchant, partner)

    both = [ask_for(one, 300).refund.state for one in (order, other)]

    assert both == [RefundState.PROCESSING, RefundState.PROCESSING]


def test_an_hour_later_nobody_waits_for_a_minute(simulator, order):
    ask_for(order, 300)
    simulator.clock.advance(3_600)

    with frozen_at(now() + timedelta(hours=1)):
        later = ask_for(order, 300)

    assert later.refund.state is RefundState.PROCESSING


def test_an_unpaid_order_that_was_never_asked_about_is_not_refunded(
    simulator, sub_merchant, partner
):
    order = place_order(sub_merchant=sub_merchant, partner=partner)
    simulator.pay(order.out_trade_no)

    with pytest.raises(OrderNotRefundable):
        ask_for(order, 1)

    assert simulator.refunds.refund_numbers() == []
