"""Write an event in the transaction of the change it tells of, so that neither exists alone."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from typing import Final

from config.clock import now
from config.identifiers import new_id
from config.inserts import insert_later
from payments.webhooks.models import WebhookEvent

EVENT_IDENTITY = ("sub_merchant_id", "event_key")

TEST_EVENT: Final = "webhook.test"  # sent when it is asked for, to one endpoint


class EventType(enum.StrEnum):
    """What an endpoint may ask to hear of; one that asks for nothing in particular hears of all."""

    ORDER_PAID = "order.paid"
    ORDER_CLOSED = "order.closed"
    ORDER_REVERSED = "order.reversed"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_ABNORMAL = "refund.abnormal"
    REFUND_CLOSED = "refund.closed"
    RECONCILIATION_COMPLETED = "reconciliation.completed"
    BILL_READY = "bill.ready"
    ENDPOINT_DISABLED = "webhook_endpoint.disabled"


def publish_event(
    *,
    sub_merchant_id: str,
    type: str,
    event_key: str,
    object_id: str,
    data: Mapping[str, object],
) -> None:
    """Record one event in the caller's transaction; the same `event_key` is recorded once."""
    row = event_row(
        sub_merchant_id=sub_merchant_id,
        type=type,
        event_key=event_key,
        object_id=object_id,
        data=data,
    )
    insert_later(WebhookEvent, row, unique=EVENT_IDENTITY)


def event_row(
    *,
    sub_merchant_id: str,
    type: str,
    event_key: str,
    object_id: str,
    data: Mapping[str, object],
) -> dict[str, object]:
    """The row of an event, for those who write many at once."""
    return {
        "id": new_id("evt"),
        "sub_merchant_id": sub_merchant_id,
        "event_key": event_key,
        "type": type,
        "object_id": object_id,
        "data": json.dumps(data, ensure_ascii=False),
        "created_at": now(),
    }
