"""What a tenant's staff change about their webhooks: add, change, roll, test, send again.

A secret is shown on the page that answers the form which made it, and nowhere afterwards. The form
that adds carries a key of its own, so that sending it twice adds one endpoint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from pydantic import ValidationError

from admin_ui import webhook_words
from admin_ui.access import Person, trading_shop
from admin_ui.asking_again import require_proof
from admin_ui.beijing_times import NotAMoment, for_field, typed_moment
from admin_ui.refusals import in_words
from admin_ui.webhook_pages import one_endpoint_page
from config.errors import AppError
from config.identifiers import random_letters
from config.payloads import invalid_fields
from payments.api.webhook_shapes import WebhookEndpointPayload
from payments.idempotency import Answer, answer_once
from payments.webhooks.endpoints import (
    NewSecret,
    add_endpoint,
    change_endpoint,
    delete_endpoint,
    get_endpoint,
    known_types,
    roll_secret,
)
from payments.webhooks.models import EndpointState, WebhookEndpoint
from payments.webhooks.publish import EventType
from payments.webhooks.resend import recover_period
from payments.webhooks.trial import send_test_event

_KEY_LETTERS = 24
_ADDING = "pages.webhooks.add"
_LONGEST_KEY = 64


def new_endpoint_page(refusal: AppError | None = None) -> str:
    """The form that adds an endpoint, as it was filled in."""
    return render_template(
        "webhooks/new.html",
        door="dashboard",
        key=request.form.get("key", "")[:_LONGEST_KEY] or random_letters(_KEY_LETTERS),
        event_types=[each.value for each in EventType],
        meaning=webhook_words.meaning,
        refusal=in_words(refusal) if refusal else None,
    )


def add(person: Person) -> ResponseReturnValue:
    """Add the endpoint of the form, and show its secret this once."""
    made: list[NewSecret] = []

    def work() -> Answer:
        made.append(
            add_endpoint(
                sub_merchant=trading_shop(person),
                url=asked.url,
                event_types=asked.event_types,
                description=asked.description or None,
            )
        )
        return Answer(201, made[0].endpoint.id)

    try:
        asked = _asked()
        require_proof(person)
        answer = answer_once(
            sub_merchant_id=person.tenant_id,
            operation=_ADDING,
            key=request.form.get("key", "")[:_LONGEST_KEY] or random_letters(_KEY_LETTERS),
            request_hash=hashlib.sha256(asked.model_dump_json().encode()).hexdigest(),
            work=work,
        )
    except AppError as refusal:
        return new_endpoint_page(refusal), refusal.status
    if made:
        return _secret_page(made[0]), 201
    flash(_("This endpoint was added before; its secret was shown then."), "warn")
    return _to(answer.body)


def change(endpoint_id: str) -> ResponseReturnValue:
    """Change what an endpoint is called and what it hears of."""

    def deed(endpoint: WebhookEndpoint) -> None:
        asked = _asked(url=endpoint.url)
        change_endpoint(
            endpoint,
            description=asked.description or None,
            event_types=known_types(asked.event_types),
        )
        flash(_("Changed."), "good")

    return _done(endpoint_id, "change", deed)


def move(person: Person, endpoint_id: str) -> ResponseReturnValue:
    """Send to another address from now on; asks again who sits there."""

    def deed(endpoint: WebhookEndpoint) -> None:
        url = _asked().url
        require_proof(person)
        change_endpoint(endpoint, url=url)
        flash(_("From now on it is sent to the new address."), "good")

    return _done(endpoint_id, "move", deed)


def switch(endpoint_id: str) -> ResponseReturnValue:
    """Disable an endpoint, or enable it again."""
    endpoint = get_endpoint(endpoint_id)
    missed_since = endpoint.failing_since or endpoint.disabled_at
    if request.form.get("to") != EndpointState.ENABLED:
        change_endpoint(endpoint, state=EndpointState.DISABLED)
        flash(_("Disabled. Nothing is sent there."), "good")
        return _to(endpoint_id)
    change_endpoint(endpoint, state=EndpointState.ENABLED)
    flash(_("Enabled. What was missed is not sent by itself: send the period again."), "good")
    since = for_field(missed_since) if missed_since else None
    return _to(endpoint_id, open="recover", since=since)


def roll(person: Person, endpoint_id: str) -> ResponseReturnValue:
    """Give an endpoint a new secret, and show it this once."""
    endpoint = get_endpoint(endpoint_id)
    try:
        require_proof(person)
        made = roll_secret(endpoint)
    except AppError as refusal:
        return one_endpoint_page("dashboard", endpoint_id, refusal, "roll"), refusal.status
    return _secret_page(made)


def delete(person: Person, endpoint_id: str) -> ResponseReturnValue:
    """Send nothing more there, ever."""
    endpoint = get_endpoint(endpoint_id)
    try:
        require_proof(person)
        delete_endpoint(endpoint)
    except AppError as refusal:
        return one_endpoint_page("dashboard", endpoint_id, refusal, "delete"), refusal.status
    flash(_("Deleted. Nothing more is sent to %(url)s.", url=endpoint.url), "good")
    return redirect(url_for("dashboard.webhooks"), code=303)


def trial(endpoint_id: str) -> ResponseReturnValue:
    """Send a test event and show what came of it, where it was asked for."""
    endpoint = get_endpoint(endpoint_id)
    told = refused = None
    try:
        told = send_test_event(endpoint)
    except AppError as refusal:
        refused = in_words(refusal)
    if not request.headers.get("HX-Request"):
        if refused:
            flash(refused, "warn")
        return _to(endpoint_id)
    return render_template(
        "webhooks/trial.html",
        door="dashboard",
        delivery=told,
        refused=refused,
        problem=webhook_words.problem,
    )


def recover(endpoint_id: str) -> ResponseReturnValue:
    """Send an endpoint what it missed of a period."""

    def deed(endpoint: WebhookEndpoint) -> None:
        since, until = (typed_moment(request.form.get(name, "")) for name in ("from", "to"))
        if since is None:
            raise NotAMoment
        recovery = recover_period(
            endpoint,
            since=since,
            until=until,
            with_delivered=request.form.get("with_delivered") == "yes",
        )
        told = ngettext(
            "%(num)s event is on its way again.",
            "%(num)s events are on their way again.",
            recovery.events,
        )
        if recovery.next_from is not None:
            told += " " + _(
                "There is more: send the period from %(moment)s on as well.",
                moment=for_field(recovery.next_from).replace("T", " "),
            )
        flash(told, "good")

    return _done(endpoint_id, "recover", deed)


def _done(
    endpoint_id: str, form: str, deed: Callable[[WebhookEndpoint], None]
) -> ResponseReturnValue:
    endpoint = get_endpoint(endpoint_id)
    try:
        deed(endpoint)
    except AppError as refusal:
        return one_endpoint_page("dashboard", endpoint_id, refusal, form), refusal.status
    return _to(endpoint_id)


def _asked(url: str | None = None) -> WebhookEndpointPayload:
    """The endpoint of the form, checked as the API checks it. Raises InvalidPayload."""
    try:
        return WebhookEndpointPayload.model_validate(
            {
                "url": request.form.get("url", "").strip() if url is None else url,
                "description": request.form.get("description", "").strip(),
                "event_types": request.form.getlist("event_types"),
            }
        )
    except ValidationError as error:
        raise invalid_fields(error) from error


def _secret_page(made: NewSecret) -> str:
    return render_template(
        "webhooks/secret.html", door="dashboard", endpoint=made.endpoint, secret=made.secret
    )


def _to(endpoint_id: str, **arguments: Any) -> ResponseReturnValue:
    here = url_for("dashboard.webhooks_one", endpoint_id=endpoint_id, **arguments)
    return redirect(here, code=303)
