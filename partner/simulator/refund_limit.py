"""The published limits on refund requests of one provider: in all, and of those that fail.

Off unless a lever turns it on: tests and load runs go faster than any merchant may.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from partner.simulator import refund_refusals as no
from partner.simulator.refusals import Refusal

WINDOW_S: Final = 1.0
MAX_REQUESTS: Final = 150
MAX_FAILING: Final = 6


class RefundLimit:
    """Counts real seconds, each provider for itself."""

    def __init__(self, wire_time: Callable[[], float]) -> None:
        self.enforced = False
        self._wire_time = wire_time
        self._lock = threading.Lock()
        self._requests: dict[str, deque[float]] = defaultdict(deque)
        self._failing: dict[str, deque[float]] = defaultdict(deque)

    @contextmanager
    def counted(self, sp_mchid: str) -> Iterator[None]:
        """Around one refund request; FREQUENCY_LIMITED when there were too many."""
        if not self.enforced:
            yield
            return
        now = self._wire_time()
        with self._lock:
            requests, failing = self._requests[sp_mchid], self._failing[sp_mchid]
            for times in (requests, failing):
                while times and times[0] <= now - WINDOW_S:
                    times.popleft()
            if len(requests) >= MAX_REQUESTS or len(failing) >= MAX_FAILING:
                raise no.too_fast()
            requests.append(now)
        try:
            yield
        except Refusal:
            with self._lock:
                failing.append(now)
            raise
