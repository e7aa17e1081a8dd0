"""What the money floor counts."""

from __future__ import annotations

from config.metrics import counter, seconds

orders_placed = counter("orders_placed_total", "Orders that WeChat Pay opened.")
orders_paid = counter("orders_paid_total", "Orders that became paid.", "learned_by")
closed_orders_paid = counter("closed_orders_paid_total", "Payments that beat our own close.")
notifications = counter("notifications_total", "Calls on the notification address.", "verdict")
notifications_given_up = counter(
    "notifications_given_up_total", "Kept notifications that are not tried again by themselves."
)
notification_seconds = seconds("notification", "From the first byte to the answer.")
refunds_requested = counter("refunds_requested_total", "Refunds that tenants asked for.")
refunds_moved = counter("refunds_moved_total", "Refunds that came to stand in a state.", "state")
webhook_tries = counter("webhook_tries_total", "Webhooks sent to tenants.", "result")
webhook_lag_seconds = seconds("webhook_lag", "From an event to the first byte at its receiver.")
