"""How many processes serve, and what becomes of a connection whose body nobody reads."""

import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from config.payloads import MAX_BODY_BYTES

CONFIGURATION = Path(__file__).parents[2] / "gunicorn.conf.py"
CORES = multiprocessing.cpu_count()


class Request:
    """A request as far as gunicorn has read it when it asks the configuration."""

    def __init__(self, *headers: tuple[str, str]) -> None:
        self.headers = list(headers)
        self.is_last = False

    def force_close(self) -> None:
        self.is_last = True


@pytest.mark.parametrize(
    ("url", "workers"),
    [
        ("sqlite:////var/lib/platform/platform.sqlite", 1),
        ("postgresql+psycopg://postgres@127.0.0.1/platform", CORES),
        ("mysql+pymysql://root@127.0.0.1/platform?charset=utf8mb4", CORES),
    ],
)
def test_every_core_serves_but_on_sqlite_one(variables, url, workers):
    program = f"import runpy; print(runpy.run_path({str(CONFIGURATION)!r})['workers'])"

    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **variables, "DATABASE_URL": url},
        cwd=CONFIGURATION.parent,
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout == f"{workers}\n"


@pytest.mark.parametrize(
    ("headers", "is_last"),
    [
        ([("CONTENT-LENGTH", str(MAX_BODY_BYTES + 1))], True),
        ([("CONTENT-LENGTH", str(MAX_BODY_BYTES))], False),
        ([("HOST", "127.0.0.1")], False),
    ],
)
def test_a_connection_ends_with_the_answer_to_a_body_that_is_not_read(headers, is_last):
    asked = runpy.run_path(str(CONFIGURATION))["pre_request"]
    request = Request(*headers)

    asked(None, request)

    assert request.is_last is is_last


def test_what_a_worker_holds_before_traffic_is_spared_by_the_garbage_collector(app):
    ready = runpy.run_path(str(CONFIGURATION))["post_worker_init"]

    try:
        ready(SimpleNamespace(wsgi=app))
        held = gc.get_freeze_count()
    finally:
        gc.unfreeze()

    assert held > 0
