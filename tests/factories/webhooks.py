"""Webhook endpoints and events, and what became of deliveries."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select

from config.database import db, release, transaction
from payments.webhooks.endpoints import NewSecret, add_endpoint
from payments.webhooks.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from payments.webhooks.publish import publish_event
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant

_numbers = itertools.count(1)


def make_endpoint(
    *, sub_merchant: SubMerchant, url: str, event_types: Sequence[str] = ()
) -> NewSecret:
    """A saved endpoint with its secret."""
    return add_endpoint(sub_merchant=sub_merchant, url=url, event_types=event_types)


def make_event(*, sub_merchant: SubMerchant, type: str = "order.paid") -> str:
    """An event committed a moment ago; answers the id of what it is about."""
    object_id = f"ord_T{next(_numbers):08}"
    with acting_for(sub_merchant.id), transaction():
        publish_event(
            sub_merchant_id=sub_merchant.id,
            type=type,
            event_key=f"{type}:{object_id}",
            object_id=object_id,
            data={"id": object_id, "object": "order", "description": "街角茶铺"},
        )
    return object_id


def deliveries() -> list[WebhookDelivery]:
    """Every delivery there is, as it stands now."""
    found: list[WebhookDelivery] = _all(select(WebhookDelivery).order_by(WebhookDelivery.id))
    return found


def attempts() -> list[WebhookAttempt]:
    """Every try that was made, in order."""
    in_order = select(WebhookAttempt).order_by(WebhookAttempt.tried_at, WebhookAttempt.id)
    found: list[WebhookAttempt] = _all(in_order)
    return found


def endpoint_now(made: NewSecret) -> WebhookEndpoint:
    """The endpoint as it stands now."""
    row: WebhookEndpoint = _all(
        select(WebhookEndpoint).where(WebhookEndpoint.id == made.endpoint.id)
    )[0]
    return row


def _all(query: Select[Any]) -> list[Any]:
    with across_tenants("a test looks at everything"):
        found = db.session.scalars(query, execution_options={"populate_existing": True}).all()
        release()
    return list(found)
