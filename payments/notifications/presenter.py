"""A notification as operators see it: what it was, and the verdict of each check."""

from __future__ import annotations

import json

from config.clock import present_moment
from payments.notifications.models import InboxEntry


def present_entry(entry: InboxEntry) -> dict[str, object]:
    """One inbox entry without its body."""
    return {
        "id": entry.id,
        "notification_id": entry.notification_id,
        "event_type": entry.event_type,
        "state": entry.state.value,
        "reason": entry.reason,
        "out_trade_no": entry.out_trade_no,
        "order_id": entry.order_id,
        "serial": entry.serial,
        "checks": json.loads(entry.verdicts),
        "attempts": entry.attempts,
        "received_at": present_moment(entry.received_at),
        "settled_at": present_moment(entry.settled_at),
    }
