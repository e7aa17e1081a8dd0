"""`flask orders …` and `flask notifications …`; `flask refunds …` is registered with them."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy import select

from config.commands import emit, json_option
from config.database import db
from payments.notifications.models import InboxEntry, InboxState
from payments.notifications.presenter import present_entry
from payments.notifications.replay import replay
from payments.orders.presenter import present_order
from payments.orders.queries import get_order
from payments.orders.sweep import sweep_due
from payments.orders.sync import sync_order
from payments.refunds.commands import refunds
from submerchants.tenancy import across_tenants, acting_for

LISTED = 100

orders = AppGroup("orders", help="Orders of every tenant.")
notifications = AppGroup("notifications", help="WeChat Pay's notifications in the inbox.")


def register(app: Flask) -> None:
    """Give the application these commands."""
    app.cli.add_command(orders)
    app.cli.add_command(refunds)
    app.cli.add_command(notifications)


@orders.command("sync")
@click.argument("order_id", required=False)
@json_option
def sync(order_id: str | None, as_json: bool) -> None:
    """Ask WeChat Pay what became of one order, or of all that are due."""
    if order_id is None:
        figures = dict(sweep_due())
        emit(figures, as_json, [f"{name}: {count}" for name, count in figures.items()])
        return
    with across_tenants("an operator syncs one order"):
        order = get_order(order_id)
    with acting_for(order.sub_merchant_id):
        shown = present_order(sync_order(order))
    emit(shown, as_json, [f"{shown['id']}  {shown['state']}  {shown['out_trade_no']}"])


@notifications.command("list")
@click.option("--state", type=click.Choice([state.value for state in InboxState]))
@json_option
def list_entries(state: str | None, as_json: bool) -> None:
    """The newest notifications, of one state if it is named."""
    newest = select(InboxEntry).order_by(InboxEntry.received_at.desc()).limit(LISTED)
    if state is not None:
        newest = newest.where(InboxEntry.state == InboxState(state))
    entries = [present_entry(entry) for entry in db.session.scalars(newest)]
    lines = [
        f"{entry['received_at']}  {entry['id']}  {entry['state']:<11}  "
        f"{entry['event_type']}  {entry['out_trade_no'] or '-'}  {entry['reason'] or ''}".rstrip()
        for entry in entries
    ]
    emit(entries, as_json, lines or ["No notification is in the inbox."])


@notifications.command("replay")
@click.argument("entry_id")
@json_option
def replay_entry(entry_id: str, as_json: bool) -> None:
    """Work a kept or quarantined notification again."""
    shown = present_entry(replay(entry_id))
    emit(shown, as_json, [f"{shown['id']}  {shown['state']}  {shown['reason'] or ''}".rstrip()])
