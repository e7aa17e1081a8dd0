"""Reading links within a tenant's scope, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import or_, select

from config.database import db
from config.errors import NotFound
from payments.checkout.models import CheckoutLink
from payments.errors import NotACursor

MAX_PAGE = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A stretch of the list, and where the next one begins."""

    rows: Sequence[CheckoutLink]
    next_cursor: str | None


def get_link(link_id: str) -> CheckoutLink:
    """One link within the scope. Raises NotFound, also for another tenant's."""
    link = _find(link_id)
    if link is None:
        raise NotFound("There is no such checkout link.")
    return link


def list_links(
    *, limit: int, cursor: str | None = None, merchant_order_no: str | None = None
) -> Page:
    """Links of the scope; `cursor` is the id of the last one of the page before."""
    limit = min(limit, MAX_PAGE)
    query = select(CheckoutLink)
    if merchant_order_no is not None:
        query = query.where(CheckoutLink.merchant_order_no == merchant_order_no)
    if cursor is not None:
        last = _find(cursor)
        if last is None:
            raise NotACursor
        query = query.where(
            CheckoutLink.created_at <= last.created_at,
            or_(CheckoutLink.created_at < last.created_at, CheckoutLink.id < last.id),
        )
    newest_first = query.order_by(CheckoutLink.created_at.desc(), CheckoutLink.id.desc())
    rows = db.session.scalars(newest_first.limit(limit + 1)).all()
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def _find(link_id: str) -> CheckoutLink | None:
    here = select(CheckoutLink).where(CheckoutLink.id == link_id)
    return db.session.scalars(here, execution_options={"populate_existing": True}).one_or_none()
