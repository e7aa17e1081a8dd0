"""How fast one tenant may go, over all its keys. Counted in memory or, when set, in Redis.

The window slides, so nobody gets a double share around the turn of a minute. When Redis does not
answer, counting goes on in this process's memory: a limit is not worth a payment. In Redis the
library behind flask-limiter counts. The extension itself counts before the caller is known, adds
its hooks to every address, WeChat Pay's notifications included, and its counts in memory start a
thread for almost every request.

`API_WRITES_A_MINUTE`, `API_READS_A_MINUTE` and `API_DIAGNOSES_A_MINUTE` in the application's
configuration change the limits; 0 is no limit.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import cache
from math import ceil

from flask import Flask, current_app, request
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from config.errors import TooFast
from config.logs import get_logger
from submerchants.access import current_caller

log = get_logger(__name__)

WRITES_A_MINUTE = 6_000  # a fifth of what WeChat Pay takes from one merchant number
READS_A_MINUTE = 12_000
DIAGNOSES_A_MINUTE = 6
LONGEST_WAIT_SECONDS = 60
_WINDOW_SECONDS = 60
_MOST_WINDOWS = 20_000  # kept in memory before those that are over are dropped
_REDIS_PATIENCE_SECONDS = 0.25
_REDIS_REST_SECONDS = 5.0
_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class _Window:
    """One name's count: in this minute, and in the one before it."""

    number: int
    before: int = 0
    within: int = 0


class OwnCount:
    """Counts in this process's memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, ...], _Window] = {}

    def count(self, allowed: int, names: tuple[str, ...]) -> int:
        number, passed = divmod(time.monotonic(), _WINDOW_SECONDS)
        with self._lock:
            window = self._window(names, int(number))
            wait = seconds_until_room(
                allowed, window.before, window.within, _WINDOW_SECONDS - passed
            )
            if not wait:
                window.within += 1
        return wait

    def _window(self, names: tuple[str, ...], number: int) -> _Window:
        window = self._windows.get(names)
        if window is None:
            if len(self._windows) >= _MOST_WINDOWS:
                self._drop_what_is_over(number)
            window = self._windows[names] = _Window(number)
        elif window.number != number:
            window.before = window.within if window.number == number - 1 else 0
            window.within, window.number = 0, number
        return window

    def _drop_what_is_over(self, number: int) -> None:
        recent = {name: one for name, one in self._windows.items() if one.number >= number - 1}
        self._windows = recent


class SharedCount:
    """Counts in Redis, for all processes. Raises StorageError when it does not answer."""

    def __init__(self, url: str) -> None:
        self._storage = RedisStorage(
            f"redis+{url}" if url.startswith("unix:") else url,
            wrap_exceptions=True,
            socket_timeout=_REDIS_PATIENCE_SECONDS,
            socket_connect_timeout=_REDIS_PATIENCE_SECONDS,
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    def count(self, allowed: int, names: tuple[str, ...]) -> int:
        item = _a_minute(allowed)
        if self._limiter.hit(item, *names):
            return 0
        before, _, within, ends_in = self._storage.get_sliding_window(
            item.key_for(*names), _WINDOW_SECONDS
        )
        turns_in = max(0.0, ends_in - _WINDOW_SECONDS)
        return max(1, seconds_until_room(allowed, before, within, turns_in))


class RequestRate:
    """Counts requests, shared through Redis where there is one that answers."""

    def __init__(self, redis_url: str | None) -> None:
        self._own = OwnCount()
        self._shared = SharedCount(redis_url) if redis_url else None
        self._shared_rests_until = 0.0

    def count(self, allowed: int, *names: str) -> int:
        """Count one request; answers 0, or after how many seconds the next one has room."""
        if self._shared is not None and time.monotonic() >= self._shared_rests_until:
            try:
                return self._shared.count(allowed, names)
            except StorageError as error:
                self._shared_rests_until = time.monotonic() + _REDIS_REST_SECONDS
                log.error("rate limits are counted in memory", error=str(error.storage_error))
        return self._own.count(allowed, names)


def seconds_until_room(allowed: int, before: int, within: int, turns_in: float) -> int:
    """How long until one more fits, 0 when it fits now. Pure.

    The minute before counts by the share of it that the sliding window still covers; this one is
    over in `turns_in` seconds.
    """
    too_many = before * turns_in / _WINDOW_SECONDS + within + 1 - allowed
    if too_many <= 0:
        return 0
    if within >= allowed or not before:
        wait = turns_in + _WINDOW_SECONDS / allowed
    else:
        wait = too_many * _WINDOW_SECONDS / before
    return min(max(1, ceil(wait)), LONGEST_WAIT_SECONDS)


def init_limits(app: Flask, redis_url: str | None) -> None:
    """Prepare the counters of this application; connects to nothing yet."""
    app.config.setdefault("API_WRITES_A_MINUTE", WRITES_A_MINUTE)
    app.config.setdefault("API_READS_A_MINUTE", READS_A_MINUTE)
    app.config.setdefault("API_DIAGNOSES_A_MINUTE", DIAGNOSES_A_MINUTE)
    app.extensions["request_rate"] = RequestRate(redis_url)


def check_rate() -> None:
    """Before a tenant's request: count it. Raises TooFast with the seconds to wait."""
    kind = "reads" if request.method in _READING else "writes"
    _count(kind, current_caller().sub_merchant.id)


def check_diagnosis_rate(sub_merchant_id: str) -> None:
    """Before an examination, which calls WeChat Pay several times: count it, whoever asks for it.

    Raises TooFast.
    """
    _count("diagnoses", sub_merchant_id)


def _count(kind: str, sub_merchant_id: str) -> None:
    allowed = current_app.config[f"API_{kind.upper()}_A_MINUTE"]
    if not allowed:
        return
    rate: RequestRate = current_app.extensions["request_rate"]
    wait = rate.count(allowed, kind, sub_merchant_id)
    if wait:
        raise TooFast(
            f"This sub-merchant makes more than {allowed} {kind} a minute. Slow down, then go on.",
            retry_after_seconds=wait,
            limit=allowed,
        )


@cache
def _a_minute(allowed: int) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(allowed)
