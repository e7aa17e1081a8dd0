"""Jobs: one holder at a time, whatever dies, and a history one can read."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from apscheduler.triggers.interval import IntervalTrigger

from config.clock import frozen_at, now
from config.errors import NotFound
from config.scheduler import Job, get_job, latest_runs, run_job, start_scheduler
from tests.together import at_once


def job(run, name="tests.count", lease=timedelta(minutes=5)) -> Job:
    return Job(name, "counts", run, IntervalTrigger(seconds=5), lease)


def test_a_run_that_did_something_is_in_the_history(app):
    figures = run_job(job(lambda: {"done": 3}))

    assert figures == {"done": 3}
    (run,) = latest_runs()
    assert (run.job, run.result, run.figures) == ("tests.count", "done", '{"done": 3}')


def test_a_run_that_found_nothing_leaves_no_line(app):
    run_job(job(lambda: {"done": 0}))

    assert latest_runs() == []


def test_a_job_does_not_run_beside_itself(app):
    def run_it_again():
        return {"done": 2, "inner": str(run_job(job(lambda: {"done": 1})))}

    assert run_job(job(run_it_again)) == {"done": 2, "inner": "None"}


def test_a_killed_holder_keeps_the_job_only_until_its_lease_ends(app):
    class Killed(BaseException):
        pass

    def die():
        raise Killed

    with pytest.raises(Killed):
        run_job(job(die))
    during = run_job(job(lambda: {"done": 1}))

    with frozen_at(now() + timedelta(minutes=6)):
        after = run_job(job(lambda: {"done": 1}))

    assert (during, after) == (None, {"done": 1})


def test_a_job_that_fails_says_so_and_may_run_again(app):
    def fail():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_job(job(fail))

    assert latest_runs()[0].result == "failed"
    assert run_job(job(lambda: {"done": 1})) == {"done": 1}


def test_an_unknown_job_names_those_there_are(app):
    with pytest.raises(NotFound, match=r"orders\.sweep"):
        get_job(app, "orders.sweeep")


def test_schedulers_that_tick_at_the_same_moment_run_a_job_once(app):
    for number in range(5):
        turned_away = threading.Semaphore(0)
        tick = job(partial(_wait_for_others, turned_away), name=f"tests.{number}")

        runs = at_once(app, 6, partial(_tick, tick, turned_away))

        assert runs.count(None) == 5
        assert {"turned_away": 5} in runs


def _wait_for_others(turned_away):
    return {"turned_away": sum(turned_away.acquire(timeout=20) for _ in range(5))}


def _tick(tick, turned_away):
    outcome = run_job(tick)
    if outcome is None:
        turned_away.release()
    return outcome


def test_what_may_have_been_missed_is_done_soon_after_a_scheduler_starts(app):
    started = threading.Event()
    seldom = IntervalTrigger(hours=1)
    catching_up = Job("tests.missed", "catches up", dict, seldom, first_after=timedelta(0))
    waiting = Job("tests.waits", "waits for its hour", dict, seldom)
    begun = []

    def start(_app, job):
        begun.append(job.name)
        started.set()

    known = app.extensions["jobs"]
    app.extensions["jobs"] = {job.name: job for job in (waiting, catching_up)}
    try:
        running = start_scheduler(app, start)
        came = started.wait(10)
        running.shutdown(wait=True)
    finally:
        app.extensions["jobs"] = known

    assert came
    assert begun == ["tests.missed"]
