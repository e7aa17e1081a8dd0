"""`flask demo load`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final, cast

import click
from flask import Flask, current_app
from flask.cli import AppGroup
from rich.console import Console
from rich.progress import track
from sqlalchemy import func, select

from config import clock
from config.clock import BEIJING
from config.commands import emit, json_option
from config.database import db, release
from partner.credentials import find_partner
from payments.bills.day import fetch_day
from payments.demo.addresses import follow_inbox, register_pages
from payments.demo.at_hand import last_story, to_try
from payments.demo.cast import Cast, assemble
from payments.demo.ear import hearing
from payments.demo.levers import Levers
from payments.demo.sales import sales_of
from payments.demo.stories import Story, unfold
from payments.demo.trade import story_of
from payments.orders.models import Order, OrderState
from payments.reconciliation.run import reconcile_day
from payments.refunds.models import Refund
from submerchants.tenancy import across_tenants
from submerchants.tenants.queries import get_sub_merchant

DAYS: Final = 3  # back from yesterday
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
    """Load the demo once; later times only bring its addresses up to date."""
    levers = Levers(simulator_home, simulator_url)
    sp_mchid = levers.facts["sp_mchid"]
    first_mchid = levers.facts["sub_merchants"][0]["sub_mchid"]
    if partner := find_partner(sp_mchid):
        register_pages(partner, levers)
        first = get_sub_merchant(first_mchid, sp_mchid)
        follow_inbox(first, levers)
        report: dict[str, Any] = {"loaded": False, **to_try(first)}
        emit(report, as_json, ["The demo is already loaded.", *_things_to_try(report)])
        return
    release()
    actors = _loaded(levers)
    report = {
        "loaded": True,
        "operator": actors.operator,
        "sub_merchants": [tenant.as_dict() for tenant in actors.tenants],
        **_counts(),
        **to_try(actors.tenants[0].sub_merchant),
    }
    emit(report, as_json, _lines(actors, report))


def _loaded(levers: Levers) -> Cast:
    """Everybody, and all that happened; both clocks are as usual afterwards."""
    present = clock.now()
    # Opening hours lie a day after their own registration, so that keys and tenants come first.
    before = clock.beijing_date(present) - timedelta(days=DAYS + 1)
    with clock.frozen_at(_at(before, time(9))):
        actors = assemble(levers)
        register_pages(actors.partner, levers)
    app = cast("Flask", current_app._get_current_object())  # type: ignore[attr-defined]
    stories = list(_stories(actors, levers, present))
    # What goes wrong on purpose is no news to whoever loads the demo.
    logging.getLogger().setLevel(logging.ERROR)
    levers.hold_refunds(are_held=True)
    try:
        with hearing(app):
            for _ in track(
                unfold(stories, levers, present),
                description="The last days' trade",
                total=len(stories),
                console=Console(stderr=True),
                disable=not sys.stderr.isatty(),
            ):
                pass
    finally:
        levers.hold_refunds(are_held=False)
        levers.release_clock()
    return actors


def _stories(actors: Cast, levers: Levers, present: datetime) -> Iterator[Story]:
    today = clock.beijing_date(present)
    for days_ago in range(DAYS, -1, -1):
        day = today - timedelta(days=days_ago)
        for sale in sales_of(day, days_ago, actors):
            yield story_of(sale, actors, levers)
        yield _bill_day(actors, levers, day, is_odd=days_ago == ODD_DAY)
    yield last_story(actors, levers, present)


def _bill_day(actors: Cast, levers: Levers, day: date, *, is_odd: bool) -> Story:
    """The next morning: fetch the day's bill and compare it."""
    yield _at(day + timedelta(days=1), BILLS_AT)
    if is_odd:
        levers.set_fault("bill_extra_row")
    fetch_day(partner=actors.partner, bill_date=day)
    reconcile_day(partner_id=actors.partner.id, bill_date=day)


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, tzinfo=BEIJING)


def _counts() -> dict[str, int]:
    with across_tenants("the demo counts what it made"):
        orders = select(func.count()).select_from(Order)
        counts = {
            "orders": db.session.scalar(orders) or 0,
            "paid": db.session.scalar(orders.where(Order.state == OrderState.PAID)) or 0,
            "refunds": db.session.scalar(select(func.count()).select_from(Refund)) or 0,
        }
        release()
    return counts


def _lines(actors: Cast, report: dict[str, Any]) -> list[str]:
    operator = actors.operator
    people = [f"{tenant.email}  {tenant.password}" for tenant in actors.tenants]
    keys = [f"{tenant.sub_merchant.sub_mchid}  {tenant.api_key}" for tenant in actors.tenants]
    return [
        f"{report['orders']} orders over {DAYS} days and today, {report['paid']} paid, "
        f"{report['refunds']} refunds.",
        f"Operator: {operator['email']}  {operator['password']}",
        f"Second factor: {operator['totp_secret']}",
        "Staff:",
        *people,
        "API keys:",
        *keys,
        *_things_to_try(report),
    ]


def _things_to_try(report: dict[str, Any]) -> list[str]:
    return [f"A checkout link to pay: {report['checkout_url']}"]
