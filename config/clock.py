"""The one place that reads the time of business.

Business time can be moved: a test freezes it, the demo trades yesterday. Time on the wire cannot:
signature timestamps and their five-minute window belong to the machine and are read by
`partner.wechatpay` itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

BEIJING = ZoneInfo("Asia/Shanghai")

_moved_to: datetime | None = None


def now() -> datetime:
    """The present, as aware UTC."""
    return _moved_to or datetime.now(UTC)


@contextmanager
def frozen_at(moment: datetime) -> Iterator[None]:
    """Hold business time at one moment for the whole process."""
    global _moved_to
    before, _moved_to = _moved_to, moment.astimezone(UTC)
    try:
        yield
    finally:
        _moved_to = before


def beijing_date(moment: datetime) -> date:
    """The calendar day WeChat Pay books this moment under."""
    return moment.astimezone(BEIJING).date()


def beijing_day(day: date) -> tuple[datetime, datetime]:
    """The first moment of a Beijing day and the first of the next, both in UTC."""
    start = datetime(day.year, day.month, day.day, tzinfo=BEIJING)
    return start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC)
