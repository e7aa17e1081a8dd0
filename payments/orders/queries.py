"""Reading orders, always inside somebody's scope: a tenant's own, or across tenants with a reason.

Lists go by keyset, newest first: page one million costs what page one does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Select, or_, select

from config.database import db
from config.errors import NotFound
from payments.errors import NotACursor
from payments.orders.models import Order, OrderState

MAX_PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders to list; None leaves a question open."""

    merchant_order_no: str | None = None
    out_trade_no: str | None = None
    transaction_id: str | None = None
    state: OrderState | None = None
    sub_merchant_id: str | None = None
    created_after: datetime | None = None  # from this moment on
    created_before: datetime | None = None  # before this moment

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL."""
        exact = {
            Order.merchant_order_no: self.merchant_order_no,
            Order.out_trade_no: self.out_trade_no,
            Order.transaction_id: self.transaction_id,
            Order.state: self.state,
            Order.sub_merchant_id: self.sub_merchant_id,
        }
        found = [column == value for column, value in exact.items() if value is not None]
        if self.created_after is not None:
            found.append(Order.created_at >= self.created_after)
        if self.created_before is not None:
            found.append(Order.created_at < self.created_before)
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a list, and where the next one begins."""

    rows: Sequence[Order]
    next_cursor: str | None


def get_order(order_id: str) -> Order:
    """One order within the scope. Raises NotFound, also for another tenant's."""
    order = db.session.scalars(select(Order).where(Order.id == order_id)).one_or_none()
    if order is None:
        raise NotFound("There is no such order.")
    return order


def list_orders(chosen: OrderFilter, *, limit: int, cursor: str | None = None) -> Page:
    """Orders of the filter, newest first. Raises NotACursor for a cursor that is not ours."""
    limit = min(limit, MAX_PAGE)
    rows = db.session.scalars(orders_matching(chosen, cursor).limit(limit + 1)).all()
    more = len(rows) > limit
    last = rows[limit - 1] if more else None
    return Page(rows[:limit], cursor_after(last.created_at, last.id) if last else None)


def orders_matching(chosen: OrderFilter, cursor: str | None = None) -> Select[Order]:
    """The query behind a list, for those who stream all of it."""
    query = select(Order).where(*chosen.conditions())
    if cursor is not None:
        created_at, order_id = read_cursor(cursor)
        # The first condition gives every database a range to begin at; the second only breaks ties.
        query = query.where(
            Order.created_at <= created_at,
            or_(Order.created_at < created_at, Order.id < order_id),
        )
    return query.order_by(Order.created_at.desc(), Order.id.desc())


def cursor_after(created_at: datetime, row_id: str) -> str:
    """Where a list goes on that is ordered by creation and id."""
    text = f"{created_at.isoformat()}|{row_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """The creation and id of the row a list goes on behind. Raises NotACursor."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
        moment, _, order_id = text.partition("|")
        created_at = datetime.fromisoformat(moment)
        if created_at.tzinfo is None or not order_id.isidentifier():
            raise ValueError(moment)
        created_at = created_at.astimezone(UTC)
    except (binascii.Error, ValueError, OverflowError) as error:
        raise NotACursor from error
    return created_at, order_id
