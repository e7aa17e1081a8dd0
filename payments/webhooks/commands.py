"""`flask webhook …`: tenants' endpoints, from the terminal."""

from __future__ import annotations

import click
from flask import Flask, current_app
from flask.cli import AppGroup

from config.commands import emit, json_option
from payments.webhooks.courier import Courier
from payments.webhooks.endpoints import (
    add_endpoint,
    delete_endpoint_as_provider,
    get_endpoint,
    list_endpoints,
)
from payments.webhooks.presenter import present_delivery, present_endpoint
from payments.webhooks.trial import send_test_event
from submerchants.commands import under_option
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.queries import get_sub_merchant

webhook = AppGroup("webhook", help="Where tenants are told of events.")


def register(app: Flask) -> None:
    """Give the application these commands."""
    app.cli.add_command(webhook)


@webhook.command("add")
@click.argument("sub_mchid")
@click.argument("url")
@click.option("event_types", "--event", multiple=True, help="Only these types; without it, all.")
@under_option
@json_option
def add(
    sub_mchid: str, url: str, event_types: tuple[str, ...], sp_mchid: str | None, as_json: bool
) -> None:
    """Add an endpoint; its secret is shown this once."""
    made = add_endpoint(
        sub_merchant=get_sub_merchant(sub_mchid, sp_mchid), url=url, event_types=event_types
    )
    shown = present_endpoint(made.endpoint, made.secret)
    lines = [f"{shown['id']}  {url}", f"secret, shown this once: {shown['secret']}"]
    emit(shown, as_json, lines)


@webhook.command("list")
@click.argument("sub_mchid")
@under_option
@json_option
def list_all(sub_mchid: str, sp_mchid: str | None, as_json: bool) -> None:
    """A sub-merchant's endpoints."""
    with acting_for(get_sub_merchant(sub_mchid, sp_mchid).id):
        shown = [present_endpoint(endpoint) for endpoint in list_endpoints()]
    lines = [
        f"{each['id']}  {each['state']:<8}  {each['url']}  {each['disabled_reason'] or ''}".rstrip()
        for each in shown
    ]
    emit(shown, as_json, lines or ["No endpoint. Add one with: webhook add"])


@webhook.command("remove")
@click.argument("endpoint_id")
@json_option
def remove(endpoint_id: str, as_json: bool) -> None:
    """Delete an endpoint; nothing more is sent there."""
    endpoint = delete_endpoint_as_provider(endpoint_id)
    emit({"id": endpoint.id, "deleted": True}, as_json, [f"{endpoint.id} is deleted."])


@webhook.command("test")
@click.argument("endpoint_id")
@json_option
def test(endpoint_id: str, as_json: bool) -> None:
    """Send a test event now and say what came of it."""
    with across_tenants("the provider tests an endpoint by its id"):
        endpoint = get_endpoint(endpoint_id)
    with acting_for(endpoint.sub_merchant_id):
        delivery = send_test_event(endpoint)
    shown = present_delivery(delivery)
    attempt = delivery.attempts[0]
    lines = [f"{shown['state']}  {attempt.problem or f'answered {attempt.status}'}"]
    emit(shown, as_json, lines)


@webhook.command("deliver")
@json_option
def deliver(as_json: bool) -> None:
    """Deliver what is due now, without waiting for a scheduler."""
    figures = Courier(current_app._get_current_object()).deliver_due()  # type: ignore[attr-defined]
    emit(figures, as_json, [f"{name}: {count}" for name, count in figures.items()])
