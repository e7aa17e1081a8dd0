"""Reading events, deliveries and attempts, always inside somebody's scope. Lists go by keyset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from sqlalchemy import ColumnElement, or_, select

from config.database import db
from config.errors import NotFound
from payments.errors import NotACursor
from payments.webhooks.models import (
    DeliveryState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEvent,
)

MAX_PAGE = 100
SHOWN_ATTEMPTS = 30  # of a delivery, the newest; a schedule makes ten, resending adds to them

Row = TypeVar("Row", WebhookEvent, WebhookDelivery)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Which events to list; None leaves a question open."""

    type: str | None = None
    object_id: str | None = None
    created_after: datetime | None = None  # from this moment on
    created_before: datetime | None = None  # before this moment

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL."""
        exact = {WebhookEvent.type: self.type, WebhookEvent.object_id: self.object_id}
        found = [column == value for column, value in exact.items() if value is not None]
        if self.created_after is not None:
            found.append(WebhookEvent.created_at >= self.created_after)
        if self.created_before is not None:
            found.append(WebhookEvent.created_at < self.created_before)
        return found


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A stretch of a list, and the id after which the next one begins."""

    rows: Sequence[Row]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery with its event's type and the tries that were made, the newest first."""

    row: WebhookDelivery
    event_type: str
    attempts: Sequence[WebhookAttempt]


def get_event(event_id: str) -> WebhookEvent:
    """One event within the scope. Raises NotFound, also for another tenant's."""
    event = db.session.scalars(select(WebhookEvent).where(WebhookEvent.id == event_id)).first()
    if event is None:
        raise NotFound("There is no such event.")
    return event


def list_events(
    chosen: EventFilter, *, limit: int, cursor: str | None = None
) -> Page[WebhookEvent]:
    """Events of the filter, newest first. Raises NotACursor for a cursor that is not ours."""
    limit = min(limit, MAX_PAGE)
    query = select(WebhookEvent).where(*chosen.conditions())
    if cursor is not None:
        last = db.session.scalars(select(WebhookEvent).where(WebhookEvent.id == cursor)).first()
        if last is None:
            raise NotACursor
        query = query.where(
            WebhookEvent.created_at <= last.created_at,
            or_(WebhookEvent.created_at < last.created_at, WebhookEvent.id < last.id),
        )
    in_order = query.order_by(WebhookEvent.created_at.desc(), WebhookEvent.id.desc())
    rows = db.session.scalars(in_order.limit(limit + 1)).all()
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def list_deliveries(
    endpoint_id: str,
    *,
    limit: int,
    cursor: str | None = None,
    state: DeliveryState | None = None,
) -> tuple[Sequence[Delivery], str | None]:
    """An endpoint's deliveries with their tries, newest event first, and the next page's cursor."""
    limit = min(limit, MAX_PAGE)
    # The ids of events begin with their moment of birth: in order of id is in order of time.
    query = select(WebhookDelivery).where(WebhookDelivery.endpoint_id == endpoint_id)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    if cursor is not None:
        query = query.where(WebhookDelivery.event_id < cursor)
    rows = db.session.scalars(
        query.order_by(WebhookDelivery.event_id.desc()).limit(limit + 1),
        execution_options={"populate_existing": True},
    ).all()
    return _with_attempts(rows[:limit]), rows[limit - 1].event_id if len(rows) > limit else None


def deliveries_of(event_id: str) -> Sequence[Delivery]:
    """Where an event went, with the tries that were made."""
    rows = db.session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.event_id == event_id)
        .order_by(WebhookDelivery.id),
        execution_options={"populate_existing": True},
    ).all()
    return _with_attempts(rows)


def _with_attempts(rows: Sequence[WebhookDelivery]) -> Sequence[Delivery]:
    events = select(WebhookEvent.id, WebhookEvent.type).where(
        WebhookEvent.id.in_({row.event_id for row in rows})
    )
    types = {event.id: event.type for event in db.session.execute(events)}
    found: dict[str, list[WebhookAttempt]] = {row.id: [] for row in rows}
    attempts = db.session.scalars(
        select(WebhookAttempt)
        .where(WebhookAttempt.delivery_id.in_(found))
        .order_by(WebhookAttempt.tried_at.desc(), WebhookAttempt.id.desc())
    )
    for attempt in attempts:
        found[attempt.delivery_id].append(attempt)
    return [Delivery(row, types[row.event_id], found[row.id][:SHOWN_ATTEMPTS]) for row in rows]
