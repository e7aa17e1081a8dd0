"""What several processes count together, whoever is asked, however they end."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.settings import VAR, Settings
from tests.architecture.source import ROOT

# A process that does what it is told, line by line, and answers what it would tell Prometheus.
COUNTING = """
import os, resource, signal, sys
from pathlib import Path
from prometheus_client.parser import text_string_to_metric_families
from config import metrics
from config.logs import configure_logs

configure_logs()
calls = metrics.counter("calls_total", "Calls.", "result")
starts = metrics.counter("starts_total", "Starts.")
wait = metrics.seconds("wait", "Waits.")
level = metrics.gauge("level", "A level.")
starts.inc()

def told():
    return {
        sample.name + "".join(sample.labels.values()): sample.value
        for metric in text_string_to_metric_families(metrics.metrics().get_data(as_text=True))
        for sample in metric.samples
    }

def fork_and_count():
    child = os.fork()
    if child == 0:
        calls.labels("ok").inc()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)

for line in sys.stdin:
    print(eval(line), flush=True)
"""


class Counting:
    """One such process."""

    def __init__(self, folder: Path | None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COUNTING],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if folder is not None:
            self.do(f"metrics.count_together(Path({str(folder)!r}))")

    def do(self, what: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline()

    def told(self, name: str) -> float | None:
        """What a scrape of this process says of one number."""
        found: dict[str, float] = eval(self.do("told()"))
        return found.get(f"platform_{name}")

    def kill(self) -> str:
        """End it at once; what it had said on standard error."""
        self.process.kill()
        return self.process.communicate()[1]


Start = Callable[..., Counting]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a process that counts, in a folder of this test's unless told otherwise."""
    started = []

    def begin(folder: Path | None = tmp_path / "counts") -> Counting:
        started.append(Counting(folder))
        return started[-1]

    yield begin
    for one in started:
        if one.process.returncode is None:
            one.kill()


def test_whoever_is_asked_answers_for_all(start: Start) -> None:
    first, second = start(), start()

    first.do("calls.labels('ok').inc(2)")
    second.do("calls.labels('ok').inc(3)")
    second.do("wait.observe(0.02)")
    first.do("wait.observe(7)")

    for asked in (first, second):
        assert asked.told("calls_totalok") == 5
        assert asked.told("starts_total") == 2
        assert asked.told("wait_seconds_count") == 2
        assert asked.told("wait_seconds_sum") == 7.02
        assert asked.told("wait_seconds_bucket0.025") == 1


def test_what_a_killed_process_counted_stays_and_is_counted_on(
    start: Start, tmp_path: Path
) -> None:
    asked, doomed = start(), start()
    doomed.do("calls.labels('ok').inc(4)")
    doomed.kill()
    left = asked.told("calls_totalok")
    files = sorted(path.name for path in (tmp_path / "counts").iterdir())

    for _ in range(3):
        next_one = start()
        next_one.do("calls.labels('ok').inc()")
        next_one.kill()

    assert (left, asked.told("calls_totalok")) == (4, 7)
    assert sorted(path.name for path in (tmp_path / "counts").iterdir()) == files


def test_a_forked_process_counts_apart_from_its_parent(start: Start) -> None:
    parent = start()
    parent.do("calls.labels('ok').inc()")

    parent.do("fork_and_count()")
    parent.do("calls.labels('ok').inc()")

    assert parent.told("calls_totalok") == 3
    assert parent.told("starts_total") == 1


def test_a_gauge_reads_as_it_was_set_last_and_outlives_who_set_it(start: Start) -> None:
    first, second = start(), start()

    second.do("level.set(9)")
    first.do("level.set(2)")
    first.kill()

    assert second.told("level") == 2
    assert start().told("level") == 2


def test_a_damaged_file_costs_its_own_counts_and_no_others(start: Start, tmp_path: Path) -> None:
    first, second = start(), start()
    first.do("calls.labels('ok').inc(4)")
    second.do("calls.labels('ok').inc(5)")
    first.kill()
    counts = tmp_path / "counts" / "counter_0.db"
    with counts.open("r+b") as file:
        file.seek(8)
        file.write(bytes(64))

    before = second.told("calls_totalok")
    start().do("calls.labels('ok').inc()")

    assert (before, second.told("calls_totalok")) == (5, 6)


def test_only_the_owner_reads_them(start: Start, tmp_path: Path) -> None:
    start()

    folder = tmp_path / "counts"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_without_a_folder_a_process_answers_for_itself(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told_nothing, cannot = start(None), start(tmp_path / "file" / "counts")

    for alone in (told_nothing, cannot):
        alone.do("calls.labels('ok').inc()")
        assert alone.told("calls_totalok") == 1
        assert alone.told("starts_total") == 1
    assert "counts alone" in cannot.kill()


def test_a_full_disk_leaves_a_process_to_count_alone(start: Start, tmp_path: Path) -> None:
    squeezed = start(None)

    squeezed.do("resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))")
    squeezed.do(f"metrics.count_together(Path({str(tmp_path / 'counts')!r}))")
    squeezed.do("calls.labels('ok').inc()")

    assert squeezed.told("calls_totalok") == 1
    assert "counts alone" in squeezed.kill()


def test_two_installations_on_one_host_count_apart(variables: dict[str, str]) -> None:
    def folder(**changes: str) -> Path:
        return Settings.from_values({**variables, **changes}).counts_folder

    one = folder(DATABASE_URL="postgresql+psycopg://a:secret@127.0.0.1/one")

    assert one.parent == VAR
    assert one == folder(DATABASE_URL="postgresql+psycopg://a:changed@127.0.0.1/one")
    assert one != folder(DATABASE_URL="postgresql+psycopg://a:secret@127.0.0.1/two")
    assert folder(METRICS_FOLDER="/run/platform") == Path("/run/platform")
    assert os.path.isabs(folder(METRICS_FOLDER=""))
