"""Webhooks to look at, at both doors: endpoints, their deliveries, and events, sent once more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import ngettext

from admin_ui import webhook_words
from admin_ui.beijing_times import NotAMoment, for_field, typed_moment
from admin_ui.reading.chosen import names_of
from admin_ui.reading.endpoints import Health, drawn, endpoint_page, own_endpoints
from admin_ui.reading.events import TYPES, event_page, event_shown, newest_events
from admin_ui.reading.trail import Asked, trail
from admin_ui.refusals import in_words
from admin_ui.wording import actor_name
from config.clock import now
from config.errors import AppError
from payments.webhooks.endpoints import MOST_ENDPOINTS, get_endpoint
from payments.webhooks.models import DeliveryState, WebhookEndpoint
from payments.webhooks.publish import EventType
from payments.webhooks.queries import get_event, list_deliveries
from payments.webhooks.resend import resend_event
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant

DELIVERIES_PER_PAGE = 25


def own_endpoints_page() -> str:
    """The tenant's endpoints with their health."""
    return render_template(
        "webhooks/own.html",
        door="dashboard",
        shown=own_endpoints(),
        most=MOST_ENDPOINTS,
        **_words(),
    )


def all_endpoints_page(sub_merchants: Sequence[SubMerchant]) -> str:
    """Every tenant's endpoints, narrowed by the address."""
    name = request.args.get("state", "")
    health = Health(name) if name in (Health.FAILING, Health.DISABLED) else None
    sub_merchant_id = request.args.get("sub_merchant") or None
    return render_template(
        "webhooks/all.html",
        door="console",
        page=endpoint_page(health, sub_merchant_id, request.args.get("cursor")),
        health=health,
        healths=(Health.FAILING, Health.DISABLED),
        sub_merchant_id=sub_merchant_id,
        sub_merchants=sub_merchants,
        **_words(),
    )


def one_endpoint_page(
    door: str, endpoint_id: str, refusal: AppError | None = None, opened: str = ""
) -> str:
    """One endpoint and its deliveries with every try. Raises NotFound."""
    endpoint = get_endpoint(endpoint_id)
    name = request.args.get("state", "")
    state = DeliveryState(name) if name in DeliveryState.__members__ else None
    deliveries, next_cursor = list_deliveries(
        endpoint.id,
        limit=DELIVERIES_PER_PAGE,
        cursor=request.args.get("cursor"),
        state=state,
    )
    is_more = request.headers.get("HX-Target") == "more"
    [shown] = drawn([endpoint])
    return render_template(
        "webhooks/deliveries.html" if is_more else "webhooks/endpoint.html",
        door=door,
        shown=shown,
        endpoint=endpoint,
        is_rolling=endpoint.previous_secret_until is not None
        and endpoint.previous_secret_until > now(),
        name=names_of([endpoint])[endpoint.sub_merchant_id],
        deliveries=deliveries,
        next_cursor=next_cursor,
        state_chosen=state,
        delivery_states=list(DeliveryState),
        recover_from=for_field(_missed_since(endpoint)),
        refusal=in_words(refusal) if refusal else None,
        opened=opened or request.args.get("open", ""),
        **_words(),
    )


def event_list_page(door: str, sub_merchants: Sequence[SubMerchant] = ()) -> str:
    """Events, newest first, narrowed by the address."""
    name, cursor = request.args.get("type", ""), request.args.get("cursor")
    type_chosen = name if name in TYPES else None
    sub_merchant_id = (request.args.get("sub_merchant") or None) if door == "console" else None
    if door == "console" and sub_merchant_id is None:
        page = newest_events(type_chosen, cursor)
    else:
        page = event_page(type_chosen, sub_merchant_id, cursor)
    is_more = request.headers.get("HX-Target") == "more"
    return render_template(
        "webhooks/event_rows.html" if is_more else "webhooks/events.html",
        door=door,
        page=page,
        type_chosen=type_chosen,
        types=TYPES,
        sub_merchant_id=sub_merchant_id,
        sub_merchants=sub_merchants,
        **_words(),
    )


def one_event_page(door: str, event_id: str, refusal: AppError | None = None) -> str:
    """One event: what receivers read, and where it went. Raises NotFound."""
    event = get_event(event_id)
    return render_template(
        "webhooks/event.html",
        door=door,
        shown=event_shown(event),
        doings=trail(Asked(object_id=event.id)).rows,
        actor_name=actor_name,
        event=event,
        name=names_of([event])[event.sub_merchant_id],
        refusal=in_words(refusal) if refusal else None,
        **_words(),
    )


def send_again(door: str, event_id: str) -> ResponseReturnValue:
    """Have an event delivered once more, to one endpoint or to all that want its type."""
    event = get_event(event_id)
    endpoint_id = request.form.get("endpoint") or None
    try:
        with acting_for(event.sub_merchant_id):
            sent = resend_event(event, endpoint_id=endpoint_id)
    except AppError as refusal:
        return one_event_page(door, event_id, refusal), refusal.status
    told = ngettext(
        "On its way again to %(num)s endpoint.", "On its way again to %(num)s endpoints.", sent
    )
    flash(told, "good")
    return redirect(url_for(f"{door}.webhooks_event", event_id=event_id), code=303)


def _missed_since(endpoint: WebhookEndpoint) -> datetime:
    """Where a period to be sent again would begin: at the first failure, else a day ago."""
    try:
        told = typed_moment(request.args.get("since", ""))
    except NotAMoment:
        told = None
    return told or endpoint.failing_since or endpoint.disabled_at or now() - timedelta(days=1)


def _words() -> dict[str, object]:
    return {
        "meaning": webhook_words.meaning,
        "problem": webhook_words.problem,
        "event_types": [each.value for each in EventType],
    }
