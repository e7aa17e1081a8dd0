"""When to ask again what became of an order. Pure: time and chance are handed in."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

_WAITS = (5, 30, 60, 120, 300, 600, 1_800)  # seconds; then hourly until the order's own end
# A payment by code is asked about each time the sweep comes by, until it is time to reverse it;
# when reversing finds no answer either, as patiently as any other order.
_CODE_WAITS = (4,) * 8 + _WAITS
_HOURLY = 3_600
_JITTER = 0.1
CLOSE_GRACE = timedelta(seconds=30)  # a payment made in the last second may still arrive


def next_check(
    *, checks: int, now: datetime, expires_at: datetime, by_code: bool = False
) -> datetime:
    """The next moment to ask, given how often it was asked before; never long past the expiry."""
    waits = _CODE_WAITS if by_code else _WAITS
    wait = waits[checks] if checks < len(waits) else _HOURLY
    spread = random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load, guards nothing
    due = now + timedelta(seconds=wait * spread)
    end = expires_at if by_code else expires_at + CLOSE_GRACE
    return min(due, end) if now < end else due
