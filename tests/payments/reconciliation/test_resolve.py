"""A person's decision beside a comparison that is under way, and beside another person's."""

from __future__ import annotations

import threading

from flask import Flask
from sqlalchemy import update

from config.clock import now
from config.database import changed_rows, transaction
from config.identifiers import new_id
from partner.models import Partner
from payments.bills.entries import EntryKind
from payments.reconciliation.claims import Run, claim_days, hold_days
from payments.reconciliation.models import Discrepancy, DiscrepancyKind, DiscrepancyState
from payments.reconciliation.resolve import DiscrepancySettled, resolve_discrepancy
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant
from tests.books import audit_actions
from tests.payments.reconciliation.days import DAY

_HEAD_START_S = 0.4  # for the other thread to reach the row that is held


def test_a_decision_and_a_comparison_of_the_same_day_do_not_throw_each_other_out(
    app: Flask, provider: Partner, tea: SubMerchant
) -> None:
    run = Run(new_id("run"), provider.id, DAY, started_at=now())
    with across_tenants("a test compares"):
        day = claim_days(run, [tea.id])[tea.id].reconciliation_id
        found = _discrepancy(tea, day)
        decide = _in_a_thread(app, tea, found, [])
        with transaction():
            hold_days(run, [day])
            decide.start()
            decide.join(_HEAD_START_S)
            same = update(Discrepancy).where(Discrepancy.id == found)
            changed_rows(same.values(seen_by=run.token))
        decide.join()

        with transaction() as session:
            row = session.get_one(Discrepancy, found, populate_existing=True)

    assert (row.state, row.seen_by) == (DiscrepancyState.HANDLED, run.token)


def test_of_two_who_decide_at_once_one_is_told_that_it_is_settled(
    app: Flask, provider: Partner, tea: SubMerchant
) -> None:
    run = Run(new_id("run"), provider.id, DAY, started_at=now())
    told: list[str] = []
    with across_tenants("a test compares"):
        day = claim_days(run, [tea.id])[tea.id].reconciliation_id
        found = _discrepancy(tea, day)
        both = [_in_a_thread(app, tea, found, told) for _ in range(2)]
        with transaction():
            hold_days(run, [day])
            for decide in both:
                decide.start()
                decide.join(_HEAD_START_S)
        for decide in both:
            decide.join()

    assert sorted(told) == ["recorded", "settled"]
    assert audit_actions(found) == ["discrepancy.handled"]


def _discrepancy(tea: SubMerchant, day: str) -> str:
    row = Discrepancy(
        id=new_id("dis"),
        sub_merchant_id=tea.id,
        reconciliation_id=day,
        entry_kind=EntryKind.PAYMENT,
        number="T20260301a",
        ordinal=0,
        kind=DiscrepancyKind.MISSING_THERE,
        state=DiscrepancyState.OPEN,
        out_trade_no="T20260301a",
        explanation="It is not on the bill.",
        seen_by="an earlier run",
        created_at=now(),
        updated_at=now(),
    )
    with transaction() as session:
        session.add(row)
    return row.id


def _in_a_thread(app: Flask, tea: SubMerchant, found: str, told: list[str]) -> threading.Thread:
    def decide() -> None:
        with app.app_context(), acting_for(tea.id):
            try:
                resolve_discrepancy(discrepancy_id=found, decision="Paid in cash, see case 7.")
                told.append("recorded")
            except DiscrepancySettled:
                told.append("settled")

    return threading.Thread(target=decide)
