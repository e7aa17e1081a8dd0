"""The console's order list over a full table: server time of what an operator opens (G14)."""

from __future__ import annotations

import time

from flask import Flask

from tests.conftest import PlatformClient
from tests.factories.people import sign_in_operator

LISTS = ("/admin/orders", "/admin/orders?state=PAID", "/admin/orders?state=PENDING")
LOOKS = 30
WARM_UP = 3


def slowest_twentieth_ms(app: Flask) -> float:
    """The 95th percentile over every list, each opened again and again by one operator."""
    app.test_client_class = PlatformClient
    client = app.test_client()
    sign_in_operator(client)
    times = []
    for path in LISTS:
        for look in range(WARM_UP + LOOKS):
            started = time.perf_counter()
            answer = client.get(path)
            taken = time.perf_counter() - started
            if answer.status_code != 200:
                raise AssertionError(f"{path} answered {answer.status_code}")
            if look >= WARM_UP:
                times.append(taken * 1000)
    return sorted(times)[len(times) * 95 // 100]
