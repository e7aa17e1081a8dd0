"""The right to compare a tenant's day: claimed for many tenants in one commit, held by a lease."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, not_, or_, select, update

from config.batches import insert_missing, one_of
from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from payments.bills.models import ALL_TRADE
from payments.reconciliation.models import Reconciliation, ReconciliationState

LEASE = timedelta(minutes=15)

_table: Any = Reconciliation.__table__
_unique = ("sub_merchant_id", "bill_date", "bill_type")


class RunLost(Exception):
    """A lease ran out and somebody else took over, or the bill was divided anew meanwhile.

    Nothing of the interrupted run is recorded as an outcome; the day stays due.
    """


@dataclass(frozen=True, slots=True)
class Claimed:
    """One tenant's day, ours to compare, and how it stood before."""

    reconciliation_id: str
    sub_merchant_id: str
    runs: int
    state: ReconciliationState
    open_count: int


@dataclass(frozen=True, slots=True)
class Run:
    """What one process compares under one token."""

    token: str
    partner_id: str
    bill_date: date
    started_at: datetime


def claim_days(
    run: Run, sub_merchant_ids: Sequence[str], *, unless_compared: Collection[str] = ()
) -> dict[str, Claimed]:
    """Take the right to compare the day for these tenants.

    Left out are those another process holds, and those whose bill of one of the tokens
    `unless_compared` has been compared meanwhile and need no second look.
    """
    moment = now()
    taken = {
        "claim_token": run.token,
        "claimed_until": moment + LEASE,
        "started_at": run.started_at,
    }
    rows = [_fresh(run, tenant) | taken for tenant in sub_merchant_ids]
    mine = (*_key(run), one_of(_table.c.sub_merchant_id, sub_merchant_ids))
    free = or_(_table.c.claimed_until.is_(None), _table.c.claimed_until < moment)
    if unless_compared:
        done = and_(
            _table.c.bill_token.in_(unless_compared),
            or_(_table.c.next_run_at.is_(None), _table.c.next_run_at > moment),
        )
        free = and_(free, or_(_table.c.bill_token.is_(None), not_(done)))
    with transaction():
        before = {
            row.sub_merchant_id: Claimed(
                row.id, row.sub_merchant_id, row.runs, row.state, row.open_count
            )
            for row in db.session.execute(select(_table).where(*mine, free))
        }
        insert_missing(Reconciliation, rows, unique=_unique)
        if before:
            running = {**taken, "state": ReconciliationState.RUNNING}
            changed_rows(update(_table).where(*mine, free).values(**running))
        held = select(_table.c.sub_merchant_id, _table.c.id).where(
            *mine, _table.c.claim_token == run.token
        )
        ids = db.session.execute(held).all()
    return {
        tenant: before.get(tenant) or Claimed(found, tenant, 0, ReconciliationState.RUNNING, 0)
        for tenant, found in ids
    }


def wait_for_bill(run: Run, sub_merchant_ids: Sequence[str]) -> None:
    """Record that these tenants' days cannot be compared yet, where nothing is recorded."""
    waiting = {"state": ReconciliationState.WAITING_FOR_BILL}
    with transaction():
        rows = [_fresh(run, tenant) | waiting for tenant in sub_merchant_ids]
        insert_missing(Reconciliation, rows, unique=_unique)


def hold_days(run: Run, ids: Sequence[str]) -> None:
    """Renew the lease of these reconciliations, in the caller's transaction. Raises RunLost."""
    here = update(_table).where(one_of(_table.c.id, ids), _table.c.claim_token == run.token)
    if changed_rows(here.values(claimed_until=now() + LEASE)) != len(ids):
        raise RunLost(run.token)


def _key(run: Run) -> tuple[Any, ...]:
    return (
        _table.c.partner_id == run.partner_id,
        _table.c.bill_date == run.bill_date,
        _table.c.bill_type == ALL_TRADE,
    )


def _fresh(run: Run, sub_merchant_id: str) -> dict[str, Any]:
    counts = ("matched_count", "ours_count", "ours_amount_fen", "theirs_count")
    return {
        "id": new_id("rec"),
        "sub_merchant_id": sub_merchant_id,
        "partner_id": run.partner_id,
        "bill_date": run.bill_date,
        "bill_type": ALL_TRADE,
        "state": ReconciliationState.RUNNING,
        **dict.fromkeys((*counts, "theirs_amount_fen", "open_count", "runs"), 0),
        "created_at": now(),
    }
