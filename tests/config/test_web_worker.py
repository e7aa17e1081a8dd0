"""The web server's worker, as a process behind a port, with an application that only waits."""

import http.client
import os
import select
import socket
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from config.web_worker import AT_ONCE
from tests.programs import HOST, POLL_SECONDS, Program, free_port, standing_still

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not hasattr(select, "epoll"), reason="elsewhere gunicorn's own serves"),
]

THREADS = 8
PATIENCE = 20
FOLDER = "WAITING_FOLDER"

_count = threading.Lock()
_under_way = 0


def app(environ, start_response):
    """Wait as the path says; the answer is how many requests were under way at its beginning."""
    global _under_way
    what, _, value = environ["PATH_INFO"][1:].partition("/")
    with _count:
        _under_way += 1
        at_once = _under_way
    if what == "sleep":
        time.sleep(float(value))
    elif what == "until":
        folder = Path(os.environ[FOLDER])
        (folder / f"{value}.begun").touch()
        wait_until((folder / "told").exists)
    elif what == "exit":
        raise SystemExit
    with _count:
        _under_way -= 1
    start_response("200 OK", [("Content-Length", str(len(str(at_once))))])
    return [str(at_once).encode()]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, holds
        time.sleep(POLL_SECONDS)


@pytest.fixture
def serve(tmp_path):
    """Start one worker with these further options; ends it afterwards."""
    with ExitStack() as ending:

        def start(*options):
            port = free_port()
            command = (
                *("gunicorn", "-c", os.devnull, "--no-control-socket", "--log-level", "warning"),
                *("-k", "config.web_worker.TurnsWorker", "-w", "1", "--threads", str(THREADS)),
                *("-b", f"{HOST}:{port}", *options, "tests.config.test_web_worker:app"),
            )
            environment = {FOLDER: str(tmp_path)}
            ready = f"http://{HOST}:{port}/"
            program = Program(command, environment, tmp_path / "web.log", ready)
            ending.callback(program.stop)
            return program.start().wait_ready(), port

        yield start


def connect(port, seconds=PATIENCE):
    return closing(http.client.HTTPConnection(HOST, port, timeout=seconds))


def ask(connection, path="/"):
    """One request on a kept connection: how many were under way."""
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200
    return int(answer.read())


def ask_all(port, path, requests, connections):
    """Requests in a row on each of so many connections at once."""

    def call(_):
        with connect(port) as connection:
            return [ask(connection, path) for _ in range(requests)]

    with ThreadPoolExecutor(connections) as callers:
        return [answer for each in callers.map(call, range(connections)) for answer in each]


def test_few_requests_compute_at_once_and_every_connection_has_its_turn(serve):
    _, port = serve()

    answers = ask_all(port, "/sleep/0.002", 20, 3 * THREADS)

    assert len(answers) == 20 * 3 * THREADS
    assert statistics.median(answers) <= AT_ONCE


def test_those_that_wait_for_somebody_else_hold_nobody_up(serve, tmp_path):
    _, port = serve()

    with ExitStack() as open_, ThreadPoolExecutor(THREADS) as callers:
        first, *others = [open_.enter_context(connect(port)) for _ in range(THREADS)]
        waiting = [callers.submit(ask, other, f"/until/{n}") for n, other in enumerate(others)]
        wait_until(lambda: len(list(tmp_path.glob("*.begun"))) == len(others))
        under_way = ask(first)
        (tmp_path / "told").touch()

        assert under_way == THREADS
        assert all(each.result() for each in waiting)


def test_turns_come_back_after_slow_requests(serve):
    _, port = serve()

    ask_all(port, "/sleep/0.1", 4, 2 * THREADS)

    assert statistics.median(ask_all(port, "/sleep/0.002", 20, 2 * THREADS)) <= AT_ONCE


def test_connections_that_say_nothing_occupy_no_thread(serve):
    _, port = serve()

    with ExitStack() as open_:
        for _ in range(4 * THREADS):
            open_.enter_context(closing(socket.create_connection((HOST, port), PATIENCE)))
        assert ask_all(port, "/", 1, 1) == [1]


def test_a_worker_that_stands_still_keeps_no_connection_from_the_other(serve):
    program, port = serve("-w", "2")

    for worker in program.workers():
        with standing_still([worker]):
            assert [ask_all(port, "/", 1, 1) for _ in range(10)] == [[1]] * 10


def test_requests_that_come_together_are_each_answered(serve):
    _, port = serve()
    request = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()

    with socket.create_connection((HOST, port), PATIENCE) as line:
        line.sendall(3 * request)
        received = b""
        while received.count(b"HTTP/1.1 200") < 3:
            received += line.recv(65536) or pytest.fail("the connection ended early")


def test_a_connection_is_kept_for_its_time_and_no_longer(serve):
    _, port = serve("--keep-alive", "1")

    with connect(port) as connection:
        ask(connection)
        line = connection.sock
        ask(connection)
        assert connection.sock is line
        assert line.recv(1) == b""


def test_what_is_under_way_is_answered_before_the_worker_ends(serve, tmp_path):
    program, port = serve()

    with connect(port) as connection, connect(port) as idle, ThreadPoolExecutor(1) as caller:
        ask(idle)
        waiting = caller.submit(ask, connection, "/until/it")
        wait_until((tmp_path / "it.begun").exists)
        program.process.terminate()
        time.sleep(POLL_SECONDS)
        (tmp_path / "told").touch()
        assert waiting.result() == 1

    assert program.process.wait(PATIENCE) == 0


def test_connections_over_the_limit_wait_until_one_ends(serve):
    _, port = serve("--worker-connections", str(THREADS + 2))

    def is_turned_away() -> bool:
        with connect(port, 0.5) as one_more:
            try:
                ask(one_more)
            except TimeoutError:
                return True
        return False

    with ExitStack() as open_:
        for _ in range(THREADS + 2):
            open_.enter_context(closing(socket.create_connection((HOST, port), PATIENCE)))
        wait_until(is_turned_away)
    assert ask_all(port, "/", 1, 1) == [1]


def test_a_request_that_would_end_its_thread_does_not(serve):
    _, port = serve()

    for _ in range(2 * THREADS):
        with connect(port) as connection, pytest.raises((http.client.HTTPException, OSError)):
            ask(connection, "/exit")
    assert ask_all(port, "/", 1, 1)
