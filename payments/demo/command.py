"""`flask demo load`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Final, cast

import click
from flask import Flask, current_app
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import track
from sqlalchemy import select

from config import clock
from config.clock import BEIJING
from config.commands import emit, json_option
from config.database import db, release
from partner.models import Partner
from payments.bills.day import fetch_day
from payments.demo.cast import Cast, assemble
from payments.demo.ear import hearing
from payments.demo.levers import Levers
from payments.demo.trade import trade
from payments.reconciliation.run import reconcile_day

DAYS: Final = 3  # back from yesterday
SALES_A_DAY: Final = 20
ODD_DAY: Final = 2  # so many days ago, the bill holds a payment that never happened
BILLS_AT: Final = time(10, 30)  # WeChat Pay has yesterday's bill from ten

demo = AppGroup("demo", help="A provider with trade to look at.")


@demo.command("load")
@click.option(
    "--simulator-home",
    envvar="SIMULATOR_HOME",
    default="var/simulator",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the running simulator.",
)
@click.option("--simulator-url", envvar="SIMULATOR_URL", help="Default: what its folder says.")
@json_option
def load(simulator_home: Path, simulator_url: str | None, as_json: bool) -> None:
    """Load the demo once; a second time changes nothing."""
    levers = Levers(simulator_home, simulator_url)
    if _is_loaded(levers.facts["sp_mchid"]):
        emit({"loaded": False}, as_json, ["The demo is already loaded."])
        return
    # Opening hours lie a day after their own registration, so that keys and tenants come first.
    today = clock.beijing_date(clock.now())
    with clock.frozen_at(_at(today - timedelta(days=DAYS + 1), time(9))):
        actors = assemble(levers)
    app = cast("Flask", current_app._get_current_object())  # type: ignore[attr-defined]
    try:
        with hearing(app):
            fates = Counter(
                track(
                    _happenings(actors, levers, today),
                    description="The last days' trade",
                    total=(DAYS + 1) * SALES_A_DAY,
                    console=Console(stderr=True),
                    disable=not sys.stderr.isatty(),
                )
            )
    finally:
        levers.release_clock()
    report = {
        "loaded": True,
        "operator": actors.operator,
        "sub_merchants": [tenant.as_dict() for tenant in actors.tenants],
        "orders": sum(fates.values()),
        "paid": fates["paid"] + fates["lost"],
    }
    emit(report, as_json, _lines(actors, fates))


def _is_loaded(sp_mchid: str) -> bool:
    found = db.session.scalar(select(Partner.id).where(Partner.sp_mchid == sp_mchid))
    release()
    return found is not None


def _happenings(actors: Cast, levers: Levers, today: date) -> Iterator[str]:
    for days_ago in range(DAYS, 0, -1):
        day = today - timedelta(days=days_ago)
        yield from trade(day, actors, levers, SALES_A_DAY)
        _reconcile(actors, levers, day, days_ago)
    yield from trade(today, actors, levers, SALES_A_DAY)


def _reconcile(actors: Cast, levers: Levers, day: date, days_ago: int) -> None:
    ready_at = _at(day + timedelta(days=1), BILLS_AT)
    if ready_at > clock.now():
        return  # before ten in the morning; the scheduler fetches it when it is there
    levers.set_clock(ready_at)
    if days_ago == ODD_DAY:
        levers.set_fault("bill_extra_row")
    with clock.frozen_at(ready_at):
        fetch_day(partner=actors.partner, bill_date=day)
        reconcile_day(partner_id=actors.partner.id, bill_date=day)


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, tzinfo=BEIJING)


def _lines(actors: Cast, fates: Counter[str]) -> list[str]:
    operator = actors.operator
    people = [f"{tenant.email}  {tenant.password}" for tenant in actors.tenants]
    keys = [f"{tenant.sub_merchant.sub_mchid}  {tenant.api_key}" for tenant in actors.tenants]
    paid = fates["paid"] + fates["lost"]
    return [
        f"{sum(fates.values())} orders over {DAYS} days and today, {paid} paid.",
        f"Operator: {operator['email']}  {operator['password']}",
        f"Second factor: {operator['totp_secret']}",
        "Staff:",
        *people,
        "API keys:",
        *keys,
    ]
