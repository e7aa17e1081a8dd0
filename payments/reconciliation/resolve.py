"""A person's decision about a discrepancy. What was found stays as it is; the decision is added."""

from __future__ import annotations

from sqlalchemy import func, select, update

from config import audit
from config.clock import now
from config.database import changed_rows, db, transaction
from config.errors import Conflict, NotFound, RefusedHere
from payments.reconciliation.models import Discrepancy, DiscrepancyState, Reconciliation
from payments.reconciliation.record import state_of

MAX_DECISION_LENGTH = 500


class NotADecision(RefusedHere):
    """What was given is no sentence that says what was decided."""

    code = "not_a_decision"

    def __init__(self) -> None:
        super().__init__(
            f"Say in at most {MAX_DECISION_LENGTH} characters what was decided and why."
        )


class DiscrepancySettled(Conflict):
    """The discrepancy is no longer open."""

    code = "discrepancy_not_open"

    def __init__(self) -> None:
        super().__init__("This discrepancy has been dealt with, or is gone.")


def read_decision(text: str) -> str:
    """What was decided, in one line: blanks of any kind become one space. Raises NotADecision."""
    line = " ".join(text.split())
    if not line or len(line) > MAX_DECISION_LENGTH or not line.isprintable():
        raise NotADecision
    return line


def get_open_discrepancy(discrepancy_id: str) -> Discrepancy:
    """One that a person may decide about. Raises NotFound, DiscrepancySettled."""
    here = select(Discrepancy).where(Discrepancy.id == discrepancy_id)
    row = db.session.scalars(here).one_or_none()
    if row is None:
        raise NotFound("There is no such discrepancy.")
    if row.state is not DiscrepancyState.OPEN:
        raise DiscrepancySettled
    return row


def resolve_discrepancy(*, discrepancy_id: str, decision: str) -> Discrepancy:
    """Mark an open discrepancy as dealt with: by whom, when and why. No run opens it again.

    Raises NotFound, NotADecision, DiscrepancySettled when it is not open.
    """
    reason = read_decision(decision)
    with transaction():
        row = get_open_discrepancy(discrepancy_id)
        # A run locks the day first and its discrepancies then; so does this, or each may wait for
        # the other.
        day = select(Reconciliation.id).where(Reconciliation.id == row.reconciliation_id)
        db.session.execute(day.with_for_update())
        handled = {
            "state": DiscrepancyState.HANDLED,
            "decision": reason,
            "handled_by": audit.current_actor().id[:128],
            "handled_at": now(),
            "updated_at": now(),
        }
        still_open = update(Discrepancy).where(
            Discrepancy.id == row.id, Discrepancy.state == DiscrepancyState.OPEN
        )
        if not changed_rows(still_open.values(**handled)):
            raise DiscrepancySettled
        _recount(row.reconciliation_id)
        audit.record(
            "discrepancy.handled",
            object_kind="discrepancy",
            object_id=row.id,
            tenant_id=row.sub_merchant_id,
            decision=reason,
        )
        db.session.refresh(row)
    return row


def _recount(reconciliation_id: str) -> None:
    standing = select(Discrepancy.state, func.count()).where(
        Discrepancy.reconciliation_id == reconciliation_id
    )
    counts = dict(db.session.execute(standing.group_by(Discrepancy.state)).all())
    open_count = counts.get(DiscrepancyState.OPEN, 0)
    state = state_of(open_count, counts.get(DiscrepancyState.HANDLED, 0))
    # A day that is being compared just now writes its own outcome when it is done.
    idle = update(Reconciliation).where(
        Reconciliation.id == reconciliation_id, Reconciliation.claim_token.is_(None)
    )
    changed_rows(idle.values(open_count=open_count, state=state))
