"""What happened to one order, in order: our audit trail, WeChat Pay's notifications, our events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select

from config.audit import AuditEntry
from config.database import db
from payments.notifications.models import InboxEntry, InboxState
from payments.orders.models import Order
from payments.webhooks.models import WebhookEvent

MAX_MOMENTS = 200
EVENT_TYPES = ("order.paid", "order.closed")


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened: whose doing it was, what, and a few facts."""

    at: datetime
    source: str  # audit, notification or event
    what: str
    tone: str
    who: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    entry_id: str | None = None
    place: int = 0  # of things in the same moment, which came first


_TONES = {
    "order.created": "info",
    "order.opened": "info",
    "order.pending": "info",
    "order.paid": "good",
    "order.closed": "idle",
    "order.refused": "bad",
    "order.unknown": "warn",
}
_NOTIFICATION_TONES = {
    InboxState.APPLIED: "good",
    InboxState.REDUNDANT: "idle",
    InboxState.KEPT: "warn",
    InboxState.QUARANTINED: "bad",
    InboxState.IGNORED: "idle",
}


def order_timeline(order: Order) -> list[Moment]:
    """Everything known of the order, oldest first."""
    moments = [*_audit(order), *_notifications(order), *_events(order)]
    return sorted(moments, key=lambda moment: (moment.at, moment.place))


def _audit(order: Order) -> Iterator[Moment]:
    entries = db.session.scalars(
        select(AuditEntry)
        .where(AuditEntry.object_id == order.id, AuditEntry.object_kind == "order")
        .order_by(AuditEntry.id)
        .limit(MAX_MOMENTS)
    )
    for entry in entries:
        yield Moment(
            at=entry.happened_at,
            source="audit",
            what=entry.action,
            tone=_TONES.get(entry.action, "idle"),
            who=entry.actor_name or entry.actor_kind,
            facts=json.loads(entry.detail),
            place=1,
        )


def _notifications(order: Order) -> Iterator[Moment]:
    entries = db.session.scalars(
        select(InboxEntry).where(InboxEntry.order_id == order.id).limit(MAX_MOMENTS)
    )
    for entry in entries:
        yield Moment(
            at=entry.received_at,
            source="notification",
            what=entry.event_type,
            tone=_NOTIFICATION_TONES[entry.state],
            who="wechatpay",
            facts={"state": entry.state.value, "reason": entry.reason or ""},
            entry_id=entry.id,
            place=0,
        )


def _events(order: Order) -> Iterator[Moment]:
    keys = [f"{name}:{order.id}" for name in EVENT_TYPES]
    events = db.session.scalars(
        select(WebhookEvent).where(
            WebhookEvent.sub_merchant_id == order.sub_merchant_id,
            WebhookEvent.event_key.in_(keys),
        )
    )
    for event in events:
        yield Moment(
            at=event.created_at,
            source="event",
            what=event.type,
            tone="idle",
            who="system",
            place=2,
            facts={"id": event.id},
        )
