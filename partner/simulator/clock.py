"""The simulator's two clocks.

Business time can be moved: it dates trades, lets orders and prepay sessions run out, decides which
bill exists and when a notification is repeated. Wire time cannot: signatures are made and judged
against the machine's own time, so a simulator that lives in next week still talks to clients that
live today.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

BEIJING = timezone(timedelta(hours=8))

# Python reads more of ISO 8601 than RFC 3339 allows, such as the +0800 of Java's date formats.
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})"
)


def rfc3339(moment: float | datetime) -> str:
    """A moment as WeChat Pay writes it: whole seconds, +08:00."""
    if not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, UTC)
    return moment.astimezone(BEIJING).isoformat(timespec="seconds")


def parse_rfc3339(text: str) -> datetime:
    """Read an RFC 3339 date-time; ValueError when it is none or lacks its zone."""
    if not _RFC_3339.fullmatch(text.upper()):
        raise ValueError("not an RFC 3339 date-time")
    return datetime.fromisoformat(text.upper())


class MovableClock:
    """Business time: the machine's time plus an offset that people and tests may set."""

    def __init__(self, wire_time: Callable[[], float] = time.time, offset_s: float = 0.0) -> None:
        self._wire_time = wire_time
        self._offset_s = offset_s
        self._watchers: list[Callable[[float], None]] = []
        self._lock = threading.Lock()

    @property
    def offset_s(self) -> float:
        return self._offset_s

    def timestamp(self) -> float:
        """Business time in seconds since the epoch."""
        return self._wire_time() + self._offset_s

    def now(self) -> datetime:
        """Business time, aware UTC."""
        return datetime.fromtimestamp(self.timestamp(), UTC)

    def set(self, moment: datetime) -> None:
        """Make it `moment` now; the clock keeps running from there."""
        self._move(moment.timestamp() - self._wire_time())

    def advance(self, seconds: float) -> None:
        """Move on (or, with a negative number, back)."""
        self._move(self._offset_s + seconds)

    def watch(self, watcher: Callable[[float], None]) -> None:
        """Call `watcher(offset_s)` after every move."""
        self._watchers.append(watcher)

    def _move(self, offset_s: float) -> None:
        with self._lock:
            self._offset_s = offset_s
        for watcher in self._watchers:
            watcher(offset_s)
