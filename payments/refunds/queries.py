"""Reading refunds, always inside somebody's scope: a tenant's own, or across tenants with a reason.

Lists go by keyset, newest first, as those of orders do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, or_, select

from config.database import db
from config.errors import NotFound
from payments.orders.queries import MAX_PAGE, cursor_after, read_cursor
from payments.refunds.models import Refund, RefundState


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundFilter:
    """Which refunds to list; None leaves a question open."""

    merchant_refund_no: str | None = None
    out_refund_no: str | None = None
    order_id: str | None = None
    state: RefundState | None = None
    sub_merchant_id: str | None = None
    created_after: datetime | None = None  # from this moment on
    created_before: datetime | None = None  # before this moment

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL."""
        exact = {
            Refund.merchant_refund_no: self.merchant_refund_no,
            Refund.out_refund_no: self.out_refund_no,
            Refund.order_id: self.order_id,
            Refund.state: self.state,
            Refund.sub_merchant_id: self.sub_merchant_id,
        }
        found = [column == value for column, value in exact.items() if value is not None]
        if self.created_after is not None:
            found.append(Refund.created_at >= self.created_after)
        if self.created_before is not None:
            found.append(Refund.created_at < self.created_before)
        return found


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of a list, and where the next one begins."""

    rows: Sequence[Refund]
    next_cursor: str | None


def get_refund(refund_id: str) -> Refund:
    """One refund within the scope. Raises NotFound, also for another tenant's."""
    refund = db.session.scalars(select(Refund).where(Refund.id == refund_id)).one_or_none()
    if refund is None:
        raise NotFound("There is no such refund.")
    return refund


def list_refunds(chosen: RefundFilter, *, limit: int, cursor: str | None = None) -> Page:
    """Refunds of the filter, newest first. Raises NotACursor for a cursor that is not ours."""
    limit = min(limit, MAX_PAGE)
    rows = db.session.scalars(refunds_matching(chosen, cursor).limit(limit + 1)).all()
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], cursor_after(last.created_at, last.id) if last else None)


def refunds_matching(chosen: RefundFilter, cursor: str | None = None) -> Select[Refund]:
    """The query behind a list, for those who stream all of it."""
    query = select(Refund).where(*chosen.conditions())
    if cursor is not None:
        created_at, row_id = read_cursor(cursor)
        query = query.where(
            Refund.created_at <= created_at,
            or_(Refund.created_at < created_at, Refund.id < row_id),
        )
    return query.order_by(Refund.created_at.desc(), Refund.id.desc())
