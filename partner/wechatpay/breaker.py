"""A circuit breaker per endpoint: after enough unknown outcomes in a row, stop asking for a while.

Our own forty lines, because the library at hand holds a lock while the call runs, which would let
only one thread at a time talk to WeChat Pay. Here the lock covers the counting and nothing else.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

OPENS_AFTER: Final = 5
STAYS_OPEN_S: Final = 10.0


class CircuitBreaker:
    """Shared by all threads. Closed until `opens_after` failures in a row, then open.

    While open, one call is let through every `stays_open_s` to see whether the other side is back;
    its success closes the circuit. A probe that never reports back cannot jam it: the next one is
    due all the same.
    """

    def __init__(
        self,
        opens_after: int = OPENS_AFTER,
        stays_open_s: float = STAYS_OPEN_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._opens_after = opens_after
        self._stays_open_s = stays_open_s
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._failures = 0
        self._next_probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are being kept at home."""
        return self._failures >= self._opens_after

    def lets_through(self) -> bool:
        """Whether this call may go out; while open, True makes it the probe."""
        with self._lock:
            if not self.is_open:
                return True
            now = self._monotonic()
            if now < self._next_probe_at:
                return False
            self._next_probe_at = now + self._stays_open_s
            return True

    def succeeded(self) -> None:
        """The other side answered, be it yes or no."""
        with self._lock:
            self._failures = 0

    def failed(self) -> None:
        """The outcome stayed unknown."""
        with self._lock:
            self._failures += 1
            if self.is_open:
                self._next_probe_at = self._monotonic() + self._stays_open_s
