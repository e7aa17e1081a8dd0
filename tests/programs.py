"""Real programs for tests and benchmarks: simulator, web application, scheduler, each a process.

Every program runs in a process group of its own and is ended by the number it was started with.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from tests.architecture.source import ROOT

START_SECONDS = 60
STOP_SECONDS = 10
POLL_SECONDS = 0.1
HOST = "127.0.0.1"


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@dataclass
class Program:
    """One command that can be started, killed and started again."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    ready_url: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> Program:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *self.command],
                cwd=ROOT,
                env=_told(self.environment, self.log.parent),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    @property
    def pid(self) -> int:
        assert self.process is not None, "start it first"
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_ready(self) -> Program:
        """Return once `ready_url` answers 200; fail with the log when it never does."""
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if not self.is_alive or time.monotonic() > deadline:
                raise AssertionError(f"{self.command} is not ready:\n{self.tail()}")
            time.sleep(POLL_SECONDS)
        return self

    def answers(self) -> bool:
        """Whether `ready_url` answers 200 just now."""
        try:
            return requests.get(self.ready_url or "", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def workers(self) -> list[int]:
        """The processes this one started itself, such as gunicorn's workers or a courier."""
        if not self.is_alive:
            return []
        threads = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(pid) for children in threads for pid in children.read_text().split()]

    def kill(self) -> None:
        """End it and all it started, without a word of warning."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def stop(self) -> None:
        """Ask it to end, then insist."""
        if self.process is None:
            return
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        self.kill()

    def tail(self) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-80:])


def simulator(home: Path, port: int, *options: str) -> Program:
    """WeChat Pay's side."""
    return Program(
        ("partner.simulator", "--home", str(home), "--port", str(port), *options),
        {},
        home.with_suffix(".log"),
        f"http://{HOST}:{port}/_simulator/clock",
    )


def web(environment: Mapping[str, str], port: int, log: Path, *, workers: int) -> Program:
    """The web application as it runs in production."""
    serve = ("-w", str(workers), "--threads", "8", "--no-control-socket")
    return Program(
        ("gunicorn", *serve, "-b", f"{HOST}:{port}", "--log-level", "warning", "wsgi:app"),
        environment,
        log,
        f"http://{HOST}:{port}/readyz",
    )


def scheduler(environment: Mapping[str, str], log: Path) -> Program:
    """What triggers the jobs."""
    return Program(("flask", "--app", "wsgi", "scheduler"), environment, log)


def run_flask(environment: Mapping[str, str], *command: str) -> str:
    """One `flask` command to its end; what it printed."""
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "wsgi", *command],
            cwd=ROOT,
            env=_told(environment, Path(folder)),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _told(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment of one program; unless told, it counts in this folder and not in `var/`."""
    return {**os.environ, "METRICS_FOLDER": str(folder / "metrics"), **environment}


@contextmanager
def standing_still(pids: Iterable[int]) -> Iterator[None]:
    """Stop these processes for a while. A signal reaches one thread; until it has told the others,
    they go on, and may still take what comes."""
    pids = list(pids)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        for pid in pids:
            while any(_state(task) != "T" for task in Path(f"/proc/{pid}/task").iterdir()):
                time.sleep(POLL_SECONDS / 10)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]


def cpu_seconds(pids: list[int]) -> float:
    """User and system time these processes have used so far."""
    ticks = os.sysconf("SC_CLK_TCK")
    return sum(_ticks(pid) for pid in pids) / ticks


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
