"""Reading reconciliations and discrepancies inside a tenant's scope, or across with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from sqlalchemy import select

from config.database import db
from config.errors import NotFound
from payments.bills.queries import MAX_PAGE, Page, read_date_cursor
from payments.reconciliation.models import Discrepancy, DiscrepancyState, Reconciliation


def list_reconciliations(
    bill_date: date | None = None, *, limit: int = MAX_PAGE, cursor: str | None = None
) -> Page[Reconciliation]:
    """The tenant's days, newest first; `cursor` is the date the page before ended with."""
    limit = min(limit, MAX_PAGE)
    query = select(Reconciliation).order_by(Reconciliation.bill_date.desc())
    if bill_date is not None:
        query = query.where(Reconciliation.bill_date == bill_date)
    if cursor is not None:
        query = query.where(Reconciliation.bill_date < read_date_cursor(cursor))
    rows = db.session.scalars(query.limit(limit + 1)).all()
    more = rows[limit - 1].bill_date.isoformat() if len(rows) > limit else None
    return Page(rows[:limit], more)


def get_reconciliation(reconciliation_id: str) -> Reconciliation:
    """One day within the scope. Raises NotFound, also for another tenant's."""
    here = select(Reconciliation).where(Reconciliation.id == reconciliation_id)
    row = db.session.scalars(here).one_or_none()
    if row is None:
        raise NotFound("There is no such reconciliation.")
    return row


def list_discrepancies(
    reconciliation_id: str,
    *,
    state: DiscrepancyState | None = None,
    limit: int = MAX_PAGE,
    cursor: str | None = None,
) -> Page[Discrepancy]:
    """What differed on one day, in the order it was found. Raises NotFound for the day."""
    get_reconciliation(reconciliation_id)
    limit = min(limit, MAX_PAGE)
    query = (
        select(Discrepancy)
        .where(Discrepancy.reconciliation_id == reconciliation_id)
        .order_by(Discrepancy.id)
    )
    if state is not None:
        query = query.where(Discrepancy.state == state)
    if cursor is not None:
        query = query.where(Discrepancy.id > cursor)
    rows = db.session.scalars(query.limit(limit + 1)).all()
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def unhealed_discrepancies(reconciliation_id: str) -> Iterator[Discrepancy]:
    """Everything that still differs on one day, handled or not."""
    return iter(
        db.session.scalars(
            select(Discrepancy)
            .where(
                Discrepancy.reconciliation_id == reconciliation_id,
                Discrepancy.state != DiscrepancyState.HEALED,
            )
            .order_by(Discrepancy.entry_kind, Discrepancy.number, Discrepancy.ordinal)
        )
    )
