"""The money: orders, notifications, bills, reconciliation and the API that serves them."""
