"""What happened to an order or a refund, in order: audit trail, notifications, our events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from config.audit import AuditEntry
from config.database import db
from payments.notifications.models import InboxEntry, InboxState
from payments.orders.models import Order
from payments.refunds.models import Refund
from payments.webhooks.models import WebhookEvent

MAX_MOMENTS = 200
ORDER_EVENTS = ("order.paid", "order.closed", "order.reversed")
BEFORE_ANY_NOTIFICATION = ("order.created", "order.opened", "order.pending")
REFUND_EVENTS = ("refund.succeeded", "refund.abnormal", "refund.closed")


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
    "order.reversal_asked": "warn",
    "order.reversed": "bad",
    "refund.requested": "info",
    "refund.waiting": "warn",
    "refund.processing": "info",
    "refund.succeeded": "good",
    "refund.abnormal": "bad",
    "refund.another_way": "info",
    "refund.closed": "idle",
}
_NOTIFICATION_TONES = {
    InboxState.APPLIED: "good",
    InboxState.REDUNDANT: "idle",
    InboxState.KEPT: "warn",
    InboxState.QUARANTINED: "bad",
    InboxState.IGNORED: "idle",
}


def order_timeline(order: Order, refunds: Sequence[Refund] = ()) -> list[Moment]:
    """Everything known of the order and of its refunds, oldest first."""
    ids = [order.id, *(refund.id for refund in refunds)]
    told = _events(order.sub_merchant_id, order.id, ORDER_EVENTS)
    return _in_order(_audit(ids), _notifications(order), told)


def refund_timeline(refund: Refund) -> list[Moment]:
    """Everything known of one refund, oldest first."""
    told = _events(refund.sub_merchant_id, refund.id, REFUND_EVENTS)
    return _in_order(_audit([refund.id]), told)


def _in_order(*kinds: Iterator[Moment]) -> list[Moment]:
    moments = [moment for kind in kinds for moment in kind]
    return sorted(moments, key=lambda moment: (moment.at, moment.place))


def _audit(object_ids: Sequence[str]) -> Iterator[Moment]:
    entries = db.session.scalars(
        select(AuditEntry)
        .where(AuditEntry.object_id.in_(object_ids))
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
            place=0 if entry.action in BEFORE_ANY_NOTIFICATION else 2,
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
            place=1,
        )


def _events(sub_merchant_id: str, object_id: str, types: Sequence[str]) -> Iterator[Moment]:
    # Keys are `type:id`, with `:n` behind it where a thing may happen again. The range of each type
    # is a stretch of the unique key.
    stretches = [
        WebhookEvent.event_key.between(f"{name}:{object_id}", f"{name}:{object_id}:~")
        for name in types
    ]
    events = db.session.scalars(
        select(WebhookEvent)
        .where(WebhookEvent.sub_merchant_id == sub_merchant_id, or_(*stretches))
        .limit(MAX_MOMENTS)
    )
    for event in events:
        yield Moment(
            at=event.created_at,
            source="event",
            what=event.type,
            tone="idle",
            who="system",
            place=3,
            facts={"id": event.id},
        )
