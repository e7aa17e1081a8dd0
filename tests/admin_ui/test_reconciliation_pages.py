"""The month, a day and one result, at both doors."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from flask.testing import FlaskClient

from admin_ui.reading import days
from config.clock import beijing_date, frozen_at, now
from config.i18n import LANGUAGE_COOKIE
from payments.bills.entries import EntryKind
from payments.reconciliation import explanations
from payments.reconciliation.models import DiscrepancyKind, ReconciliationState
from submerchants.tenancy import across_tenants
from tests.factories.console import make_discrepancy, make_reconciliation
from tests.factories.partner import make_partner
from tests.factories.people import make_staff_member, sign_in_operator, sign_in_staff
from tests.factories.submerchants import make_sub_merchant

YESTERDAY = timedelta(days=1)


def test_a_day_is_as_good_as_its_worst_result(client: FlaskClient) -> None:
    partner, day = make_partner(), date(2026, 11, 20)
    for state, open_count in [
        (ReconciliationState.MATCHED, 0),
        (ReconciliationState.DISCREPANT, 2),
        (ReconciliationState.WAITING_FOR_BILL, 0),
    ]:
        tenant = make_sub_merchant(partner=partner)
        make_reconciliation(sub_merchant=tenant, day=day, state=state, open_count=open_count)
    with frozen_at(datetime(2026, 11, 23, 4, tzinfo=UTC)), across_tenants("a test"):
        month = days.month_of(None)

    cell = next(one for one in month.days if one.day == day)

    assert (cell.state, cell.results, cell.open_differences) == ("DISCREPANT", 3, 2)
    assert (month.before, month.after) == (date(2026, 10, 1), None)
    assert [one.day.weekday() for one in month.days[:7]] == list(range(7))


def test_months_end_at_the_present_and_nonsense_is_the_present(client: FlaskClient) -> None:
    with frozen_at(datetime(2026, 11, 30, 16, 30, tzinfo=UTC)), across_tenants("a test"):
        shown = [days.month_of(text).first for text in (None, "never", "2999-01", "2026-02")]

    december = date(2026, 12, 1)  # in Beijing it already is
    assert shown == [december, december, december, date(2026, 2, 1)]


def test_the_strip_shows_the_week_before_today(client: FlaskClient) -> None:
    with across_tenants("a test"):
        week = days.last_week()

    assert len(week) == 7
    assert week[-1].day == beijing_date(now()) - YESTERDAY


def test_differences_come_first_and_both_sides_stand_side_by_side(client: FlaskClient) -> None:
    partner, day = make_partner(), beijing_date(now()) - YESTERDAY
    fine, wrong = make_sub_merchant(partner=partner), make_sub_merchant(partner=partner)
    make_reconciliation(sub_merchant=fine, day=day)
    found = make_reconciliation(
        sub_merchant=wrong,
        day=day,
        state=ReconciliationState.DISCREPANT,
        open_count=2,
        ours_amount_fen=10_000,
        theirs_amount_fen=9_900,
    )
    make_discrepancy(found, kind=DiscrepancyKind.AMOUNT_DIFFERS)
    make_discrepancy(found, kind=DiscrepancyKind.MISSING_HERE, ours=None)
    sign_in_operator(client)

    day_page = client.get(f"/admin/reconciliation/{day}").text
    page = client.get(f"/admin/reconciliation/{day}/{found.id}").text

    assert re.findall(r"/reconciliation/[\d-]+/(rec_\w+)", day_page)[0] == found.id
    assert "-¥1.00" in day_page
    assert "金额不一致" in page
    assert "长款" in page
    assert page.count('<tr class="differs">') == 1
    assert page.count("没有这笔") == 1
    assert "¥18.80" in page
    assert "¥17.80" in page


def test_why_something_differs_is_told_in_the_readers_language(client: FlaskClient) -> None:
    day = beijing_date(now()) - YESTERDAY
    found = make_reconciliation(
        sub_merchant=make_sub_merchant(), day=day, state=ReconciliationState.DISCREPANT
    )
    told = explanations.amounts_differ(EntryKind.PAYMENT, ours_fen=1_880, theirs_fen=1_780)
    kept = {"explanation": told.en, "explanation_zh": told.zh}
    make_discrepancy(found, kind=DiscrepancyKind.AMOUNT_DIFFERS, **kept)
    make_discrepancy(found, kind=DiscrepancyKind.MISSING_HERE, explanation="From before.")
    sign_in_operator(client)
    path = f"/admin/reconciliation/{day}/{found.id}"

    chinese = client.get(path).text
    client.set_cookie(LANGUAGE_COOKIE, "en", domain="pay.example.test")
    english = client.get(path).text

    assert told.zh in chinese
    assert told.en not in chinese
    assert "From before." in chinese
    assert told.en in english


def test_staff_see_their_own_day_and_no_one_elses(client: FlaskClient) -> None:
    partner, day = make_partner(), beijing_date(now()) - YESTERDAY
    here, there = make_sub_merchant(partner=partner), make_sub_merchant(partner=partner)
    make_reconciliation(sub_merchant=here, day=day, ours_amount_fen=123, theirs_amount_fen=123)
    theirs = make_reconciliation(
        sub_merchant=there,
        day=day,
        state=ReconciliationState.DISCREPANT,
        open_count=7,
        ours_amount_fen=77_700,
    )
    make_discrepancy(theirs, kind=DiscrepancyKind.MISSING_THERE)
    sign_in_staff(client, make_staff_member(sub_merchant=here))

    pages = [
        client.get(path).text
        for path in ("/dashboard/", "/dashboard/reconciliation", f"/dashboard/reconciliation/{day}")
    ]

    assert "¥1.23" in pages[2]
    assert "双方分文不差" in pages[2]
    for page in pages:
        assert "7 笔差异" not in page
        assert "¥777.00" not in page


def test_a_day_that_is_none_is_not_found(client: FlaskClient) -> None:
    sign_in_operator(client)

    for day in ("2026-02-30", "never", "2026-11"):
        assert client.get(f"/admin/reconciliation/{day}").status_code == 404
    assert client.get("/admin/reconciliation?month=never").status_code == 200
    assert client.get("/admin/reconciliation?month=9999-12").status_code == 200
