"""Deliveries and their tries as saved rows, for pages that draw them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from payments.webhooks.models import (
    DeliveryState,
    EndpointState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.webhooks import make_event

REFUSED = {"status": None, "problem": "The connection was refused.", "reply": None}
RECEIVED = {"status": 204, "problem": None, "reply": None}


def make_delivery(
    endpoint: WebhookEndpoint,
    *,
    state: DeliveryState = DeliveryState.DELIVERED,
    type: str = "order.paid",
    **attempt: Any,
) -> WebhookDelivery:
    """A saved event on its way to this endpoint, with one try that fits its state."""
    tenant, moment = endpoint.sub_merchant_id, now()
    with acting_for(tenant):
        event = event_about(make_event(sub_merchant=_of(tenant), type=type))
        delivery = WebhookDelivery(
            id=new_id("wdl"),
            sub_merchant_id=tenant,
            endpoint_id=endpoint.id,
            event_id=event.id,
            state=state,
            tries=1,
            next_try_at=moment + timedelta(minutes=5) if state is DeliveryState.DUE else None,
            created_at=moment,
            delivered_at=moment if state is DeliveryState.DELIVERED else None,
        )
        usual = RECEIVED if state is DeliveryState.DELIVERED else REFUSED
        tried = WebhookAttempt(
            id=new_id("wat"),
            sub_merchant_id=tenant,
            delivery_id=delivery.id,
            tried_at=moment,
            **{"took_ms": 42, **usual, **attempt},
        )
        with transaction() as session:
            session.add(delivery)
            session.flush()
            session.add(tried)
    return delivery


def event_about(object_id: str) -> WebhookEvent:
    """The event about this thing; within somebody's scope."""
    return db.session.scalars(select(WebhookEvent).where(WebhookEvent.object_id == object_id)).one()


def let_fail(endpoint: WebhookEndpoint, *, hours: int, reason: str | None = None) -> None:
    """Have it failing for so long; with a reason, disabled for it."""
    since = now() - timedelta(hours=hours)
    values: dict[str, Any] = {"failing_since": since}
    if reason is not None:
        values |= {
            "state": EndpointState.DISABLED,
            "disabled_reason": reason,
            "disabled_at": now(),
        }
    here = update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id)
    with acting_for(endpoint.sub_merchant_id), transaction():
        changed_rows(here.values(**values))


def _of(sub_merchant_id: str) -> SubMerchant:
    return db.session.get_one(SubMerchant, sub_merchant_id)
