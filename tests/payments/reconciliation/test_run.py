"""Comparing a day: every difference found once, explained, and kept with both sides."""

from __future__ import annotations

import contextvars
import json
import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, select, update

from config.clock import frozen_at
from config.database import changed_rows, db, release, transaction
from partner.models import Partner
from partner.wechatpay.errors import Refused
from payments.bills.models import TradeBillPart
from payments.orders.models import Order, OrderState
from payments.reconciliation.jobs import reconcile_due
from payments.reconciliation.models import ReconciliationState
from payments.reconciliation.resolve import DiscrepancySettled, resolve_discrepancy
from payments.reconciliation.run import reconcile_day
from payments.webhooks.models import WebhookEvent
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.bills import bill_bytes, fetched, refund_row
from tests.payments.reconciliation.days import (
    DAY,
    NEXT_MORNING,
    Seen,
    compared,
    day_of,
    discrepancies,
    line,
    paid,
    seen,
)

JUST_BEFORE_MIDNIGHT = datetime(2031, 5, 6, 15, 59, 58, tzinfo=UTC)


def test_a_day_that_agrees_to_the_fen_is_matched(provider: Partner, tea: SubMerchant) -> None:
    orders = [paid(tea, amount_fen=amount) for amount in (1, 1800, 99_999)]
    fetched(provider, DAY, bill_bytes([line(provider, tea, order) for order in orders]))

    row = compared(provider, tea)

    assert (row.state, row.matched_count) == (ReconciliationState.MATCHED, 3)
    assert (row.ours_count, row.ours_amount_fen) == (3, 101_800)
    assert (row.theirs_count, row.theirs_amount_fen) == (3, 101_800)


def test_every_kind_of_difference_is_named_with_both_sides(
    provider: Partner, tea: SubMerchant
) -> None:
    fine, over, gone, odd = (paid(tea, amount_fen=500) for _ in range(4))
    unpaid = paid(tea, state=OrderState.CLOSED, paid_at=None)
    foreign = line(provider, tea, fine, 商户订单号="FOREIGN-1", 微信订单号="4200000077")
    refund = refund_row(sp_mchid=provider.sp_mchid, sub_mchid=tea.sub_mchid, day=DAY, amount_fen=40)
    rows = [
        line(provider, tea, fine),
        line(provider, tea, over, 订单金额="5.01"),
        line(provider, tea, odd, 微信订单号="4200000088"),
        line(provider, tea, unpaid),
        foreign,
        refund,
        line(provider, tea, fine),
    ]
    fetched(provider, DAY, bill_bytes(rows))

    row = compared(provider, tea)

    assert row.state is ReconciliationState.DISCREPANT
    assert (row.matched_count, row.open_count) == (1, 7)
    assert {(one.kind, one.number) for one in seen(row)} == {
        ("AMOUNT_DIFFERS", over.out_trade_no),
        ("MISSING_THERE", gone.out_trade_no),
        ("NUMBER_DIFFERS", odd.out_trade_no),
        ("STATE_DIFFERS", unpaid.out_trade_no),
        ("MISSING_HERE", "FOREIGN-1"),
        ("MISSING_HERE", refund["商户退款单号"]),
        ("DUPLICATE_ROW", fine.out_trade_no),
    }
    amount = next(one for one in discrepancies(row) if one.kind.value == "AMOUNT_DIFFERS")
    assert json.loads(amount.ours or "")["amount_fen"] == 500
    assert json.loads(amount.theirs or "")["amount_fen"] == 501
    assert row.theirs_amount_fen == 501 + 500 * 4 + 100 - 40


def test_an_empty_day_is_compared_all_the_same(
    provider: Partner, tea: SubMerchant, cake: SubMerchant
) -> None:
    order = paid(tea)
    fetched(provider, DAY, Refused(status=400, code="NO_STATEMENT_EXIST"))

    assert seen(compared(provider, tea)) == [Seen("MISSING_THERE", order.out_trade_no, "OPEN")]
    assert compared(provider, cake).state is ReconciliationState.MATCHED


def test_a_day_whose_bill_is_not_here_waits(provider: Partner, tea: SubMerchant) -> None:
    order = paid(tea)

    waiting = compared(provider, tea)
    fetched(provider, DAY, bill_bytes([line(provider, tea, order)]))
    reconcile_due()

    assert waiting.state is ReconciliationState.WAITING_FOR_BILL
    assert day_of(tea).state is ReconciliationState.MATCHED


def test_orders_of_the_neighbour_days_are_not_this_days(
    provider: Partner, tea: SubMerchant
) -> None:
    start = datetime(2031, 5, 5, 16, 0, tzinfo=UTC)
    within = [paid(tea, at=start), paid(tea, at=start + timedelta(days=1, microseconds=-1))]
    paid(tea, at=start - timedelta(microseconds=1))
    paid(tea, at=start + timedelta(days=1))
    fetched(provider, DAY, bill_bytes([line(provider, tea, order) for order in within]))

    row = compared(provider, tea)

    assert (row.state, row.ours_count) == (ReconciliationState.MATCHED, 2)


def test_a_lost_notification_heals_itself(provider: Partner, tea: SubMerchant) -> None:
    order = paid(tea, state=OrderState.PENDING, paid_at=None, transaction_id=None)
    bill = [line(provider, tea, order, 微信订单号="4200000099")]
    fetched(provider, DAY, bill_bytes(bill))

    first = compared(provider, tea)
    due = _next_check(order)
    _pay(order, "4200000099")
    with frozen_at(NEXT_MORNING + timedelta(minutes=11)):
        reconcile_due()

    assert first.state is ReconciliationState.DISCREPANT
    assert due == NEXT_MORNING
    assert day_of(tea).state is ReconciliationState.MATCHED
    assert seen(day_of(tea)) == []


def test_a_second_run_neither_doubles_nor_reopens_what_a_person_handled(
    provider: Partner, tea: SubMerchant
) -> None:
    gone = [paid(tea), paid(tea)]
    fetched(provider, DAY, bill_bytes([]))
    handled, still_open = discrepancies(compared(provider, tea))
    with across_tenants("a test decides"):
        resolve_discrepancy(discrepancy_id=handled.id, decision="Paid in cash, see case 7.")

    again = compared(provider, tea)

    assert len(gone) == 2
    assert {(one.number, one.state) for one in seen(again)} == {
        (handled.number, "HANDLED"),
        (still_open.number, "OPEN"),
    }
    assert (again.state, again.open_count) == (ReconciliationState.DISCREPANT, 1)
    with across_tenants("a test decides"):
        resolve_discrepancy(discrepancy_id=still_open.id, decision="The same.")
        with pytest.raises(DiscrepancySettled):
            resolve_discrepancy(discrepancy_id=still_open.id, decision="Twice.")
    assert day_of(tea).state is ReconciliationState.RESOLVED
    assert compared(provider, tea).state is ReconciliationState.RESOLVED


@pytest.mark.parametrize("owner_is_first", [True, False])
@pytest.mark.parametrize("in_memory_rows", [0, 10_000])
def test_what_the_bill_books_under_another_tenant_is_told_on_both_sides_without_leaking(
    provider: Partner,
    tea: SubMerchant,
    cake: SubMerchant,
    owner_is_first: bool,
    in_memory_rows: int,
) -> None:
    by_id = sorted((tea, cake), key=lambda tenant: tenant.id, reverse=not owner_is_first)
    owner, other = by_id
    order = paid(owner)
    fetched(provider, DAY, bill_bytes([line(provider, other, order)]))

    reconcile_day(partner_id=provider.id, bill_date=DAY, in_memory_rows=in_memory_rows)

    at_other, at_owner = discrepancies(day_of(other)), discrepancies(day_of(owner))
    assert [one.kind.value for one in at_other + at_owner] == ["TENANT_DIFFERS"] * 2
    assert at_other[0].ours is None
    assert order.id not in (at_other[0].explanation + (at_other[0].theirs or ""))
    assert at_owner[0].theirs is None
    assert "under another sub_mchid" in at_owner[0].explanation
    assert "另一子商户号" in (at_owner[0].explanation_zh or "")


def test_a_row_of_its_own_that_was_set_aside_is_not_told_as_another_tenants(
    provider: Partner, tea: SubMerchant
) -> None:
    order = paid(tea)
    fetched(provider, DAY, bill_bytes([line(provider, tea, order, 货币种类="HKD")]))

    row = compared(provider, tea)

    assert seen(row) == [Seen("MISSING_THERE", order.out_trade_no, "OPEN")]


def test_what_the_bill_books_under_a_stranger_is_told_to_the_orders_tenant(
    provider: Partner, tea: SubMerchant
) -> None:
    order = paid(tea)
    fetched(provider, DAY, bill_bytes([line(provider, tea, order, 特约商户号="1699999999")]))

    row = compared(provider, tea)

    assert seen(row) == [Seen("TENANT_DIFFERS", order.out_trade_no, "OPEN")]
    assert "1699999999" not in discrepancies(row)[0].explanation


def test_a_booking_across_midnight_is_looked_for_on_the_neighbour_day(
    provider: Partner, tea: SubMerchant
) -> None:
    order = paid(tea, at=JUST_BEFORE_MIDNIGHT)
    fetched(provider, DAY, bill_bytes([]))
    first = compared(provider, tea)
    later = line(provider, tea, order, 交易时间="2031-05-07 00:00:01")
    day_after = datetime(2031, 5, 8, 3, 0, tzinfo=UTC)

    with frozen_at(day_after):
        fetched(provider, date(2031, 5, 7), bill_bytes([later]))
        reconcile_due()

    assert first.next_run_at is not None
    assert "will be looked at too" not in discrepancies(day_of(tea))[0].explanation
    assert seen(day_of(tea)) == [Seen("DAY_DIFFERS", order.out_trade_no, "OPEN")]


def test_tenants_hear_of_a_day_once_and_again_when_it_changed(
    provider: Partner, tea: SubMerchant
) -> None:
    order = paid(tea, state=OrderState.PENDING, paid_at=None, transaction_id=None)
    fetched(provider, DAY, bill_bytes([line(provider, tea, order, 微信订单号="4200000099")]))

    compared(provider, tea)
    compared(provider, tea)
    _pay(order, "4200000099")
    compared(provider, tea)

    with acting_for(tea.id):
        events = db.session.scalars(
            select(WebhookEvent)
            .where(WebhookEvent.type == "reconciliation.completed")
            .order_by(WebhookEvent.event_key)
        ).all()
    assert [json.loads(event.data)["state"] for event in events] == ["DISCREPANT", "MATCHED"]


def test_any_number_of_processes_compare_a_day_once(
    app: Flask, provider: Partner, tea: SubMerchant
) -> None:
    order = paid(tea)
    fetched(provider, DAY, bill_bytes([line(provider, tea, order)]))
    together, counts = threading.Barrier(3), []

    def work() -> None:
        with app.app_context():
            together.wait()
            counts.append(reconcile_day(partner_id=provider.id, bill_date=DAY))

    threads = [threading.Thread(target=contextvars.Context().run, args=(work,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(counts) == 1
    assert day_of(tea).runs == 1


@pytest.mark.parametrize("in_memory_rows", [0, 10_000])
def test_half_a_bill_is_never_compared_as_a_whole_one(
    provider: Partner, tea: SubMerchant, in_memory_rows: int
) -> None:
    order = paid(tea)
    fetched(provider, DAY, bill_bytes([line(provider, tea, order)]))
    with across_tenants("a division of another process"), transaction():
        changed_rows(delete(TradeBillPart))

    row = compared(provider, tea, in_memory_rows=in_memory_rows)

    assert row.state is ReconciliationState.RUNNING
    assert discrepancies(row) == []


@pytest.mark.parametrize("in_memory_rows", [0, 10_000])
def test_what_another_division_wrote_is_not_compared_in_the_name_of_this_one(
    provider: Partner, tea: SubMerchant, in_memory_rows: int
) -> None:
    order = paid(tea)
    fetched(provider, DAY, bill_bytes([line(provider, tea, order)]))
    with across_tenants("a division of another process"), transaction():
        changed_rows(update(TradeBillPart).values(token="another"))

    row = compared(provider, tea, in_memory_rows=in_memory_rows)

    assert row.state is ReconciliationState.RUNNING
    assert row.bill_token is None


def _pay(order: Order, transaction_id: str) -> None:
    news = {
        "state": OrderState.PAID,
        "paid_at": datetime(2031, 5, 6, 4, 0, tzinfo=UTC),
        "transaction_id": transaction_id,
    }
    with acting_for(order.sub_merchant_id), transaction():
        changed_rows(update(Order).where(Order.id == order.id).values(**news))


def _next_check(order: Order) -> datetime | None:
    release()
    with acting_for(order.sub_merchant_id):
        return db.session.scalar(select(Order.next_check_at).where(Order.id == order.id))
