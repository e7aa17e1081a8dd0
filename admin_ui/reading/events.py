"""Events and where they went, as pages show them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, select

from admin_ui.formatting import masked
from admin_ui.reading.chosen import names_of
from config.database import db
from payments.webhooks.models import EndpointState, WebhookDelivery, WebhookEndpoint, WebhookEvent
from payments.webhooks.publish import TEST_EVENT, EventType
from payments.webhooks.queries import Delivery, EventFilter, deliveries_of, list_events
from payments.webhooks.signing import event_body
from submerchants.tenancy import acting_for

ROWS_PER_PAGE = 50
TYPES = (*(each.value for each in EventType), TEST_EVENT)


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event of a list, and what became of it at each endpoint."""

    event: WebhookEvent
    deliveries: Sequence[WebhookDelivery]


@dataclass(frozen=True, slots=True)
class EventPage:
    """A stretch of events, newest first."""

    rows: Sequence[EventRow]
    next_cursor: str | None
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EventShown:
    """One event whole: what receivers read, where it went, and where it could go."""

    event: WebhookEvent
    body: str
    deliveries: Sequence[Delivery]
    endpoints: Mapping[str, WebhookEndpoint]

    @property
    def open_endpoints(self) -> list[WebhookEndpoint]:
        """Those it may be sent to again."""
        return [
            one
            for one in self.endpoints.values()
            if one.state is EndpointState.ENABLED and one.deleted_at is None
        ]


def event_page(
    type: str | None, sub_merchant_id: str | None = None, cursor: str | None = None
) -> EventPage:
    """One page of the scope's events, or of one sub-merchant's. Raises InvalidPayload."""
    if sub_merchant_id:
        with acting_for(sub_merchant_id):
            return _page(type, cursor)
    return _page(type, cursor)


def newest_events(type: str | None, cursor: str | None = None) -> EventPage:
    """One page of all tenants' events, by their ids, which begin with their moment of birth."""
    query = select(WebhookEvent).order_by(WebhookEvent.id.desc()).limit(ROWS_PER_PAGE + 1)
    if type is not None:
        query = query.where(WebhookEvent.type == type)
    if cursor:
        query = query.where(WebhookEvent.id < cursor)
    found = db.session.scalars(query).all()
    shown = found[:ROWS_PER_PAGE]
    return _with_deliveries(shown, shown[-1].id if len(found) > len(shown) else None)


def event_shown(event: WebhookEvent) -> EventShown:
    """One event with everything that is known of its deliveries."""
    body = event_body(
        event_id=event.id, type=event.type, created_at=event.created_at, data=event.data
    )
    deliveries = deliveries_of(event.id)
    went = [delivery.row.endpoint_id for delivery in deliveries]
    endpoints = db.session.scalars(
        select(WebhookEndpoint)
        .where(
            WebhookEndpoint.sub_merchant_id == event.sub_merchant_id,
            or_(WebhookEndpoint.deleted_at.is_(None), WebhookEndpoint.id.in_(went)),
        )
        .order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)
    )
    return EventShown(
        event=event,
        body=json.dumps(_without_openids(json.loads(body)), ensure_ascii=False, indent=2),
        deliveries=deliveries,
        endpoints={one.id: one for one in endpoints},
    )


def _without_openids(value: Any) -> Any:
    """The same, with each payer shown by both ends of the openid, as on every page."""
    if isinstance(value, dict):
        return {
            name: masked(inner) if name.endswith("openid") else _without_openids(inner)
            for name, inner in value.items()
        }
    return value


def _page(type: str | None, cursor: str | None) -> EventPage:
    found = list_events(EventFilter(type=type), limit=ROWS_PER_PAGE, cursor=cursor)
    return _with_deliveries(found.rows, found.next_cursor)


def _with_deliveries(events: Sequence[WebhookEvent], next_cursor: str | None) -> EventPage:
    went: dict[str, list[WebhookDelivery]] = {event.id: [] for event in events}
    query = select(WebhookDelivery).where(WebhookDelivery.event_id.in_(went))
    for delivery in db.session.scalars(query, execution_options={"populate_existing": True}):
        went[delivery.event_id].append(delivery)
    rows = [EventRow(event, went[event.id]) for event in events]
    return EventPage(rows, next_cursor, dict(names_of(events)))
