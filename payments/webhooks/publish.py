"""Write an event in the transaction of the change it tells of, so that neither exists alone."""

from __future__ import annotations

import json
from collections.abc import Mapping

from config.clock import now
from config.database import insert_new
from config.identifiers import new_id
from payments.webhooks.models import WebhookEvent

EVENT_IDENTITY = ("sub_merchant_id", "event_key")


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
    insert_new(WebhookEvent, row, unique=EVENT_IDENTITY)


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
