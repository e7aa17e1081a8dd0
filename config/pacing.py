"""Do something at most once in a while, within this process.

For what is only worth doing now and then, however often it is asked for: a line in the log, a note
in the database. What must hold across processes is decided in the database instead.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Final

MOST_REMEMBERED: Final = 10_000  # keys, before those whose interval is over are dropped


class OnceEvery:
    """Answers yes at most once in the interval for each key. Threads share it."""

    def __init__(self, interval: timedelta) -> None:
        self._seconds = interval.total_seconds()
        self._lock = threading.Lock()
        self._said_at: dict[str, float] = {}
        self._most = MOST_REMEMBERED

    def is_due(self, key: str) -> bool:
        """Whether it is time again; saying yes starts the next interval."""
        with self._lock:
            instant = time.monotonic()
            before = self._said_at.get(key)
            if before is not None and instant - before < self._seconds:
                return False
            if len(self._said_at) >= self._most:
                self._forget(instant)
            self._said_at[key] = instant
            return True

    def _forget(self, instant: float) -> None:
        recent = {key: at for key, at in self._said_at.items() if instant - at < self._seconds}
        # Where all are recent, looking at them each time would cost more than it saves.
        self._said_at, self._most = recent, max(MOST_REMEMBERED, 2 * len(recent))
