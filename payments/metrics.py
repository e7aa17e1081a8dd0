"""What the money floor counts."""

from __future__ import annotations

from config.metrics import counter, seconds

orders_placed = counter("orders_placed_total", "Orders that WeChat Pay opened.")
orders_paid = counter("orders_paid_total", "Orders that became paid.", "learned_by")
closed_orders_paid = counter("closed_orders_paid_total", "Payments that beat our own close.")
notifications = counter("notifications_total", "Calls on the notification address.", "verdict")
notification_seconds = seconds("notification", "From the first byte to the answer.")
