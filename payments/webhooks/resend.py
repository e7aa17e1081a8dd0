"""Having events sent again: one event by hand, or what an endpoint missed in a period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select, update

from config import audit
from config.batches import insert_missing
from config.clock import now
from config.database import changed_rows, db, release, transaction
from payments.webhooks.divide import DELIVERY_IDENTITY, delivery_row, wanted_types
from payments.webhooks.endpoints import get_endpoint, list_endpoints
from payments.webhooks.errors import NobodyToTell, WebhookEndpointDisabled
from payments.webhooks.models import (
    DeliveryState,
    EndpointState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from payments.webhooks.publish import TEST_EVENT

RECOVERED_AT_ONCE = 500  # events that share a transaction
MOST_RECOVERED = 10_000  # of one call


@dataclass(frozen=True, slots=True)
class Recovery:
    """How many events are on their way again; `next_from` when a further call must follow."""

    events: int
    next_from: datetime | None


def resend_event(event: WebhookEvent, *, endpoint_id: str | None = None) -> int:
    """Have an event delivered once more, to one endpoint or to all that want its type.

    Answers to how many. The id stays the same, so a receiver that has it already can tell. Raises
    NotFound for an unknown endpoint, WebhookEndpointDisabled or NobodyToTell.
    """
    if endpoint_id is not None:
        endpoints: Sequence[WebhookEndpoint] = [_enabled(get_endpoint(endpoint_id))]
    else:
        endpoints = [each for each in list_endpoints() if _wants(each, event.type)]
    if not endpoints:
        raise NobodyToTell
    with transaction():
        for endpoint in endpoints:  # ten at most
            _make_due(endpoint, [event.id])
        audit.record(
            "event.resent",
            object_kind="event",
            object_id=event.id,
            tenant_id=event.sub_merchant_id,
            endpoints=[endpoint.id for endpoint in endpoints],
        )
    return len(endpoints)


def recover_period(
    endpoint: WebhookEndpoint,
    *,
    since: datetime,
    until: datetime | None = None,
    with_delivered: bool = False,
) -> Recovery:
    """Send an endpoint what it missed of a period [since, until), or all of it.

    A long period is done in several calls: `next_from` is where the next one begins. Raises
    WebhookEndpointDisabled.
    """
    _enabled(endpoint)
    until = min(until or now(), now())
    count, last = 0, None
    while count < MOST_RECOVERED:
        events = _missed(endpoint, since, until, with_delivered, last)
        release()
        if not events:
            return Recovery(count, None)
        with transaction():
            _make_due(endpoint, [event_id for event_id, _ in events])
            audit.record(
                "webhook_endpoint.recovered",
                object_kind="webhook_endpoint",
                object_id=endpoint.id,
                tenant_id=endpoint.sub_merchant_id,
                since=since,
                until=until,
                events=len(events),
            )
        count, last = count + len(events), events[-1]
    return Recovery(count, last[1] if last else None)


def _missed(
    endpoint: WebhookEndpoint,
    since: datetime,
    until: datetime,
    with_delivered: bool,
    last: tuple[str, datetime] | None,
) -> Sequence[tuple[str, datetime]]:
    """The next events of the period, the oldest first."""
    delivery = and_(
        WebhookDelivery.event_id == WebhookEvent.id, WebhookDelivery.endpoint_id == endpoint.id
    )
    query = (
        select(WebhookEvent.id, WebhookEvent.created_at)
        .outerjoin(WebhookDelivery, delivery)
        .where(
            WebhookEvent.sub_merchant_id == endpoint.sub_merchant_id,
            WebhookEvent.created_at >= since,
            WebhookEvent.created_at < until,
            WebhookEvent.type != TEST_EVENT,
        )
    )
    if wanted := wanted_types(endpoint.event_types):
        query = query.where(WebhookEvent.type.in_(sorted(wanted)))
    if not with_delivered:
        query = query.where(
            or_(WebhookDelivery.id.is_(None), WebhookDelivery.state != DeliveryState.DELIVERED)
        )
    if last is not None:
        query = query.where(
            WebhookEvent.created_at >= last[1],
            or_(WebhookEvent.created_at > last[1], WebhookEvent.id > last[0]),
        )
    in_order = query.order_by(WebhookEvent.created_at, WebhookEvent.id).limit(RECOVERED_AT_ONCE)
    return [(event.id, event.created_at) for event in db.session.execute(in_order)]


def _make_due(endpoint: WebhookEndpoint, event_ids: Sequence[str]) -> None:
    """A delivery that is due now for each event: the one there is, or a new one.

    One that somebody is just sending is left to them.
    """
    moment = now()
    rows = [
        delivery_row(
            sub_merchant_id=endpoint.sub_merchant_id,
            endpoint_id=endpoint.id,
            event_id=event_id,
            moment=moment,
        )
        for event_id in event_ids
    ]
    insert_missing(WebhookDelivery, rows, unique=DELIVERY_IDENTITY)
    nobodys = or_(WebhookDelivery.claim_token.is_(None), WebhookDelivery.claimed_until < moment)
    again = update(WebhookDelivery).where(
        WebhookDelivery.endpoint_id == endpoint.id,
        WebhookDelivery.event_id.in_(event_ids),
        nobodys,
    )
    changed_rows(
        again.values(
            state=DeliveryState.DUE,
            tries=0,
            next_try_at=moment,
            delivered_at=None,
            claim_token=None,
            claimed_until=None,
        )
    )


def _enabled(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    if endpoint.state is not EndpointState.ENABLED:
        raise WebhookEndpointDisabled(endpoint_id=endpoint.id)
    return endpoint


def _wants(endpoint: WebhookEndpoint, event_type: str) -> bool:
    wanted = wanted_types(endpoint.event_types)
    return endpoint.state is EndpointState.ENABLED and (not wanted or event_type in wanted)
