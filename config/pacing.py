"""Do something at most once in a while, within this process.

For what is only worth doing now and then, however often it is asked for: a line in the log, a note
in the database. What must hold across processes is decided in the database instead.
"""

from __future__ import annotations

import threading
import time
from datetime import timedelta


class OnceEvery:
    """Answers yes at most once in the interval for each key. Threads share it."""

    def __init__(self, interval: timedelta) -> None:
        self._seconds = interval.total_seconds()
        self._lock = threading.Lock()
        self._said_at: dict[str, float] = {}

    def is_due(self, key: str) -> bool:
        """Whether it is time again; saying yes starts the next interval."""
        with self._lock:
            instant = time.monotonic()
            before = self._said_at.get(key)
            if before is not None and instant - before < self._seconds:
                return False
            self._said_at[key] = instant
            return True
