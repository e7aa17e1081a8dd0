"""How fast one API key may go. Counted per tenant and key, in memory or, when set, in Redis.

The window slides, so nobody gets a double share around the turn of a minute. When Redis does not
answer, counting goes on in this process's memory: a limit is not worth a payment. The library
behind flask-limiter is used directly, because the extension counts before the caller is known and
adds its hooks to every address, WeChat Pay's notifications included.

`API_WRITES_A_MINUTE` and `API_READS_A_MINUTE` in the application's configuration change the
limits; 0 is no limit.
"""

from __future__ import annotations

import time
from functools import cache
from math import ceil

from flask import Flask, current_app, request
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import MemoryStorage, RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from config.errors import TooFast
from config.logs import get_logger
from submerchants.access import current_caller

log = get_logger(__name__)

WRITES_A_MINUTE = 600
READS_A_MINUTE = 1_200
LONGEST_WAIT_SECONDS = 60
_REDIS_PATIENCE_SECONDS = 0.25
_REDIS_REST_SECONDS = 5.0
_READING = frozenset({"GET", "HEAD", "OPTIONS"})

Store = MemoryStorage | RedisStorage


class RequestRate:
    """Counts requests, shared through Redis where there is one."""

    def __init__(self, redis_url: str | None) -> None:
        self._own = MemoryStorage()
        self._shared = _redis(redis_url) if redis_url else None
        self._shared_rests_until = 0.0

    def count(self, item: RateLimitItemPerMinute, *names: str) -> int:
        """Count one request; answers 0, or after how many seconds the next one has room."""
        if self._shared is not None and time.monotonic() >= self._shared_rests_until:
            try:
                return _counted(self._shared, item, names)
            except StorageError as error:
                self._shared_rests_until = time.monotonic() + _REDIS_REST_SECONDS
                log.error("rate limits are counted in memory", error=str(error.storage_error))
        return _counted(self._own, item, names)


def init_limits(app: Flask, redis_url: str | None) -> None:
    """Prepare the counters of this application; connects to nothing yet."""
    app.config.setdefault("API_WRITES_A_MINUTE", WRITES_A_MINUTE)
    app.config.setdefault("API_READS_A_MINUTE", READS_A_MINUTE)
    app.extensions["request_rate"] = RequestRate(redis_url)


def check_rate() -> None:
    """Before a tenant's request: count it. Raises TooFast with the seconds to wait."""
    kind = "reads" if request.method in _READING else "writes"
    allowed = current_app.config[f"API_{kind.upper()}_A_MINUTE"]
    if not allowed:
        return
    caller = current_caller()
    rate: RequestRate = current_app.extensions["request_rate"]
    wait = rate.count(_a_minute(allowed), kind, caller.sub_merchant.id, caller.api_key_id)
    if wait:
        raise TooFast(
            f"This API key makes more than {allowed} {kind} a minute. Slow down, then go on.",
            retry_after_seconds=wait,
            limit=allowed,
        )


@cache
def _a_minute(allowed: int) -> RateLimitItemPerMinute:
    return RateLimitItemPerMinute(allowed)


def _redis(url: str) -> RedisStorage:
    return RedisStorage(
        f"redis+{url}" if url.startswith("unix:") else url,
        wrap_exceptions=True,
        socket_timeout=_REDIS_PATIENCE_SECONDS,
        socket_connect_timeout=_REDIS_PATIENCE_SECONDS,
    )


def _counted(store: Store, item: RateLimitItemPerMinute, names: tuple[str, ...]) -> int:
    if SlidingWindowCounterRateLimiter(store).hit(item, *names):
        return 0
    return _wait(store, item, names)


def _wait(store: Store, item: RateLimitItemPerMinute, names: tuple[str, ...]) -> int:
    """The window weighs the minute before by what is left of this one; solve that for room."""
    window = item.get_expiry()
    before, _, within, ends_in = store.get_sliding_window(item.key_for(*names), window)
    turns_in = max(0.0, ends_in - window)
    if within >= item.amount or not before:
        wait = turns_in + window / item.amount
    else:
        too_many = before * turns_in / window + within + 1 - item.amount
        wait = too_many * window / before
    return min(max(1, ceil(wait)), LONGEST_WAIT_SECONDS)
