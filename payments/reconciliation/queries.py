"""Reading reconciliations and discrepancies inside a tenant's scope, or across with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import select

from config.batches import batches, one_of
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


def unhealed_discrepancies(reconciliation_ids: Sequence[str]) -> dict[str, list[Discrepancy]]:
    """Everything that still differs, handled or not, by reconciliation; each asked for is there."""
    found: dict[str, list[Discrepancy]] = {one: [] for one in reconciliation_ids}
    for some in batches(reconciliation_ids):
        query = (
            select(Discrepancy)
            .where(
                one_of(Discrepancy.reconciliation_id, some),
                Discrepancy.state != DiscrepancyState.HEALED,
            )
            .order_by(Discrepancy.entry_kind, Discrepancy.number, Discrepancy.ordinal)
        )
        for row in db.session.scalars(query):
            found[row.reconciliation_id].append(row)
    return found
