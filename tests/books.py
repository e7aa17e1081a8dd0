"""Look at our own books from outside any tenant, as an auditor would."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import select

from config.audit import AuditEntry
from config.database import Base, db, release
from payments.notifications.models import InboxEntry
from payments.orders.models import Order
from payments.refunds.models import Refund, RefundTask
from payments.webhooks.models import WebhookEvent
from submerchants.tenancy import across_tenants

Row = TypeVar("Row")


def order_now(order: Order) -> Order:
    """The order as the database has it at this moment."""
    return next(row for row in all_orders() if row.id == order.id)


def all_orders() -> list[Order]:
    with across_tenants("a test looks at all books"):
        query = select(Order).order_by(Order.created_at, Order.id)
        return _fresh(list(db.session.scalars(query.execution_options(populate_existing=True))))


def refund_now(refund: Refund) -> Refund:
    """The refund as the database has it at this moment."""
    return next(row for row in all_refunds() if row.id == refund.id)


def all_refunds() -> list[Refund]:
    with across_tenants("a test looks at all books"):
        query = select(Refund).order_by(Refund.created_at, Refund.id)
        return _fresh(list(db.session.scalars(query.execution_options(populate_existing=True))))


def all_refund_tasks() -> list[RefundTask]:
    with across_tenants("a test looks at all books"):
        query = select(RefundTask).order_by(RefundTask.opened_at, RefundTask.id)
        return _fresh(list(db.session.scalars(query.execution_options(populate_existing=True))))


def all_events(type: str | None = None) -> list[WebhookEvent]:
    with across_tenants("a test looks at all books"):
        events = _fresh(list(db.session.scalars(select(WebhookEvent))))
    return [event for event in events if type in (None, event.type)]


def inbox() -> list[InboxEntry]:
    query = select(InboxEntry).order_by(InboxEntry.received_at, InboxEntry.id)
    return _fresh(list(db.session.scalars(query.execution_options(populate_existing=True))))


def audit_actions(object_id: str) -> list[str]:
    """What was recorded of one object, oldest first."""
    query = select(AuditEntry).where(AuditEntry.object_id == object_id).order_by(AuditEntry.id)
    return [entry.action for entry in _fresh(list(db.session.scalars(query)))]


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with db.engine.connect() as connection:
        return {
            table.name: sorted(map(tuple, connection.execute(select(table))), key=str)
            for table in Base.metadata.sorted_tables
        }


def _fresh(rows: list[Row]) -> list[Row]:
    release()
    return rows
