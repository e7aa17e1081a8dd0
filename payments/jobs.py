"""What this floor does in the background, and when."""

from __future__ import annotations

from datetime import timedelta

from apscheduler.triggers.interval import IntervalTrigger

from config.loops import Loop
from config.scheduler import Job
from payments.checkout.visits import forget_old_visits
from payments.idempotency import forget_old_keys
from payments.notifications.replay import replay_kept
from payments.orders.sweep import sweep_due
from payments.reconciliation.jobs import jobs as reconciliation_jobs
from payments.refunds.sweep import sweep_refunds
from payments.webhooks.courier import Courier
from payments.webhooks.forget import forget_old_deliveries

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
            name="refunds.sweep",
            what_for="Sends refunds whose time has come, and asks about those not settled.",
            run=sweep_refunds,
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
        Job(
            name="checkout.forget",
            what_for="Forgets who came to a checkout page, once their visit is over.",
            run=forget_old_visits,
            trigger=IntervalTrigger(hours=1),
        ),
        Job(
            name="webhooks.forget",
            what_for="Drops old webhook deliveries and the log of their tries.",
            run=forget_old_deliveries,
            trigger=IntervalTrigger(hours=6),
            queue="webhooks",
        ),
        *reconciliation_jobs(),
    ]


def loops() -> list[Loop]:
    """What goes on all the time on the money floor."""
    return [
        Loop(
            name="webhooks.courier",
            what_for="Carries events to tenants' endpoints as soon as they are committed.",
            run=lambda app, stopped: Courier(app).run(stopped),
            queue="webhooks",
        )
    ]
