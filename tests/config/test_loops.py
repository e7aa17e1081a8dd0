"""Loops run until they are told to stop, and begin again when they fail."""

from __future__ import annotations

import threading
import time

import pytest

from config.loops import BEGIN_AGAIN_SECONDS, Loop, init_loops, start_loops

pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def quiet_app(app):
    usual = app.extensions["loops"]
    yield app
    app.extensions["loops"] = usual


def test_a_loop_runs_until_it_is_told_to_stop(quiet_app):
    seen: list[str] = []

    def run(app, stopped: threading.Event) -> None:
        seen.append(app.name)
        stopped.wait()
        seen.append("ended")

    init_loops(quiet_app, [Loop("test", "A test.", run, queue="webhooks")])

    running = start_loops(quiet_app)
    running.stop()

    assert seen == [quiet_app.name, "ended"]


def test_only_the_loops_of_the_named_queues_run(quiet_app):
    seen: list[str] = []

    def loop(name: str) -> Loop:
        def run(_app, stopped: threading.Event) -> None:
            seen.append(name)
            stopped.wait()

        return Loop(name, "A test.", run, queue=name)

    init_loops(quiet_app, [loop("webhooks"), loop("bills")])

    start_loops(quiet_app, ["bills"]).stop()
    start_loops(quiet_app, ()).stop()

    assert seen == ["bills"]


def test_a_loop_that_fails_is_begun_again(quiet_app):
    again = threading.Event()
    tries: list[float] = []

    def run(_app, stopped: threading.Event) -> None:
        tries.append(time.monotonic())
        if len(tries) == 1:
            raise RuntimeError("the first time")
        again.set()
        stopped.wait()

    init_loops(quiet_app, [Loop("test", "A test.", run, queue="webhooks")])

    running = start_loops(quiet_app)
    begun_again = again.wait(BEGIN_AGAIN_SECONDS + 5)
    running.stop()

    assert begun_again
    assert len(tries) == 2
