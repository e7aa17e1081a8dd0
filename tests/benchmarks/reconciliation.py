"""G6, G7 and G8: a bill day against the least it can cost, and its memory against itself.

`python -m tests.benchmarks.reconciliation [--quick]`. Every run is a process of its own; floor and
ours take turns on the same tables, and the middle ratio of the rounds is shown. "Reconcile" starts
where a bill has been fetched and divided; what fetching and dividing cost is shown beside it,
because a bill is read once there and never again.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import flask_migrate

import wsgi
from config.database import db
from config.settings import Settings
from tests.benchmarks.bill_days import make_day
from tests.servers import POSTGRESQL, make_database

ROUNDS = 3
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    staged_rows: int
    small_rows: int
    large_rows: int
    tenants: int
    rows_a_tenant: int = 100


FULL = Sizes(staged_rows=1_000_000, small_rows=200_000, large_rows=4_000_000, tenants=10_000)
QUICK = Sizes(staged_rows=50_000, small_rows=20_000, large_rows=200_000, tenants=500)


@dataclass(frozen=True)
class Told:
    """What a run said of itself."""

    seconds: float
    cpu: float
    peak_mb: float
    answer: int


@dataclass(frozen=True)
class Goal:
    """One line of the table."""

    name: str
    path: str
    value: float
    reach: float
    unit: str = "×"


@dataclass(frozen=True)
class Measured:
    """Floor and ours on one day."""

    ratio: float
    floor: Told
    ours: Told
    fetch: Told


def main(*, quick: bool) -> int:
    """Measure and print; 1 when a goal is missed in a full run."""
    sizes = QUICK if quick else FULL
    goals = [*_on_postgresql(sizes), *_on_sqlite(sizes)]
    reached = [goal.value <= goal.reach for goal in goals]
    _say("\n  Reconciling                                                     measured   reach")
    for goal, is_reached in zip(goals, reached, strict=True):
        _say(
            f"  {goal.name:<4} {goal.path:<58} {goal.value:8.2f}{goal.unit}"
            f"   ≤ {goal.reach:g}{goal.unit}   {'yes' if is_reached else 'NO'}"
        )
    return 0 if quick or all(reached) else 1


def _on_postgresql(sizes: Sizes) -> list[Goal]:
    with tempfile.TemporaryDirectory() as name, _database("postgresql", name) as variables:
        folder, rows = Path(name), sizes.staged_rows
        staged = _against_floor(folder, variables, rows, 1, "staged_in_postgresql")
        _say(_details("one tenant, PostgreSQL", staged))
        everybody = sizes.tenants * sizes.rows_a_tenant
        many = _against_floor(folder, variables, everybody, sizes.tenants, "split_into_dicts")
        _say(_details("many tenants, PostgreSQL", many))
        small = _peak(folder, variables, sizes.small_rows)
        large = _peak(folder, variables, sizes.large_rows)
    return [
        Goal("G6", f"{rows:,} rows, PostgreSQL, to the floor", staged.ratio, 1.4),
        Goal("G7", f"peak memory, {sizes.large_rows:,} rows", large, 120, " MB"),
        Goal("G7", f"its growth from {sizes.small_rows:,} rows", large / small, 1.1),
        Goal("G8", f"{sizes.tenants:,} tenants of {sizes.rows_a_tenant} rows", many.ratio, 1.5),
    ]


def _on_sqlite(sizes: Sizes) -> list[Goal]:
    with tempfile.TemporaryDirectory() as name, _database("sqlite", name) as variables:
        rows = sizes.staged_rows
        staged = _against_floor(Path(name), variables, rows, 1, "staged_in_sqlite")
        _say(_details("one tenant, SQLite", staged))
    return [Goal("G6", f"{rows:,} rows, SQLite, to the floor", staged.ratio, 1.4)]


def _details(title: str, one: Measured) -> str:
    both = one.fetch.seconds + one.ours.seconds
    return (
        f"       {title}: floor {one.floor.seconds:.2f} s ({one.floor.peak_mb:.0f} MB),"
        f" reconcile {one.ours.seconds:.2f} s ({one.ours.peak_mb:.0f} MB);"
        f" before it download, keep, check and divide {one.fetch.seconds:.2f} s"
        f" ({one.fetch.peak_mb:.0f} MB), together {both / one.floor.seconds:.2f}× the floor;"
        f" {one.ours.answer} differences"
    )


def _against_floor(
    folder: Path, variables: dict[str, str], rows: int, tenants: int, floor: str
) -> Measured:
    path = _day(folder, variables, rows, tenants)
    fetched = _run("fetch", path)
    floors, ours = [], []
    for _ in range(ROUNDS):
        floors.append(_run(floor, path))
        ours.append(_run("reconcile", path))
        if floors[-1].answer != ours[-1].answer:
            raise SystemExit(f"floor found {floors[-1].answer}, ours {ours[-1].answer}")
    pairs = list(zip(ours, floors, strict=True))
    ratio = statistics.median(one.seconds / other.seconds for one, other in pairs)
    return Measured(ratio, _middle(floors), _middle(ours), fetched)


def _peak(folder: Path, variables: dict[str, str], rows: int) -> float:
    """The most memory a process held, fetching or comparing a day of one tenant."""
    path = _day(folder, variables, rows, 1)
    fetched, compared = _run("fetch", path), _run("reconcile", path)
    _say(f"       fetch {fetched.peak_mb:.0f} MB, reconcile {compared.peak_mb:.0f} MB")
    return max(fetched.peak_mb, compared.peak_mb)


def _day(folder: Path, variables: dict[str, str], rows: int, tenants: int) -> Path:
    app = wsgi.create_app(Settings.from_values(variables))
    with app.app_context():
        day = make_day(folder, variables["DATABASE_URL"], variables, rows=rows, tenants=tenants)
        db.session.remove()
        db.engine.dispose()
    _say(f"  a day of {day.rows:,} rows and {day.tenants:,} tenants is ready")
    return day.write(folder / f"{day.sp_mchid}.json")


def _run(what: str, day: Path) -> Told:
    arguments = [sys.executable, "-m", "tests.benchmarks.bill_runs", what, str(day)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode()[-2_000:])
    told = json.loads(done.stdout)
    return Told(**told)


def _middle(runs: list[Told]) -> Told:
    return sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]


@contextmanager
def _database(engine: str, folder: str) -> Iterator[dict[str, str]]:
    database = make_database(engine, Path(folder))
    if database is None:
        raise SystemExit(POSTGRESQL.missing)
    variables = {
        "DATABASE_URL": database.url,
        "MASTER_KEYS": f"bench:{base64.b64encode(os.urandom(32)).decode()}",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_BASE_URL": "https://pay.example.test",
    }
    try:
        app = wsgi.create_app(Settings.from_values(variables))
        with app.app_context():
            flask_migrate.upgrade()
            db.engine.dispose()
        yield variables
    finally:
        database.drop()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(quick="--quick" in sys.argv))
