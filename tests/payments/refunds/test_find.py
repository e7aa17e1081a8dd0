"""Finding a refund by its number: what WeChat Pay has must be the asker's, and fit our books."""

import pytest
from sqlalchemy import update

from config.database import changed_rows, transaction
from payments.errors import WeChatPayOutcomeUnknown, WeChatPayRefused
from payments.orders.models import Order, OrderState
from payments.refunds.find import find_elsewhere
from payments.refunds.models import RefundOrigin, RefundState
from payments.refunds.refusals import (
    NotARefundNumber,
    RefundBeforePayment,
    RefundDisagrees,
    RefundOfNoOrder,
    RefundUnknown,
)
from submerchants.tenancy import across_tenants
from tests.books import all_events, all_orders, all_refunds, order_now
from tests.factories.payments import place_order
from tests.factories.refunds import ask_for, make_refund, paid_order

QUERY = {"path": "/v3/refund", "method": "GET"}


@pytest.fixture
def order(simulator, sub_merchant, partner):
    return paid_order(simulator, sub_merchant, partner, amount_fen=1000)


@pytest.fixture
def unpaid(simulator, sub_merchant, partner):
    """An order whose payment we never heard of."""
    order = place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=1000)
    simulator.faults.add("notification_missing")
    simulator.pay(order.out_trade_no)
    return order


def by_hand(simulator, order, amount_fen=400, **fields):
    made = simulator.refund_by_hand(order.out_trade_no, amount_fen, **fields)
    simulator.world.refund_life.settle_due()
    return made.out_refund_no


def rewrite(order, **values):
    """Have our books say something else of this order."""
    with across_tenants("a test rewrites the books"), transaction():
        changed_rows(update(Order).where(Order.id == order.id).values(**values))


def books():
    """What must not have changed."""
    return [
        (one.id, one.state, one.refund_reserved_fen, one.refunded_fen, one.next_check_at)
        for one in all_orders()
    ], [(one.id, one.state) for one in all_refunds()]


def test_one_made_elsewhere_is_taken_in_by_its_number(simulator, sub_merchant, order):
    number = by_hand(simulator, order)

    found = find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    row = order_now(order)
    assert (found.origin, found.state) == (RefundOrigin.ELSEWHERE, RefundState.SUCCEEDED)
    assert (row.refund_reserved_fen, row.refunded_fen, row.refund_count) == (400, 400, 1)


@pytest.mark.parametrize("number", ["a-B_c|d*e@f", "@", "*" * 64])
def test_every_letter_that_wechat_pay_takes_finds_its_way(simulator, sub_merchant, order, number):
    by_hand(simulator, order, out_refund_no=number)

    found = find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    assert found.out_refund_no == number


@pytest.mark.parametrize(
    "number", ["", " ", "R1 ", "R1\n", "a/b", "..", "R1?x=1", "退款", "R" * 65, "R%31", "R1\x00"]
)
def test_what_is_no_number_goes_into_no_address(simulator, sub_merchant, number):
    with pytest.raises(NotARefundNumber):
        find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    assert not simulator.world.requests


def test_one_of_our_own_is_asked_about(simulator, sub_merchant, order):
    simulator.faults.add("notification_missing")
    refund = ask_for(order).refund
    simulator.world.refund_life.settle_due()

    found = find_elsewhere(sub_merchant=sub_merchant, out_refund_no=refund.out_refund_no)

    assert (found.id, found.state) == (refund.id, RefundState.SUCCEEDED)
    assert order_now(order).refunded_fen == 300


def test_one_of_our_own_that_wechat_pay_never_accepted_is_there_all_the_same(sub_merchant, order):
    refund = make_refund(order=order, state=RefundState.REQUESTED, amount_fen=300)

    found = find_elsewhere(sub_merchant=sub_merchant, out_refund_no=refund.out_refund_no)

    assert (found.id, found.state) == (refund.id, RefundState.REQUESTED)


def test_a_number_that_wechat_pay_does_not_know(sub_merchant, order):
    before = books()

    with pytest.raises(RefundUnknown):
        find_elsewhere(sub_merchant=sub_merchant, out_refund_no="R1")

    assert books() == before


def test_one_whose_payment_another_system_placed(simulator, sub_merchant, order):
    number, out_trade_no = by_hand(simulator, order), order.out_trade_no
    rewrite(order, out_trade_no="T20260301another")
    before = books()

    with pytest.raises(RefundOfNoOrder) as refused:
        find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    assert refused.value.detail["out_trade_no"] == out_trade_no
    assert books() == before


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"amount_fen": 999}, "amount.total"),
        ({"amount_fen": 300}, "amount.refund"),
        ({"transaction_id": "4200" + "9" * 24}, "transaction_id"),
        ({"sp_mchid": "1699999999"}, "sp_mchid"),
        ({"sub_mchid": "1699999999"}, "sub_mchid"),
        ({"currency": "HKD"}, "amount.currency"),
        ({"refunded_fen": 601}, "order.refunded"),
    ],
)
def test_one_that_does_not_fit_the_books_leaves_them_as_they_are(
    simulator, sub_merchant, order, values, field
):
    number = by_hand(simulator, order)
    rewrite(order, **values)
    before = books()

    with pytest.raises(RefundDisagrees) as refused:
        find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    assert f"on {field}," in refused.value.message or f", {field}" in refused.value.message
    assert books() == before
    assert all_events("refund.succeeded") == []


def test_one_whose_number_at_wechat_pay_is_another_refunds(simulator, sub_merchant, order):
    made = simulator.refund_by_hand(order.out_trade_no, 400)
    make_refund(order=order, amount_fen=10, refund_id=made.refund_id)
    before = books()

    with pytest.raises(RefundDisagrees) as refused:
        find_elsewhere(sub_merchant=sub_merchant, out_refund_no=made.out_refund_no)

    assert refused.value.detail["fields"] == ["refund_id"]
    assert books() == before


@pytest.mark.parametrize("also", [{}, {"sub_mchid": "1699999999"}], ids=["agrees", "disagrees"])
def test_one_of_another_tenants_order_is_unknown_whatever_wechat_pay_answers(
    simulator, sub_merchant, other_sub_merchant, order, also
):
    number = by_hand(simulator, order)
    rewrite(order, sub_merchant_id=other_sub_merchant.id, **also)
    before = books()

    with pytest.raises(RefundUnknown):
        find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    assert books() == before
    assert all_events("refund.succeeded") == []


def test_another_tenants_unpaid_order_is_not_even_asked_about(
    simulator, sub_merchant, other_sub_merchant, unpaid
):
    number = by_hand(simulator, unpaid)
    rewrite(unpaid, sub_merchant_id=other_sub_merchant.id)
    before = books()

    with pytest.raises(RefundUnknown):
        find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    assert books() == before


def test_one_whose_payment_we_never_heard_of_brings_the_payment_along(
    simulator, sub_merchant, unpaid
):
    number = by_hand(simulator, unpaid)

    found = find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    row = order_now(unpaid)
    assert found.state is RefundState.SUCCEEDED
    assert (row.state, row.refunded_fen) == (OrderState.PAID, 400)
    assert len(all_events("order.paid")) == 1


def test_one_whose_payment_disagrees_is_not_taken_in(simulator, sub_merchant, unpaid):
    number = by_hand(simulator, unpaid)
    rewrite(unpaid, amount_fen=999)
    before = books()

    with pytest.raises(RefundBeforePayment) as refused:
        find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    assert refused.value.detail["order_id"] == unpaid.id
    assert books() == before


@pytest.mark.parametrize("fault", ["lost_answer", "http_500", "bad_signature", "cut_reply"])
def test_an_answer_that_cannot_be_trusted_changes_nothing(simulator, sub_merchant, order, fault):
    number = by_hand(simulator, order)
    simulator.faults.add(fault, times=9, **QUERY)
    before = books()

    with pytest.raises(WeChatPayOutcomeUnknown, match="nothing was changed") as unknown:
        find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    assert unknown.value.retry_after_seconds
    assert books() == before


def test_a_refusal_of_wechat_pays_is_passed_on(simulator, sub_merchant, order):
    number = by_hand(simulator, order)
    known = simulator.facts["sub_merchants"][0]
    simulator.register(sub_merchants=[{**known, "related": False}])

    with pytest.raises(WeChatPayRefused, match="Nothing was changed") as refused:
        find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)

    assert "NO_AUTH" in str(refused.value.detail["wechatpay"])
    assert all_refunds() == []
