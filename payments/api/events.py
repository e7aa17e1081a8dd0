"""Events over HTTP: what happened, where it was sent, and once more."""

from __future__ import annotations

from flask import Response

from payments.api.binding import answer, bound
from payments.api.describe import refusals, tenant_blueprint
from payments.api.webhook_shapes import (
    EventPage,
    EventPath,
    EventQuery,
    EventWithDeliveries,
    ResendPayload,
)
from payments.webhooks.presenter import present_event
from payments.webhooks.queries import EventFilter, deliveries_of, get_event
from payments.webhooks.queries import list_events as events_of
from payments.webhooks.resend import resend_event as send_again
from submerchants.access import Permission, tenant_api

blueprint = tenant_blueprint("Events", meaning="What happened, in the words webhooks carry.")


@blueprint.get("/events", responses={200: EventPage, **refusals()})
@tenant_api(Permission.EVENTS_READ)
@bound
def list_events(query: EventQuery) -> Response:
    """List events, newest first."""
    chosen = EventFilter(
        type=query.type,
        object_id=query.object_id,
        created_after=query.created_after,
        created_before=query.created_before,
    )
    page = events_of(chosen, limit=query.limit, cursor=query.cursor)
    shown = [present_event(event) for event in page.rows]
    return answer({"data": shown, "next_cursor": page.next_cursor})


@blueprint.get("/events/<event_id>", responses={200: EventWithDeliveries, **refusals(404)})
@tenant_api(Permission.EVENTS_READ)
@bound
def show_event(path: EventPath) -> Response:
    """Show one event and where it went."""
    event = get_event(path.event_id)
    return answer(present_event(event, deliveries_of(event.id)))


@blueprint.post(
    "/events/<event_id>/resend",
    responses={202: EventWithDeliveries, **refusals(404, 409, 413, 415)},
)
@tenant_api(Permission.EVENTS_WRITE)
@bound
def resend_event(path: EventPath, body: ResendPayload) -> Response:
    """Send an event once more.

    To every enabled endpoint that wants its type, or to the one that is named. It goes out within a
    second, under the same id.
    """
    event = get_event(path.event_id)
    send_again(event, endpoint_id=body.endpoint_id)
    return answer(present_event(event, deliveries_of(event.id)), 202)
