"""One scrape of a web worker tells what every process here has counted, the courier's included."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from submerchants.tenants.models import SubMerchant
from tests import programs
from tests.factories.webhooks import make_endpoint, make_event
from tests.payments.webhooks.receivers import Receivers
from tests.programs import POLL_SECONDS, Program, free_port, standing_still

PATIENCE_SECONDS = 60
TURNED_AWAY = 'platform_notifications_total{verdict="unknown_provider"}'
DELIVERED = 'platform_webhook_tries_total{result="delivered"}'
LAGS = "platform_webhook_lag_seconds_count"

pytestmark = [pytest.mark.usefixtures("loopback"), pytest.mark.processes]


def scrape(web: Program) -> Mapping[str, float]:
    answer = requests.get((web.ready_url or "").replace("readyz", "metrics"), timeout=10)
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def turn_away(web: Program, times: int) -> None:
    for _ in range(times):
        address = (web.ready_url or "").replace("readyz", "notify/wechatpay/1900000000")
        assert requests.post(address, timeout=10).status_code == 404


def only(worker: int, web: Program, calls: int) -> None:
    """Let one worker alone take these calls; the other stands still meanwhile."""
    others = [pid for pid in web.workers() if pid != worker]
    with standing_still(others):
        turn_away(web, calls)


def wait_for_another(web: Program, killed: int) -> None:
    """Return once a new worker stands in for the one that was killed."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        workers = web.workers()
        if killed not in workers and len(workers) == 2:
            return
        time.sleep(POLL_SECONDS)
    raise AssertionError(web.tail())


def wait_for_count(web: Program, name: str) -> None:
    ends = time.monotonic() + PATIENCE_SECONDS
    while not scrape(web).get(name) and time.monotonic() < ends:
        time.sleep(POLL_SECONDS)


def test_a_scrape_of_any_worker_sums_all_processes_and_a_killed_one_loses_nothing(
    variables: dict[str, str],
    database_url: str,
    sub_merchant: SubMerchant,
    receivers: Receivers,
    tmp_path: Path,
) -> None:
    environment = {
        **variables,
        "DATABASE_URL": database_url,
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)
    web = programs.web(environment, free_port(), tmp_path / "web.log", workers=2)
    scheduler = programs.scheduler(environment, tmp_path / "scheduler.log")
    with ExitStack() as running:
        for program in (web, scheduler):
            running.callback(program.stop)
            program.start()
        web.wait_ready()
        first, second = web.workers()

        only(first, web, 3)
        only(second, web, 4)
        wait_for_count(web, DELIVERED)
        told = scrape(web)
        os.kill(first, signal.SIGKILL)
        scheduler.kill()
        wait_for_another(web, first)
        turn_away(web, 5)
        told_later = [scrape(web) for _ in range(8)]

    assert (told[TURNED_AWAY], told[DELIVERED], told[LAGS]) == (7, 1, 1)
    for each in told_later:
        assert (each[TURNED_AWAY], each[DELIVERED], each[LAGS]) == (12, 1, 1)
