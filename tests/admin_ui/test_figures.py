"""Today's figures, beside yesterday's at the same hour."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from admin_ui.reading import figures
from config.clock import frozen_at
from config.database import transaction
from partner.models import MerchantKey
from payments.orders.models import OrderState
from submerchants.tenancy import across_tenants, acting_for
from tests.factories.partner import make_partner
from tests.factories.payments import make_order
from tests.factories.submerchants import make_sub_merchant

pytestmark = pytest.mark.usefixtures("app")

# 18:30 in Beijing: the day there began at 16:00 UTC of the day before.
PRESENT = datetime(2026, 11, 23, 10, 30, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)


def test_the_day_is_beijings_and_yesterday_counts_until_this_hour() -> None:
    here = make_sub_merchant()
    for paid_at, amount_fen in [
        (MIDNIGHT, 100),
        (MIDNIGHT + timedelta(hours=1, minutes=59), 20),
        (PRESENT - timedelta(seconds=1), 3),
        (MIDNIGHT - timedelta(seconds=1), 5_000),
        (PRESENT - timedelta(days=1, seconds=1), 1_000),
        (MIDNIGHT - timedelta(days=1, seconds=1), 90_000),
    ]:
        make_order(sub_merchant=here, state=OrderState.PAID, paid_at=paid_at, amount_fen=amount_fen)

    with frozen_at(PRESENT), across_tenants("a test"):
        today = figures.today()

    assert today.day == date(2026, 11, 23)
    assert (today.so_far.payments, today.so_far.amount_fen) == (3, 123)
    assert today.yesterday_by_now.amount_fen == 1_000
    assert today.yesterday.amount_fen == 6_000
    assert today.change_percent == -88
    assert list(today.hours_today[:3]) == [100, 120, 120]
    assert len(today.hours_today) == 19
    assert today.hours_yesterday[-1] == 6_000


def test_without_a_yesterday_there_is_no_change_to_speak_of() -> None:
    with frozen_at(PRESENT), across_tenants("a test"):
        assert figures.today().change_percent is None


def test_the_last_days_end_today() -> None:
    make_order(state=OrderState.PAID, paid_at=MIDNIGHT - timedelta(days=2), amount_fen=700)

    with frozen_at(PRESENT), across_tenants("a test"):
        days = figures.last_days(4)

    assert [(one.day.day, one.takings.amount_fen) for one in days] == [
        (20, 0),
        (21, 700),
        (22, 0),
        (23, 0),
    ]


def test_a_tenant_is_shown_its_own_figures() -> None:
    here, there = make_sub_merchant(), make_sub_merchant()
    for owner, amount_fen in ((here, 100), (there, 5_000)):
        make_order(
            sub_merchant=owner,
            state=OrderState.PAID,
            paid_at=PRESENT - timedelta(hours=1),
            created_at=PRESENT - timedelta(hours=2),
            amount_fen=amount_fen,
        )

    with frozen_at(PRESENT), acting_for(here.id):
        today, days = figures.today(), figures.last_days()
        shares = {share.state: share.rows for share in figures.orders_today_by_state()}

    assert today.so_far.amount_fen == today.hours_today[-1] == 100
    assert days[-1].takings.amount_fen == 100
    assert shares == {"CREATED": 0, "PENDING": 0, "PAID": 1, "CLOSED": 0}


def test_a_certificate_that_runs_out_within_thirty_days_needs_a_person() -> None:
    partner = make_partner()
    with transaction() as session:
        key = session.query(MerchantKey).filter_by(partner_id=partner.id).one()
        key.expires_at = PRESENT + timedelta(days=29)

    with frozen_at(PRESENT):
        soon = figures.expiring_keys()
    with frozen_at(PRESENT - timedelta(days=2)):
        later = figures.expiring_keys()

    assert [(one.sp_mchid, one.is_ours) for one in soon] == [(partner.sp_mchid, True)]
    assert later == []
