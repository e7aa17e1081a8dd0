"""What this floor does in the background."""

from __future__ import annotations

import time
from collections.abc import Mapping

from apscheduler.triggers.interval import IntervalTrigger

from config.audit import seal_entries
from config.scheduler import Job, forget_old_runs
from config.sessions import forget_ended_sessions
from config.throttle import forget_old_guesses

SEAL_SECONDS = 5
REST = 4  # between two batches of the chain, so many times as long as one took


def jobs() -> list[Job]:
    """Keep the audit chain closed and the history short."""
    return [
        Job(
            name="audit.seal",
            what_for="Chains the newest entries of the audit trail.",
            run=_seal_all,
            trigger=IntervalTrigger(seconds=SEAL_SECONDS),
        ),
        Job(
            name="jobs.forget",
            what_for="Drops the history of runs that nobody reads any more.",
            run=forget_old_runs,
            trigger=IntervalTrigger(hours=6),
        ),
        Job(
            name="sessions.forget",
            what_for="Drops ended log-ins and the counts of old sign-in tries.",
            run=_forget_sign_ins,
            trigger=IntervalTrigger(hours=1),
        ),
    ]


def _seal_all() -> Mapping[str, object]:
    sealed, started = 0, time.monotonic()
    while linked := seal_entries():
        sealed += linked
        # Nobody waits for the chain; what this process also does is waited for, and has its turn.
        time.sleep(REST * (time.monotonic() - started))
        started = time.monotonic()
    return {"sealed": sealed}


def _forget_sign_ins() -> Mapping[str, object]:
    return {**forget_ended_sessions(), **forget_old_guesses()}
