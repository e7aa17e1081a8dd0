"""What this floor does in the background, and when."""

from __future__ import annotations

from datetime import timedelta

from apscheduler.triggers.interval import IntervalTrigger

from config.scheduler import Job
from payments.idempotency import forget_old_keys
from payments.notifications.replay import replay_kept
from payments.orders.sweep import sweep_due
from payments.reconciliation.jobs import jobs as reconciliation_jobs

SWEEP_SECONDS = 5


def jobs() -> list[Job]:
    """Every job of the money floor."""
    return [
        Job(
            name="orders.sweep",
            what_for="Asks WeChat Pay about orders that are due, and closes those past their time.",
            run=sweep_due,
            trigger=IntervalTrigger(seconds=SWEEP_SECONDS),
            lease=timedelta(minutes=10),
        ),
        Job(
            name="notifications.replay",
            what_for="Works again the notifications that a fault of ours kept back.",
            run=replay_kept,
            trigger=IntervalTrigger(minutes=1),
        ),
        Job(
            name="idempotency.forget",
            what_for="Drops idempotency keys after their seven days.",
            run=forget_old_keys,
            trigger=IntervalTrigger(hours=1),
        ),
        *reconciliation_jobs(),
    ]
