"""The table of a refund's moves, its whole product tried on real rows and real money."""

import itertools

import pytest

from config.database import transaction
from payments.orders.models import OrderState
from payments.refunds.models import RefundState
from payments.refunds.move import move_refund
from payments.refunds.refusals import RefundMoveRefused
from payments.refunds.states import FINAL, MOVES, STATE_OF
from submerchants.tenancy import acting_for
from tests.books import all_events, all_refund_tasks, order_now, refund_now
from tests.factories.payments import make_order
from tests.factories.refunds import make_refund

PRODUCT = list(itertools.product(RefundState, RefundState))


def test_every_state_stands_in_the_table():
    assert set(MOVES) == set(RefundState)


def test_money_given_back_is_never_taken_back():
    assert MOVES[RefundState.SUCCEEDED] == frozenset()


def test_only_what_is_over_is_not_asked_about():
    assert {state for state in RefundState if state in FINAL} == {
        RefundState.SUCCEEDED,
        RefundState.CLOSED,
    }


def test_each_word_of_wechat_pay_leads_somewhere():
    assert set(STATE_OF.values()) == set(RefundState) - {RefundState.REQUESTED}


@pytest.mark.parametrize(("start", "to"), PRODUCT)
def test_a_row_moves_exactly_as_the_table_says_and_its_money_follows(app, start, to):
    order = make_order(state=OrderState.PAID, amount_fen=100)
    refund = make_refund(order=order, state=start, amount_fen=40)
    may = to in MOVES[start]

    with acting_for(refund.sub_merchant_id):
        if may:
            with transaction():
                assert move_refund(refund, to, learned_by="test")
        else:
            with pytest.raises(RefundMoveRefused), transaction():
                move_refund(refund, to, learned_by="test")

    ends = to if may else start
    held = order_now(order)
    assert refund_now(refund).state is ends
    assert held.refund_reserved_fen == (0 if ends is RefundState.CLOSED else 40)
    assert held.refund_count == (0 if ends is RefundState.CLOSED else 1)
    assert held.refunded_fen == (40 if ends is RefundState.SUCCEEDED else 0)


def test_a_move_from_where_it_no_longer_stands_changes_nothing(app):
    refund = make_refund(state=RefundState.PROCESSING)
    stale = make_refund_copy(refund)
    with acting_for(refund.sub_merchant_id), transaction():
        move_refund(refund, RefundState.SUCCEEDED, learned_by="first")

    with acting_for(refund.sub_merchant_id), transaction():
        moved = move_refund(stale, RefundState.CLOSED, learned_by="second")

    assert not moved
    assert refund_now(refund).state is RefundState.SUCCEEDED
    assert [event.type for event in all_events()] == ["refund.succeeded"]


def make_refund_copy(refund):
    """The same row as somebody else read it a moment ago."""
    columns = {column.key: getattr(refund, column.key) for column in refund.__table__.columns}
    return type(refund)(**columns)


def test_each_time_it_gets_stuck_is_a_task_and_an_event_of_its_own(app):
    refund = make_refund(state=RefundState.PROCESSING)

    for to in (RefundState.ABNORMAL, RefundState.PROCESSING, RefundState.ABNORMAL):
        with acting_for(refund.sub_merchant_id), transaction():
            move_refund(refund, to, learned_by="test")

    assert [task.settled_at is None for task in all_refund_tasks()] == [False, True]
    assert len(all_events("refund.abnormal")) == 2
