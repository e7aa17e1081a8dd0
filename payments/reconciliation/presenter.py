"""Reconciliations and discrepancies as the API, the commands and webhooks show them."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any, Protocol

from config.clock import present_moment
from payments.bills.models import ALL_TRADE
from payments.reconciliation.models import Discrepancy, Reconciliation, ReconciliationState


class Outcome(Protocol):
    """What is shown of a day: the row has it, and so has a run that is about to write the row."""

    @property
    def state(self) -> ReconciliationState: ...
    @property
    def matched_count(self) -> int: ...
    @property
    def ours_count(self) -> int: ...
    @property
    def ours_amount_fen(self) -> int: ...
    @property
    def theirs_count(self) -> int: ...
    @property
    def theirs_amount_fen(self) -> int: ...
    @property
    def open_count(self) -> int: ...


def present_reconciliation(row: Reconciliation) -> dict[str, Any]:
    """One day's outcome; amounts are payments less refunds."""
    return present_outcome(
        row,
        id=row.id,
        bill_date=row.bill_date,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def present_outcome(
    outcome: Outcome,
    *,
    id: str,
    bill_date: date,
    started_at: datetime | None,
    finished_at: datetime | None,
) -> dict[str, Any]:
    """The same for a day whose row is only being written."""
    return {
        "id": id,
        "object": "reconciliation",
        "bill_date": bill_date.isoformat(),
        "bill_type": ALL_TRADE,
        "state": outcome.state.value,
        "matched": outcome.matched_count,
        "ours": {"count": outcome.ours_count, "amount_fen": outcome.ours_amount_fen},
        "theirs": {"count": outcome.theirs_count, "amount_fen": outcome.theirs_amount_fen},
        "open_discrepancies": outcome.open_count,
        "started_at": present_moment(started_at),
        "finished_at": present_moment(finished_at),
    }


def present_discrepancy(row: Discrepancy) -> dict[str, Any]:
    """One difference with both sides; a side that does not exist is null."""
    return {
        "id": row.id,
        "object": "discrepancy",
        "reconciliation_id": row.reconciliation_id,
        "kind": row.kind.value,
        "state": row.state.value,
        "out_trade_no": row.out_trade_no,
        "transaction_id": row.transaction_id,
        "ours": _side(row.ours),
        "theirs": _side(row.theirs),
        "explanation": row.explanation,
        "decision": row.decision,
        "handled_at": present_moment(row.handled_at),
        "created_at": present_moment(row.created_at),
    }


def _side(text: str | None) -> Any:
    return json.loads(text) if text else None
