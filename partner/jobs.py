"""What the provider's floor does in the background: fetch certificates, warn of expiry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from config import metrics
from config.clock import now
from config.database import db
from config.logs import get_logger
from config.scheduler import Job
from partner.credentials import list_partners
from partner.models import Partner, RefreshState
from partner.platform_keys import refresh
from partner.presenter import EXPIRY_NOTICE, expiring_keys
from partner.refresh_requests import due_for_refresh

LOOK_EVERY_SECONDS: Final = 60

log = get_logger(__name__)
expiring = metrics.gauge(
    "partner_keys_expiring",
    "Keys in use that run out within thirty days, or have run out, by kind.",
    "kind",
)


def jobs() -> list[Job]:
    """This floor's jobs."""
    return [
        Job(
            name="partner.refresh-certificates",
            what_for="Fetches WeChat Pay's certificates about every ten hours, or when asked for.",
            run=refresh_due,
            trigger=IntervalTrigger(seconds=LOOK_EVERY_SECONDS),
            lease=timedelta(minutes=10),
        ),
        Job(
            name="partner.warn-of-expiry",
            what_for="Warns of keys that run out within thirty days.",
            run=warn_of_expiry,
            trigger=CronTrigger(hour=9, minute=7),
        ),
    ]


def refresh_due() -> Mapping[str, object]:
    """Refresh every provider that is due; one that fails keeps its old set and is tried again."""
    figures = {"refreshed": 0, "changed": 0, "failed": 0}
    for partner_id in due_for_refresh():
        partner = db.session.get(Partner, partner_id)
        if partner is None:
            continue
        try:
            outcome = refresh(partner)
        except Exception as fault:
            # Keys that are missing or cannot be opened are one provider's trouble, not all of them.
            log.error("a refresh could not be tried", partner_id=partner_id, exc_info=fault)
            figures["failed"] += 1
            continue
        figures["failed" if outcome.state is RefreshState.FAILED else "refreshed"] += 1
        figures["changed"] += outcome.changed
    return figures


def warn_of_expiry(moment: datetime | None = None) -> Mapping[str, object]:
    """Log each key that runs out soon, and set the metric to how many there are."""
    until = (moment or now()) + EXPIRY_NOTICE
    counts = {"merchant_certificate": 0, "platform_certificate": 0}
    for partner in list_partners():
        for key in expiring_keys(partner.id, until):
            counts[key.kind] += 1
            log.warning(
                "a key runs out",
                sp_mchid=partner.sp_mchid,
                kind=key.kind,
                serial=key.serial,
                expires_at=key.expires_at.isoformat(),
            )
    for kind, count in counts.items():
        expiring.labels(kind).set(count)
    return counts
