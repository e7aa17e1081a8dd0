"""Reconciliations and discrepancies as the API, the commands and webhooks show them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from payments.reconciliation.models import Discrepancy, Reconciliation


def present_reconciliation(row: Reconciliation) -> dict[str, Any]:
    """One day's outcome; amounts are payments less refunds."""
    return {
        "id": row.id,
        "object": "reconciliation",
        "bill_date": row.bill_date.isoformat(),
        "bill_type": row.bill_type,
        "state": row.state.value,
        "matched": row.matched_count,
        "ours": {"count": row.ours_count, "amount_fen": row.ours_amount_fen},
        "theirs": {"count": row.theirs_count, "amount_fen": row.theirs_amount_fen},
        "open_discrepancies": row.open_count,
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
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
        "handled_at": _time(row.handled_at),
        "created_at": _time(row.created_at),
    }


def _side(text: str | None) -> Any:
    return json.loads(text) if text else None


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
