"""Sync, close and the sweep: what became of an order is asked, never assumed."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from config.clock import frozen_at, now
from config.database import changed_rows, transaction
from partner.models import MerchantKey
from payments.errors import (
    OrderAlreadyPaid,
    OrderNotPayable,
    WeChatPayBusy,
    WeChatPayOutcomeUnknown,
)
from payments.orders.create import create_order
from payments.orders.models import OrderState
from payments.orders.place import pay_params
from payments.orders.sweep import sweep_due
from payments.orders.sync import close_order, sync_order
from submerchants.tenancy import acting_for
from tests.books import all_events, all_orders, audit_actions, order_now
from tests.factories.payments import make_order, order_request, place_order
from tests.genuine import notify, paid_content


@pytest.fixture
def order(sub_merchant, partner):
    return place_order(sub_merchant=sub_merchant, partner=partner)


def tenant_does(action, order):
    with acting_for(order.sub_merchant_id):
        return action(order)


def test_a_lost_notification_is_made_up_by_asking(simulator, order):
    simulator.faults.add("notification_missing")
    simulator.pay(order.out_trade_no)
    simulator.notifier.deliver_due()
    assert order_now(order).state is OrderState.PENDING

    with frozen_at(now() + timedelta(seconds=10)):
        sweep_due()

    assert order_now(order).state is OrderState.PAID
    assert len(all_events("order.paid")) == 1


def test_a_refund_in_the_merchant_platform_shows_in_the_orders_word(simulator, order):
    simulator.pay(order.out_trade_no)
    tenant_does(sync_order, order)
    simulator.refund_by_hand(order.out_trade_no, order.amount_fen)

    synced = tenant_does(sync_order, order)

    assert (synced.state, synced.trade_state) == (OrderState.PAID, "REFUND")
    assert len(all_events("order.paid")) == 1


def test_a_notification_after_the_query_changes_nothing(simulator, order):
    simulator.pay(order.out_trade_no)
    tenant_does(sync_order, order)
    paid_at = order_now(order).paid_at

    simulator.notifier.deliver_due()

    assert order_now(order).paid_at == paid_at
    assert len(all_events("order.paid")) == 1
    assert audit_actions(order.id).count("order.paid") == 1


def test_a_queried_payment_of_another_amount_is_not_taken(simulator, order):
    simulator.pay(order.out_trade_no)
    simulator.faults.add("lost_answer", times=3, path="/v3/pay")
    with pytest.raises(WeChatPayOutcomeUnknown):
        tenant_does(sync_order, order)

    assert order_now(order).state is OrderState.PENDING


def test_closing_is_agreed_with_wechat_pay_first(simulator, order):
    closed = tenant_does(close_order, order)

    assert closed.state is OrderState.CLOSED
    assert simulator.ledger.orders()[0].trade_state == "CLOSED"
    assert [event.type for event in all_events()] == ["order.closed"]


def test_closing_twice_is_fine_and_says_so_once(order):
    tenant_does(close_order, order)

    again = tenant_does(close_order, order_now(order))

    assert again.state is OrderState.CLOSED
    assert len(all_events("order.closed")) == 1


def test_a_payment_that_was_faster_than_the_close_wins(simulator, order):
    simulator.pay(order.out_trade_no)

    with pytest.raises(OrderAlreadyPaid):
        tenant_does(close_order, order)

    assert order_now(order).state is OrderState.PAID
    assert all_events("order.closed") == []


def test_an_unanswered_close_concludes_nothing(simulator, order):
    simulator.faults.add("lost_answer", times=3, path="/v3/pay", method="POST")

    with pytest.raises(WeChatPayOutcomeUnknown):
        tenant_does(close_order, order)

    assert order_now(order).state is OrderState.PENDING
    assert all_events() == []


def test_an_order_past_its_time_is_closed_there_and_here(simulator, order):
    with frozen_at(order.expires_at + timedelta(minutes=1)):
        sweep_due()

    assert order_now(order).state is OrderState.CLOSED
    assert simulator.ledger.orders()[0].trade_state == "CLOSED"


def test_an_order_paid_in_its_last_second_is_not_closed(simulator, order):
    simulator.faults.add("notification_missing")
    simulator.pay(order.out_trade_no)

    with frozen_at(order.expires_at + timedelta(minutes=1)):
        sweep_due()

    assert order_now(order).state is OrderState.PAID


def test_an_expired_order_is_not_closed_while_wechat_pay_is_silent(simulator, order):
    simulator.faults.add("http_500", times=None, path="/v3/pay")

    with frozen_at(order.expires_at + timedelta(minutes=1)):
        sweep_due()

    assert order_now(order).state is OrderState.PENDING


def test_late_money_beats_our_own_close(simulator, sub_merchant, partner):
    simulator.faults.add("lost_answer", times=3, path="/v3/pay/partner/transactions/jsapi")
    request = order_request()
    with acting_for(sub_merchant.id), pytest.raises(WeChatPayOutcomeUnknown):
        create_order(sub_merchant=sub_merchant, partner=partner, request=request)
    (order,) = all_orders()
    simulator.faults.clear()
    there = simulator.ledger.orders()
    assert [row.out_trade_no for row in there] == [order.out_trade_no]
    simulator.pay(order.out_trade_no)

    simulator.notifier.deliver_due()

    assert order_now(order).state is OrderState.PAID


def test_what_never_arrived_is_closed_here_and_looked_at_once_more(
    simulator, sub_merchant, partner
):
    simulator.faults.add("reset", times=6, path="/v3/pay/partner/transactions/jsapi")
    with acting_for(sub_merchant.id), pytest.raises(WeChatPayOutcomeUnknown):
        create_order(sub_merchant=sub_merchant, partner=partner, request=order_request())
    (order,) = all_orders()
    simulator.faults.clear()

    closed = tenant_does(close_order, order)

    assert closed.state is OrderState.CLOSED
    assert order_now(order).next_check_at is not None
    with frozen_at(now() + timedelta(minutes=11)):
        sweep_due()
    assert order_now(order).next_check_at is None


def test_a_closed_order_brings_up_no_cashier(order):
    closed = tenant_does(close_order, order)

    with pytest.raises(OrderNotPayable):
        tenant_does(pay_params, closed)


def test_two_sweeps_ask_about_an_order_once(simulator, order):
    with frozen_at(now() + timedelta(seconds=10)):
        first, second = sweep_due(), sweep_due()

    assert first["asked"] == 1
    assert second["asked"] == 0


def test_a_sweep_sees_every_tenant_and_mixes_none(simulator, order, other_sub_merchant, partner):
    other = place_order(sub_merchant=other_sub_merchant, partner=partner)
    simulator.faults.add("notification_missing", times=2)
    for one in (order, other):
        simulator.pay(one.out_trade_no)

    with frozen_at(now() + timedelta(seconds=10)):
        sweep_due()

    paid = {row.id: row.transaction_id for row in all_orders()}
    there = {row.out_trade_no: row.transaction_id for row in simulator.ledger.orders()}
    assert paid[order.id] == there[order.out_trade_no]
    assert paid[other.id] == there[other.out_trade_no]
    tenants = {event.object_id: event.sub_merchant_id for event in all_events("order.paid")}
    assert tenants == {order.id: order.sub_merchant_id, other.id: other.sub_merchant_id}


def test_a_queried_payment_whose_number_another_order_holds_is_not_taken(
    client, simulator, order, sub_merchant, partner
):
    other = place_order(sub_merchant=sub_merchant, partner=partner)
    simulator.pay(order.out_trade_no)
    theirs = next(o for o in simulator.ledger.orders() if o.out_trade_no == order.out_trade_no)
    notify(client, simulator, paid_content(other, transaction_id=theirs.transaction_id))

    shown = tenant_does(sync_order, order)

    assert shown.state is OrderState.PENDING
    assert order_now(order).state is OrderState.PENDING
    assert order_now(other).state is OrderState.PAID


def test_an_order_that_cannot_be_checked_does_not_stop_the_others(simulator, order):
    broken = make_order(next_check_at=now())
    with transaction():
        spoilt = update(MerchantKey).where(MerchantKey.partner_id == broken.partner_id)
        changed_rows(spoilt.values(private_key_sealed="not what the vault sealed"))
    simulator.pay(order.out_trade_no)

    with frozen_at(now() + timedelta(seconds=10)):
        figures = sweep_due()

    assert figures == {"asked": 2, "fault": 1, "paid": 1}
    due = order_now(broken).next_check_at
    assert due is not None
    assert due > now()


def test_an_order_that_a_payer_may_still_pay_is_asked_about_whatever_is_refused(simulator, order):
    in_three_hours = now() + timedelta(hours=3)
    simulator.faults.add("rate_limit", path="/v3/pay")

    with frozen_at(in_three_hours), pytest.raises(WeChatPayBusy):
        tenant_does(pay_params, order_now(order))

    due = order_now(order).next_check_at
    assert due is not None
    assert due <= in_three_hours + timedelta(hours=1)


@pytest.mark.parametrize("number", [268449538, 268498689])
def test_paid_by_number_only_is_paid_all_the_same(simulator, order, number):
    simulator.pay(order.out_trade_no)
    said = {"code": "INVALID_REQUEST", "message": "请求不符合业务规则", "number": number}
    simulator.faults.add("refusal", path="/v3/pay", method="POST", **said)

    with frozen_at(now() + timedelta(hours=3)), pytest.raises(OrderNotPayable):
        tenant_does(pay_params, order_now(order))

    assert order_now(order).state is OrderState.PAID


def test_an_order_past_its_time_is_not_opened_again(simulator, order):
    would_strike = simulator.faults.add("rate_limit", path="/v3/pay")

    with frozen_at(order.expires_at), pytest.raises(OrderNotPayable):
        tenant_does(pay_params, order_now(order))

    assert would_strike.struck == 0
