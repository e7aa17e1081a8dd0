"""When a failed delivery is tried again. Pure."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

RETRY_AFTER_TRY = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
MOST_TRIES = len(RETRY_AFTER_TRY) + 1
JITTER = 0.2
LONGEST_RETRY_AFTER = timedelta(hours=24)


def next_try(*, tries: int, now: datetime, retry_after: timedelta | None = None) -> datetime | None:
    """When to try again after so many tries; None when it is given up.

    A receiver that asked for a longer pause gets it, up to a day.
    """
    if tries > len(RETRY_AFTER_TRY):
        return None
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret, only spreads load
    pause = RETRY_AFTER_TRY[tries - 1] * spread
    return now + max(pause, retry_after or timedelta())


def read_retry_after(text: str | None, now: datetime) -> timedelta | None:
    """What a receiver's Retry-After asks for, a day at most; None when it says nothing usable."""
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=min(int(text[:9]), LONGEST_RETRY_AFTER.total_seconds()))
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta()), LONGEST_RETRY_AFTER)
