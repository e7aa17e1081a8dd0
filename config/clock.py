"""The one place that reads the time of business.

Business time can be moved: a test freezes it, the demo trades yesterday. Time on the wire cannot:
signature timestamps and their five-minute window belong to the machine and are read by
`partner.wechatpay` itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

BEIJING = ZoneInfo("Asia/Shanghai")

_held: tuple[datetime, ...] = ()  # the moments business time is held at, the last one counts
_holding = threading.Lock()


def now() -> datetime:
    """The present, as aware UTC."""
    held = _held
    return held[-1] if held else datetime.now(UTC)


@contextmanager
def frozen_at(moment: datetime) -> Iterator[None]:
    """Hold business time at one moment for the whole process.

    Whoever lets go takes back only what they set, in whatever order threads come out.
    """
    global _held
    moment = moment.astimezone(UTC)
    with _holding:
        _held = (*_held, moment)
    try:
        yield
    finally:
        with _holding:
            place = _held.index(moment)
            _held = _held[:place] + _held[place + 1 :]


def beijing_date(moment: datetime) -> date:
    """The calendar day WeChat Pay books this moment under."""
    return moment.astimezone(BEIJING).date()


def beijing_day(day: date) -> tuple[datetime, datetime]:
    """The first moment of a Beijing day and the first of the next, both in UTC."""
    start = datetime(day.year, day.month, day.day, tzinfo=BEIJING)
    return start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC)


def rfc3339(moment: datetime) -> str:
    """The moment in UTC as APIs write it, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def present_moment(moment: datetime | None) -> str | None:
    """The same for a moment that may not have come; None then."""
    return None if moment is None else rfc3339(moment)
