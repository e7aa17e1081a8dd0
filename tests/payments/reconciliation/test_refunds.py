"""Refund rows of a bill against our refunds: what agrees, is taken in, or differs, and why."""

from datetime import UTC, datetime, timedelta

import pytest

from payments.orders.models import OrderState
from payments.reconciliation.run import IN_MEMORY_ROWS
from payments.refunds.models import RefundOrigin, RefundState
from tests.books import all_events, all_refunds, order_now, refund_now
from tests.factories.bills import bill_bytes, fetched, refund_row
from tests.factories.payments import make_order
from tests.factories.refunds import make_refund
from tests.payments.reconciliation.days import (
    DAY,
    NOON,
    compared,
    discrepancies,
    line,
    paid,
)

BEFORE_MIDNIGHT = datetime(2031, 5, 6, 15, 59, 30, tzinfo=UTC)  # 23:59:30 in Beijing


@pytest.fixture(params=[IN_MEMORY_ROWS, 0], ids=["in memory", "staged"])
def options(request):
    """Both ways a day is compared come to the same."""
    return {"in_memory_rows": request.param}


def given_back(order, amount_fen=40, **fields):
    """A refund of the day that WeChat Pay accepted."""
    usual = {
        "state": RefundState.SUCCEEDED,
        "status": "SUCCESS",
        "refund_id": f"503{int(order.transaction_id or 0) % 10**25:025}",
        "accepted_at": NOON,
        "created_at": NOON,
    }
    return make_refund(order=order, amount_fen=amount_fen, **{**usual, **fields})


def refund_line(provider, tenant, order, refund=None, amount_fen=40, **fields):
    """The row WeChat Pay's bill has for a refund."""
    usual = {
        "商户订单号": order.out_trade_no,
        "微信订单号": order.transaction_id or "4200009999",
    }
    if refund is not None:
        usual |= {"商户退款单号": refund.out_refund_no, "微信退款单号": refund.refund_id or "503"}
    row = refund_row(
        sp_mchid=provider.sp_mchid, sub_mchid=tenant.sub_mchid, day=DAY, amount_fen=amount_fen
    )
    return {**row, **usual, **fields}


def day_of_bill(provider, tenant, rows, options):
    fetched(provider, DAY, bill_bytes(rows))
    return compared(provider, tenant, **options)


def only(row):
    (one,) = discrepancies(row)
    return one


def test_refunds_that_agree_are_matched_and_taken_off_the_day(provider, tea, options):
    order = paid(tea, amount_fen=100)
    refund = given_back(order)
    rows = [line(provider, tea, order), refund_line(provider, tea, order, refund)]

    row = day_of_bill(provider, tea, rows, options)

    assert (row.state.value, row.matched_count) == ("MATCHED", 2)
    assert (row.ours_count, row.ours_amount_fen) == (row.theirs_count, row.theirs_amount_fen)
    assert row.ours_amount_fen == 60


def test_a_coupon_does_not_make_a_refund_differ(provider, tea, options):
    order = paid(tea, amount_fen=100)
    refund = given_back(order)
    line_of_it = refund_line(provider, tea, order, refund, 退款金额="0.35")

    row = day_of_bill(provider, tea, [line(provider, tea, order), line_of_it], options)

    assert row.state.value == "MATCHED"


@pytest.mark.parametrize("state", [RefundState.PROCESSING, RefundState.CLOSED])
def test_what_was_accepted_is_on_the_bill_whatever_came_of_it(provider, tea, options, state):
    order = paid(tea, amount_fen=100)
    refund = given_back(order, state=state, status=state.value)
    rows = [line(provider, tea, order), refund_line(provider, tea, order, refund)]

    row = day_of_bill(provider, tea, rows, options)

    assert row.state.value == "MATCHED"


def test_a_refund_made_elsewhere_is_taken_in_and_is_no_discrepancy(provider, tea, options):
    order = paid(tea, amount_fen=100)
    rows = [
        line(provider, tea, order),
        refund_line(provider, tea, order, 商户退款单号="20310506000001", 退款状态="SUCCESS"),
    ]

    row = day_of_bill(provider, tea, rows, options)

    (refund,) = all_refunds()
    assert (row.state.value, row.matched_count) == ("MATCHED", 2)
    assert (refund.origin, refund.state) == (RefundOrigin.ELSEWHERE, RefundState.PROCESSING)
    assert refund.out_refund_no == "20310506000001"
    assert refund.next_check_at is not None  # a bill is a picture of one morning: it is asked
    held = order_now(order)
    assert (held.refund_reserved_fen, held.refund_count, held.refunded_fen) == (40, 1, 0)
    assert all_events("refund.succeeded") == []


def test_comparing_again_takes_nothing_in_twice(provider, tea, options):
    order = paid(tea, amount_fen=100)
    rows = [line(provider, tea, order), refund_line(provider, tea, order)]
    day_of_bill(provider, tea, rows, options)

    compared(provider, tea, **options)

    assert len(all_refunds()) == 1
    assert order_now(order).refund_reserved_fen == 40


def test_a_refund_of_no_order_of_ours_is_missing_here(provider, tea, options):
    order = make_order(sub_merchant=tea, state=OrderState.PENDING)
    row = day_of_bill(
        provider, tea, [refund_line(provider, tea, order, 商户订单号="B000000000001")], options
    )

    one = only(row)
    assert one.kind.value == "MISSING_HERE"
    assert "a payment that no order here has" in one.explanation
    assert all_refunds() == []


def test_a_refund_that_does_not_fit_its_order_is_not_taken_in(provider, tea, options):
    order = paid(tea, amount_fen=100)
    rows = [
        line(provider, tea, order),
        refund_line(provider, tea, order, 微信订单号="42009999999999"),
    ]

    row = day_of_bill(provider, tea, rows, options)

    one = only(row)
    assert one.kind.value == "MISSING_HERE"
    assert "does not fit the order" in one.explanation
    assert all_refunds() == []
    assert order_now(order).refund_reserved_fen == 0


def test_another_tenants_refund_is_never_taken_in(provider, tea, cake, options):
    order = paid(cake, amount_fen=100)
    rows = [refund_line(provider, tea, order)]

    row = day_of_bill(provider, tea, rows, options)

    one = only(row)
    assert (one.kind.value, one.ours) == ("TENANT_DIFFERS", None)
    assert all_refunds() == []
    assert order_now(order).refund_reserved_fen == 0


def test_another_amount_is_a_discrepancy_with_both_sides(provider, tea, options):
    order = paid(tea, amount_fen=100)
    refund = given_back(order)
    rows = [line(provider, tea, order), refund_line(provider, tea, order, refund, amount_fen=41)]

    row = day_of_bill(provider, tea, rows, options)

    one = only(row)
    assert one.kind.value == "AMOUNT_DIFFERS"
    assert '"amount_fen": 40' in one.ours
    assert '"amount_fen": 41' in one.theirs


def test_a_refund_only_here_is_missing_there(provider, tea, options):
    order = paid(tea, amount_fen=100)
    refund = given_back(order)

    row = day_of_bill(provider, tea, [line(provider, tea, order)], options)

    one = only(row)
    assert (one.kind.value, one.number) == ("MISSING_THERE", refund.out_refund_no)
    assert "The refund is accepted here" in one.explanation


def test_near_midnight_the_neighbour_days_bill_is_waited_for(provider, tea, options):
    order = paid(tea, amount_fen=100)
    given_back(order, accepted_at=BEFORE_MIDNIGHT)

    row = day_of_bill(provider, tea, [line(provider, tea, order)], options)

    assert "near midnight" in only(row).explanation
    assert row.next_run_at is not None


@pytest.mark.parametrize("state", [RefundState.REQUESTED, RefundState.CLOSED])
def test_what_we_believe_never_arrived_is_asked_about_when_the_bill_has_it(
    provider, tea, options, state
):
    order = paid(tea, amount_fen=100)
    refund = given_back(order, state=state, status=None, refund_id=None, accepted_at=None)

    row = day_of_bill(
        provider,
        tea,
        [line(provider, tea, order), refund_line(provider, tea, order, refund)],
        options,
    )

    one = only(row)
    assert one.kind.value == "STATE_DIFFERS"
    assert row.next_run_at is not None
    assert refund_now(refund).next_check_at is not None


def test_a_refund_booked_on_another_day_says_so(provider, tea, options):
    order = paid(tea, amount_fen=100)
    refund = given_back(order, accepted_at=NOON - timedelta(days=1))
    rows = [line(provider, tea, order), refund_line(provider, tea, order, refund)]

    row = day_of_bill(provider, tea, rows, options)

    assert only(row).kind.value == "DAY_DIFFERS"


def test_one_of_two_numbers_is_not_enough(provider, tea, options):
    order = paid(tea, amount_fen=100)
    refund = given_back(order)
    rows = [
        line(provider, tea, order),
        refund_line(provider, tea, order, refund, 微信退款单号="50399999"),
    ]

    row = day_of_bill(provider, tea, rows, options)

    assert only(row).kind.value == "NUMBER_DIFFERS"


def test_a_refund_row_that_comes_twice_counts_once(provider, tea, options):
    order = paid(tea, amount_fen=100)
    refund = given_back(order)
    rows = [line(provider, tea, order), *[refund_line(provider, tea, order, refund)] * 2]

    row = day_of_bill(provider, tea, rows, options)

    assert only(row).kind.value == "DUPLICATE_ROW"
    assert row.matched_count == 2
