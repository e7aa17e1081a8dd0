"""The courier where it lives: in a scheduler that is started, told to stop, and started again."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from config.commands import JOBS_NICENESS
from tests import programs
from tests.factories.webhooks import deliveries, make_endpoint, make_event

STOP_SECONDS = 20
START_SECONDS = 60

pytestmark = [pytest.mark.usefixtures("loopback"), pytest.mark.processes]


def test_a_scheduler_delivers_and_ends_cleanly_with_what_it_held_given_back(
    variables, database_url, sub_merchant, receivers, tmp_path
):
    environment = {
        **variables,
        "DATABASE_URL": database_url,
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/never"))
    make_event(sub_merchant=sub_merchant)
    scheduler = programs.scheduler(environment, tmp_path / "scheduler.log").start()

    receivers.wait_for(1, "/ok", START_SECONDS)
    receivers.wait_for(1, "/never", START_SECONDS)
    assert scheduler.process is not None
    scheduler.process.terminate()
    status = scheduler.process.wait(STOP_SECONDS)

    assert status == 0, scheduler.tail()
    assert [each.claim_token for each in deliveries()] == [None, None]
    assert sorted(each.state.value for each in deliveries()) == ["DELIVERED", "DUE"]


@pytest.mark.sqlite_only
def test_a_killed_courier_is_begun_again_ahead_of_jobs_and_none_outlives_its_scheduler(
    variables, database_url, sub_merchant, receivers, tmp_path
):
    environment = {
        **variables,
        "DATABASE_URL": database_url,
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)
    scheduler = programs.scheduler(environment, tmp_path / "scheduler.log").start()
    try:
        receivers.wait_for(1, "/ok", START_SECONDS)
        [first] = scheduler.workers()
        os.kill(first, signal.SIGKILL)
        make_event(sub_merchant=sub_merchant)
        receivers.wait_for(2, "/ok", START_SECONDS)
        [second] = scheduler.workers()
        niceness = [os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, second, scheduler.pid)]
        os.kill(scheduler.pid, signal.SIGKILL)
        has_ended = _ends(second)
    finally:
        scheduler.kill()

    assert second != first
    assert has_ended
    ours, couriers, jobs = niceness
    assert couriers == ours
    assert jobs == ours + JOBS_NICENESS


def _ends(pid: int) -> bool:
    """Whether it ends in time; one that nobody has asked for yet has ended too."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):
            if "State:\tZ" not in Path(f"/proc/{pid}/status").read_text():
                time.sleep(0.1)
                continue
        return True
    return False
