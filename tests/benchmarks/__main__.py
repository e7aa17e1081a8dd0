"""`make bench`: run everything and print a table of goals.

QUICK=1 makes it short and the figures rough. What counts are ratios within one run: the programs
take turns, and the middle of several rounds is kept.
"""

from __future__ import annotations

import json
import os
import ssl
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import flask_migrate

import wsgi
from config.clock import now
from config.database import db
from config.settings import Settings
from submerchants.tenants.queries import get_sub_merchant, partner_of
from tests.benchmarks import reconciliation, webhooks
from tests.benchmarks.console import slowest_twentieth_ms
from tests.benchmarks.contenders import (
    THREADS,
    WORKERS,
    Contender,
    Run,
    load,
    make_tables,
    serving,
)
from tests.benchmarks.notifications import Town, order_requests
from tests.benchmarks.stage import Stage, set_stage
from tests.factories.partner import make_partner_of
from tests.factories.submerchants import bearer, make_api_key, make_sub_merchant
from tests.programs import Program, free_port
from tests.servers import POSTGRESQL, make_database

QUICK = os.environ.get("QUICK", "") not in ("", "0")
ROUNDS = 3 if QUICK else 5
REQUESTS = 400 if QUICK else 1_500
WARM_UP = 100
EVENTS = 2_000 if QUICK else 10_000
SMALL, LARGE = 10_000, (100_000 if QUICK else 1_000_000)

Runs = dict[str, list[Run]]


@dataclass(frozen=True)
class Goal:
    """One line of the table: what was reached, and what should be."""

    name: str
    path: str
    value: float
    reach: float
    at_least: bool = False
    unit: str = "×"

    def __str__(self) -> str:
        reached = self.value >= self.reach if self.at_least else self.value <= self.reach
        sign = "≥" if self.at_least else "≤"
        return (
            f"  {self.name:<4} {self.path:<58} {self.value:8.2f}{self.unit}"
            f"   {sign} {self.reach:g}{self.unit}   {'yes' if reached else 'NO'}"
        )


def say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def _staged(folder: Path) -> Iterator[tuple[Stage, Town, list[Contender]]]:
    database = make_database("postgresql", folder)
    if database is None:
        raise SystemExit(POSTGRESQL.missing)
    stage = set_stage(folder, database.url, free_port())
    app = wsgi.create_app(Settings.from_values(stage.variables))
    with ExitStack() as ending, app.app_context():
        ending.callback(database.drop)
        flask_migrate.upgrade()
        partner = make_partner_of(stage)
        sub = stage.facts["sub_merchants"][0]
        sub_merchant = make_sub_merchant(partner=partner, **sub)
        key = make_api_key(sub_merchant)
        make_tables(stage)
        ours = f"/notify/wechatpay/{partner.sp_mchid}"
        contenders = [
            Contender("floor", "tests.benchmarks.floor", "/notify", "/orders", {}),
            Contender("ours", "tests.benchmarks.subject", ours, "/api/v1/orders", bearer(key)),
            Contender("peer", "tests.benchmarks.peer", "/notify", "/orders", {}),
        ]
        yield stage, Town(stage, app, partner, sub_merchant), contenders
        db.engine.dispose()


def _take_turns(
    contenders: list[Contender],
    programs: dict[str, Program],
    stage: Stage,
    requests: Callable[[Contender, int], list[bytes]],
    expected: Callable[[Contender], int],
) -> Runs:
    runs: Runs = {contender.name: [] for contender in contenders}
    for number in range(ROUNDS + 1):
        for contender in contenders:
            count = REQUESTS if number else WARM_UP
            done = load(
                programs[contender.name], stage, requests(contender, count), expected(contender)
            )
            if number:
                runs[contender.name].append(done)
    return runs


def _ratio(runs: Runs, one: str, other: str, figure: Callable[[Run], float]) -> float:
    pairs = zip(runs[one], runs[other], strict=True)
    return statistics.median(figure(a) / figure(b) for a, b in pairs)


def _show(title: str, runs: Runs) -> None:
    say(f"\n  {title}: CPU ms each, per second, p50 ms, p99 ms (middle of {ROUNDS} rounds)")
    for name, done in runs.items():
        figures = (
            statistics.median(run.cpu_ms for run in done),
            statistics.median(run.per_second for run in done),
            statistics.median(run.p50_ms for run in done),
            statistics.median(run.p99_ms for run in done),
        )
        say(f"    {name:<6}" + "".join(f"{figure:>10.2f}" for figure in figures))


def _notifications(
    stage: Stage, town: Town, contenders: list[Contender], programs: dict[str, Program]
) -> list[Goal]:
    runs = _take_turns(contenders, programs, stage, town.notifications, lambda _: 204)
    _show("Notifications", runs)
    return [
        Goal("G1", "notification, CPU, to the floor", _ratio(runs, "ours", "floor", _cpu), 1.6),
        Goal(
            "G2",
            "notifications a second, to the peer",
            _ratio(runs, "ours", "peer", _rate),
            2.2,
            at_least=True,
        ),
        Goal(
            "G3",
            "notification p99 at 16 connections, to the floor",
            _ratio(runs, "ours", "floor", _p99),
            1.5,
        ),
    ]


def _orders(stage: Stage, contenders: list[Contender], programs: dict[str, Program]) -> list[Goal]:
    runs = _take_turns(
        contenders, programs, stage, order_requests, lambda c: 201 if c.name == "ours" else 200
    )
    _show("Orders", runs)
    before = _connections(stage)
    ours = next(contender for contender in contenders if contender.name == "ours")
    load(programs["ours"], stage, order_requests(ours, 1_000), 201)
    opened = _connections(stage) - before
    return [
        Goal(
            "G4", "order, CPU, TLS upstream, to the floor", _ratio(runs, "ours", "floor", _cpu), 1.4
        ),
        Goal(
            "G5",
            "orders a second, to the peer",
            _ratio(runs, "ours", "peer", _rate),
            2.5,
            at_least=True,
        ),
        Goal(
            "G11",
            "new upstream connections in 1,000 warm orders",
            opened,
            WORKERS * THREADS,
            unit=" ",
        ),
    ]


def _growth(stage: Stage, town: Town, ours: Contender, program: Program) -> list[Goal]:
    costs = []
    for rows in (SMALL, LARGE):
        town.grow(rows)
        load(program, stage, town.notifications(ours, WARM_UP), 204)
        runs = [
            load(program, stage, town.notifications(ours, REQUESTS), 204) for _ in range(ROUNDS)
        ]
        costs.append(statistics.median(run.p50_ms for run in runs))
    return [
        Goal(
            "G9",
            f"notification, {SMALL:,} to {LARGE:,} orders in the table",
            costs[1] / costs[0],
            1.2,
        ),
        Goal(
            "G14",
            f"console order lists over {LARGE:,} orders, p95",
            slowest_twentieth_ms(town.app),
            100,
            unit=" ms",
        ),
    ]


def _webhooks(stage: Stage, town: Town, ours: Contender, program: Program) -> list[Goal]:
    sub_merchant = get_sub_merchant(stage.facts["sub_merchants"][0]["sub_mchid"])
    with webhooks.carrying(town.app, stage.variables, stage.folder) as url:
        webhooks.listen(sub_merchant, url)
        since = now()
        load(program, stage, town.notifications(ours, WARM_UP), 204)
        webhooks.notified(sub_merchant, url, since, 1.0)
        since, started = now(), time.monotonic()
        for _ in range(ROUNDS):
            load(program, stage, town.notifications(ours, REQUESTS), 204)
        told = webhooks.notified(sub_merchant, url, since, time.monotonic() - started)
    say(f"\n  Webhooks of notifications: {told}")
    partner = partner_of(sub_merchant)
    company = webhooks.bad_company(town.app, partner, stage.variables, stage.folder, EVENTS)
    say(f"  Webhooks in bad company: {company}")
    return [
        Goal("G13", "webhook: commit to first byte under load, p99", told.at(99), 1, unit=" s"),
        Goal("", "the same in bad company, p99", company.at(99), 5, unit=" s"),
    ]


def _connections(stage: Stage) -> int:
    context = ssl.create_default_context(cafile=str(stage.authority))
    with urllib.request.urlopen(f"{stage.upstream_url}/count", context=context) as answer:
        return int(json.load(answer)["connections"])


def _cpu(run: Run) -> float:
    return run.cpu_ms


def _rate(run: Run) -> float:
    return run.per_second


def _p99(run: Run) -> float:
    return run.p99_ms


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as running:
        stage, town, contenders = running.enter_context(_staged(Path(folder)))
        port = stage.upstream_url.rsplit(":", 1)[1]
        upstream = Program(
            ("tests.benchmarks.upstream", folder, port), {}, Path(folder) / "upstream.log"
        ).start()
        running.callback(upstream.stop)
        programs = {
            contender.name: running.enter_context(serving(contender, stage))
            for contender in contenders
        }
        say("The programs take turns on PostgreSQL, two workers of eight threads each.")
        goals = _notifications(stage, town, contenders, programs)
        goals += _webhooks(stage, town, contenders[1], programs["ours"])
        goals += _orders(stage, contenders, programs)
        goals += _growth(stage, town, contenders[1], programs["ours"])
    say("\n  goal what                                                       measured   reach")
    for goal in goals:
        say(str(goal))
    say()
    return reconciliation.main(quick=QUICK)


if __name__ == "__main__":
    raise SystemExit(main())
