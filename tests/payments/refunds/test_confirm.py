"""News of refunds: what agrees to the letter moves money once, everything else moves none."""

import json

import pytest
from sqlalchemy import update

from config.clock import frozen_at
from config.database import changed_rows, transaction
from payments.notifications.models import InboxState
from payments.notifications.replay import replay_kept
from payments.orders.models import Order, OrderState
from payments.orders.sync import sync_order
from payments.refunds.models import RefundOrigin, RefundState
from payments.refunds.sync import sync_refund
from submerchants.tenancy import acting_for
from tests.books import (
    all_events,
    all_refund_tasks,
    all_refunds,
    audit_actions,
    inbox,
    order_now,
    refund_now,
)
from tests.factories.payments import place_order
from tests.factories.refunds import ask_for, make_refund, move_on, paid_order
from tests.genuine import notify_refund, refund_content
from tests.together import at_once


@pytest.fixture
def order(simulator, sub_merchant, partner):
    return paid_order(simulator, sub_merchant, partner, amount_fen=1000)


@pytest.fixture
def refund(simulator, order):
    simulator.world.refund_outcomes.set("HOLD")
    return refund_now(ask_for(order, 300).refund)


def last_entry():
    return inbox()[-1]


def test_success_gives_the_money_back_in_one_go(client, simulator, order, refund):
    answer = notify_refund(client, simulator, refund_content(refund))

    row, there = refund_now(refund), order_now(order)
    assert answer.status_code == 204
    assert (row.state, row.status) == (RefundState.SUCCEEDED, "SUCCESS")
    assert row.succeeded_at is not None
    assert row.next_check_at is None
    assert (there.refunded_fen, there.refund_reserved_fen) == (300, 300)
    entry = last_entry()
    assert (entry.state, entry.order_id) == (InboxState.APPLIED, order.id)
    assert all(check["ok"] for check in json.loads(entry.verdicts))
    (event,) = all_events("refund.succeeded")
    assert json.loads(event.data)["state"] == "SUCCEEDED"
    assert audit_actions(refund.id)[-1] == "refund.succeeded"


def test_the_same_news_fifteen_times_gives_back_once(client, simulator, order, refund):
    content = refund_content(refund)

    for _ in range(15):
        notify_refund(client, simulator, content)

    assert order_now(order).refunded_fen == 300
    assert len(all_events("refund.succeeded")) == 1


def test_news_before_the_answer_wins_and_the_answer_takes_nothing_back(
    client, simulator, order, refund
):
    notify_refund(client, simulator, refund_content(refund))

    with acting_for(order.sub_merchant_id):
        synced = sync_refund(refund_now(refund))  # WeChat Pay still says PROCESSING: it is held

    assert synced.state is RefundState.SUCCEEDED
    assert order_now(order).refunded_fen == 300


def test_the_form_with_mchid_only_is_taken(client, simulator, order, refund):
    content = refund_content(refund, sp_mchid=None, sub_mchid=None, mchid=refund.sp_mchid)

    notify_refund(client, simulator, content)

    assert refund_now(refund).state is RefundState.SUCCEEDED


MISMATCHES = {
    "sub_mchid": {"sub_mchid": "1699999999"},
    "sp_mchid": {"sp_mchid": "1999999999"},
    "mchid": {"sp_mchid": None, "sub_mchid": None, "mchid": "1699999999"},
    "no merchant": {"sub_mchid": None},
    "transaction_id": {"transaction_id": "4200" + "9" * 24},
    "out_trade_no": {"out_trade_no": "T20260101nobodys"},
    "refund_id": {"refund_id": "50300000000000000000000000009"},
    "amount.refund": {"amount": {"total": 1000, "refund": 299}},
    "amount.total": {"amount": {"total": 1001, "refund": 300}},
    "no amount": {"amount": None},
    "amount as text": {"amount": {"total": 1000, "refund": "300"}},
    "success_time": {"success_time": None},
    "blank": {"transaction_id": "4200 "},
}


@pytest.mark.parametrize("changes", MISMATCHES.values(), ids=MISMATCHES)
def test_news_that_disagrees_is_quarantined(client, simulator, order, refund, changes):
    answer = notify_refund(client, simulator, refund_content(refund, **changes))

    assert answer.status_code == 204
    assert last_entry().state is InboxState.QUARANTINED
    assert refund_now(refund).state is RefundState.PROCESSING
    assert order_now(order).refunded_fen == 0
    assert all_events("refund.succeeded") == []


def test_a_status_that_does_not_belong_to_the_event_is_quarantined(client, simulator, refund):
    notify_refund(client, simulator, refund_content(refund), event_type="REFUND.CLOSED")

    assert last_entry().state is InboxState.QUARANTINED
    assert refund_now(refund).state is RefundState.PROCESSING


def test_more_than_the_order_held_is_never_booked(client, simulator, order, refund):
    with acting_for(order.sub_merchant_id), transaction():
        changed_rows(update(Order).where(Order.id == order.id).values(refunded_fen=800))

    notify_refund(client, simulator, refund_content(refund))

    assert last_entry().state is InboxState.QUARANTINED
    assert last_entry().reason == "does not agree on order.refunded"
    assert order_now(order).refunded_fen == 800


def test_closed_frees_the_money(client, simulator, order, refund):
    notify_refund(client, simulator, refund_content(refund, "CLOSED"))

    row, there = refund_now(refund), order_now(order)
    assert (row.state, row.status) == (RefundState.CLOSED, "CLOSED")
    assert (there.refund_reserved_fen, there.refund_count) == (0, 0)
    assert len(all_events("refund.closed")) == 1


def test_late_success_beats_our_own_closed_and_takes_the_money_again(client, simulator, order):
    closed = make_refund(order=order, state=RefundState.CLOSED, amount_fen=300)

    notify_refund(client, simulator, refund_content(closed))

    there = order_now(order)
    assert refund_now(closed).state is RefundState.SUCCEEDED
    assert (there.refund_reserved_fen, there.refunded_fen, there.refund_count) == (300, 300, 1)


def test_what_we_closed_and_wechat_pay_has_under_way_is_held_again(client, simulator, order):
    closed = make_refund(order=order, state=RefundState.CLOSED, amount_fen=300)

    notify_refund(client, simulator, refund_content(closed, "ABNORMAL"))

    assert refund_now(closed).state is RefundState.ABNORMAL
    assert order_now(order).refund_reserved_fen == 300


def test_older_news_does_not_open_what_wechat_pay_has_closed(client, simulator, order, refund):
    notify_refund(client, simulator, refund_content(refund, "CLOSED"))

    notify_refund(client, simulator, refund_content(refund, "ABNORMAL"))

    assert refund_now(refund).state is RefundState.CLOSED
    assert last_entry().state is InboxState.REDUNDANT
    assert order_now(order).refund_reserved_fen == 0


def test_abnormal_keeps_the_money_and_leaves_a_task(client, simulator, order, refund):
    notify_refund(client, simulator, refund_content(refund, "ABNORMAL"))

    row = refund_now(refund)
    assert row.state is RefundState.ABNORMAL
    assert row.next_check_at is not None
    assert order_now(order).refund_reserved_fen == 300
    (task,) = all_refund_tasks()
    assert (task.refund_id, task.settled_at) == (refund.id, None)
    assert len(all_events("refund.abnormal")) == 1


def test_a_refund_made_elsewhere_is_taken_in_from_its_notification(client, simulator, order):
    made = simulator.refund_by_hand(
        order.out_trade_no,
        400,
        notify_url=f"https://pay.example.test/notify/wechatpay/{order.sp_mchid}",
    )
    simulator.world.refund_life.settle_due()
    simulator.notifier.deliver_due()

    (refund,) = all_refunds()
    there = order_now(order)
    assert refund.origin is RefundOrigin.ELSEWHERE
    assert (refund.out_refund_no, refund.merchant_refund_no) == (made.out_refund_no,) * 2
    assert (refund.state, refund.amount_fen) == (RefundState.SUCCEEDED, 400)
    assert (there.refunded_fen, there.refund_reserved_fen, there.refund_count) == (400, 400, 1)
    assert len(all_events("refund.succeeded")) == 1


def test_what_was_given_back_elsewhere_leaves_less_to_give_back_here(client, simulator, order):
    elsewhere = make_refund_told(order, 900)
    notify_refund(client, simulator, elsewhere)

    with pytest.raises(Exception, match="100 fen"):
        ask_for(order, 101)


def make_refund_told(order, amount_fen, **changes):
    """News of a refund nobody here made."""
    return {
        "sp_mchid": order.sp_mchid,
        "sub_mchid": order.sub_mchid,
        "out_trade_no": order.out_trade_no,
        "transaction_id": order.transaction_id,
        "out_refund_no": "20260302000000001",
        "refund_id": "50300000002026030200000000001",
        "refund_status": "SUCCESS",
        "success_time": "2026-03-02T09:00:20+08:00",
        "amount": {"total": order.amount_fen, "refund": amount_fen},
        **changes,
    }


ELSEWHERE_MISMATCHES = {
    "sub_mchid": {"sub_mchid": "1699999999"},
    "transaction_id": {"transaction_id": "4200" + "9" * 24},
    "order": {"out_trade_no": "T20260101nobodys"},
    "total": {"amount": {"total": 999, "refund": 10}},
    "more than paid": {"amount": {"total": 1000, "refund": 1001}},
    "nothing": {"amount": {"total": 1000, "refund": 0}},
}


@pytest.mark.parametrize("changes", ELSEWHERE_MISMATCHES.values(), ids=ELSEWHERE_MISMATCHES)
def test_news_of_a_refund_elsewhere_that_disagrees_is_quarantined(
    client, simulator, order, changes
):
    notify_refund(client, simulator, make_refund_told(order, 10, **changes))

    assert last_entry().state is InboxState.QUARANTINED
    assert all_refunds() == []
    assert order_now(order).refund_reserved_fen == 0


def test_a_refund_heard_of_before_its_payment_waits_for_it(
    client, simulator, sub_merchant, partner
):
    order = place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=1000)
    paid = simulator.pay(order.out_trade_no)
    told = make_refund_told(order, 400, transaction_id=paid.transaction_id)

    notify_refund(client, simulator, told)

    assert last_entry().state is InboxState.KEPT
    assert all_refunds() == []
    with acting_for(sub_merchant.id):
        sync_order(order)
    assert order_now(order).state is OrderState.PAID
    with frozen_at(move_on(simulator, 120)):
        replay_kept()
    assert [refund.state for refund in all_refunds()] == [RefundState.SUCCEEDED]
    assert order_now(order).refunded_fen == 400


def test_a_tenants_own_number_is_kept_when_one_elsewhere_is_called_the_same(
    client, simulator, order
):
    told = make_refund_told(order, 100)
    mine = ask_for(order, 200, merchant_refund_no=told["out_refund_no"]).refund

    notify_refund(client, simulator, told)

    numbers = {row.id: row.merchant_refund_no for row in all_refunds()}
    assert numbers[mine.id] == told["out_refund_no"]
    assert len(set(numbers.values())) == 2
    assert order_now(order).refund_reserved_fen == 300


def test_many_at_once_with_the_same_news_take_it_once(app, client, simulator, order):
    content = make_refund_told(order, 400)

    at_once(app, 8, lambda: notify_refund(app.test_client(), simulator, content))

    assert len(all_refunds()) == 1
    there = order_now(order)
    assert (there.refunded_fen, there.refund_reserved_fen, there.refund_count) == (400, 400, 1)


def test_another_refunds_number_of_wechat_pays_is_quarantined(client, simulator, order, refund):
    other = make_refund(order=order, amount_fen=100)

    notify_refund(client, simulator, refund_content(other, refund_id=refund.refund_id))

    assert last_entry().state is InboxState.QUARANTINED
    assert last_entry().reason == "another refund already holds this refund_id"
    assert refund_now(other).state is RefundState.REQUESTED
