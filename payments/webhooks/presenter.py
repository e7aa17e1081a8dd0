"""Endpoints, events and deliveries as a tenant sees them. A secret is shown where it was made."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from config.clock import present_moment, rfc3339
from config.vault import Secret
from payments.webhooks.models import WebhookAttempt, WebhookEndpoint, WebhookEvent
from payments.webhooks.queries import Delivery


def present_endpoint(endpoint: WebhookEndpoint, secret: Secret | None = None) -> dict[str, object]:
    """An endpoint; with its secret only in the answer that made it."""
    shown: dict[str, object] = {
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "url": endpoint.url,
        "description": endpoint.description,
        "event_types": json.loads(endpoint.event_types),
        "state": endpoint.state.value,
        "disabled_reason": endpoint.disabled_reason,
        "disabled_at": present_moment(endpoint.disabled_at),
        "failing_since": present_moment(endpoint.failing_since),
        "former_secret_until": present_moment(endpoint.previous_secret_until),
        "created_at": rfc3339(endpoint.created_at),
    }
    if secret is not None:
        shown["secret"] = secret.reveal()
    return shown


def present_event(
    event: WebhookEvent, deliveries: Sequence[Delivery] | None = None
) -> dict[str, object]:
    """An event; with where it went, when that was looked up."""
    shown: dict[str, object] = {
        "id": event.id,
        "object": "event",
        "type": event.type,
        "object_id": event.object_id,
        "created_at": rfc3339(event.created_at),
        "data": json.loads(event.data),
    }
    if deliveries is not None:
        shown["deliveries"] = [present_delivery(delivery) for delivery in deliveries]
    return shown


def present_delivery(delivery: Delivery) -> dict[str, object]:
    """One event at one endpoint, with every try that was made."""
    row = delivery.row
    return {
        "id": row.id,
        "object": "webhook_delivery",
        "endpoint_id": row.endpoint_id,
        "event_id": row.event_id,
        "event_type": delivery.event_type,
        "state": row.state.value,
        "tries": row.tries,
        "next_try_at": present_moment(row.next_try_at),
        "delivered_at": present_moment(row.delivered_at),
        "created_at": rfc3339(row.created_at),
        "attempts": [present_attempt(attempt) for attempt in delivery.attempts],
    }


def present_attempt(attempt: WebhookAttempt) -> Mapping[str, object]:
    """One try: `problem` is null when the event was received."""
    return {
        "tried_at": rfc3339(attempt.tried_at),
        "took_ms": attempt.took_ms,
        "status": attempt.status,
        "problem": attempt.problem,
        "reply": attempt.reply,
    }
