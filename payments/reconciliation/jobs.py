"""The bill day in the background: at ten each morning, and again until nothing is missing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import select

from config.clock import BEIJING, now
from config.database import db, release
from config.logs import get_logger
from config.scheduler import Job
from payments.bills.day import CATCH_UP_DAYS, READY_HOUR, due_days, fetch_due_bills
from payments.bills.models import ALL_TRADE, TradeBill, TradeBillState
from payments.reconciliation.models import Reconciliation
from payments.reconciliation.run import is_due, reconcile_day, same_day
from submerchants.tenancy import across_tenants

CATCH_UP_MINUTES = 10

log = get_logger(__name__)


def jobs() -> list[Job]:
    """Fetch, then compare. Both find their own work, so a missed tick loses nothing."""
    return [
        Job(
            name="bills.fetch",
            what_for="Fetches the trade bills of the last days that are not here yet.",
            run=fetch_due_bills,
            trigger=_at_ten_and_again(minute=0),
            lease=timedelta(minutes=30),
            first_after=timedelta(seconds=5),
        ),
        Job(
            name="bills.reconcile",
            what_for="Compares bills that were not compared yet, or whose days may have healed.",
            run=reconcile_due,
            trigger=_at_ten_and_again(minute=2),
            lease=timedelta(minutes=30),
            first_after=timedelta(seconds=30),
        ),
    ]


def reconcile_due() -> Mapping[str, object]:
    """Compare every bill of the last days that is due; answers how many days of tenants were."""
    oldest = due_days(now())[0] - timedelta(days=CATCH_UP_DAYS)
    with across_tenants("bill day"):
        due = db.session.execute(
            select(TradeBill.partner_id, TradeBill.bill_date)
            .outerjoin(Reconciliation, same_day())
            .where(
                TradeBill.bill_date >= oldest,
                TradeBill.bill_type == ALL_TRADE,
                TradeBill.state != TradeBillState.NOT_READY,
                is_due(),
            )
            .distinct()
            .order_by(TradeBill.bill_date, TradeBill.partner_id)
        )
        days = list(due)
        release()
    compared = failed = 0
    for partner, day in days:
        try:
            compared += reconcile_day(partner_id=partner, bill_date=day)
        except Exception as error:
            # One day that cannot be compared must not hold up the others; it stays due.
            log.error("a day cannot be compared", partner=partner, day=str(day), exc_info=error)
            failed += 1
    return {"compared": compared, "failed": failed}


def _at_ten_and_again(*, minute: int) -> OrTrigger:
    at_ten = CronTrigger(hour=READY_HOUR, minute=minute, timezone=BEIJING)
    return OrTrigger([at_ten, IntervalTrigger(minutes=CATCH_UP_MINUTES, timezone=BEIJING)])
