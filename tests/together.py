"""Several threads that do the same thing at the same moment, each in a context of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from flask import Flask

Result = TypeVar("Result")


def at_once(app: Flask, threads: int, work: Callable[[], Result]) -> list[Result]:
    """What each of them came to; raises what any of them raised."""
    start = threading.Barrier(threads)

    def one(_: int) -> Result:
        with app.app_context():
            start.wait()
            return work()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, range(threads)))
