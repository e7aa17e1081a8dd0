"""Dropping deliveries, and the log of their tries, that nobody looks at any more.

Events stay: they are what an order's history is told from, and their keys keep them from happening
twice. What still waits to be delivered is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import delete, select

from config.clock import now
from config.database import changed_rows, db, release, transaction
from payments.webhooks.models import DeliveryState, WebhookAttempt, WebhookDelivery
from submerchants.tenancy import across_tenants

KEPT_FOR = timedelta(days=35)
FORGOTTEN_AT_ONCE = 500
FORGETTING_ROUNDS = 200


def forget_old_deliveries() -> Mapping[str, object]:
    """Forget ended deliveries older than they are promised to be kept; a job calls this."""
    forgotten = 0
    old = (
        select(WebhookDelivery.id)
        .where(
            WebhookDelivery.created_at < now() - KEPT_FOR,
            WebhookDelivery.state != DeliveryState.DUE,
        )
        .order_by(WebhookDelivery.id)
        .limit(FORGOTTEN_AT_ONCE)
    )
    with across_tenants("deliveries are forgotten by age alone"):
        for _ in range(FORGETTING_ROUNDS):
            ids = db.session.scalars(old).all()
            release()
            if not ids:
                break
            with transaction():
                changed_rows(delete(WebhookAttempt).where(WebhookAttempt.delivery_id.in_(ids)))
                # One that was sent again meanwhile is due, and stays.
                ended = delete(WebhookDelivery).where(
                    WebhookDelivery.id.in_(ids), WebhookDelivery.state != DeliveryState.DUE
                )
                forgotten += changed_rows(ended)
    return {"forgotten": forgotten}
