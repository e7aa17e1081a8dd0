"""Compare a bill day: every sub-merchant's share against our books, once for each claim.

Ordinary tenants go in batches, a few queries for hundreds of them, and are compared in memory. A
tenant with more rows than that is worth is staged in the database. Memory stays the same for any
number of tenants and any size of bill.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, or_, select

from config.batches import ROWS_A_TRANSACTION, batches, one_of
from config.clock import now
from config.database import db, release
from config.identifiers import new_id
from config.logs import get_logger
from payments.bills.models import ALL_TRADE, TradeBill, TradeBillPart, TradeBillState
from payments.reconciliation.books import read_books, sizes
from payments.reconciliation.claims import Claimed, Run, RunLost, claim_days, wait_for_bill
from payments.reconciliation.compare import compare
from payments.reconciliation.explain import explain
from payments.reconciliation.intake import take_in_refunds
from payments.reconciliation.models import Reconciliation
from payments.reconciliation.record import (
    Outcome,
    look_again_at,
    record_findings,
    record_outcomes,
)
from payments.reconciliation.staging import StagedFigures, staged, staged_differences
from submerchants.tenancy import across_tenants

IN_MEMORY_ROWS = 10_000  # of one tenant, on either side
ROWS_A_BATCH = 10_000  # of all tenants compared together

_parts: Any = TradeBillPart.__table__

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Share:
    """A tenant's bill as far as comparing needs it."""

    sub_merchant_id: str
    bill_id: str
    token: str | None
    row_count: int
    net_fen: int


def reconcile_day(
    *,
    partner_id: str,
    bill_date: date,
    sub_merchant_ids: Sequence[str] | None = None,
    forced: bool = False,
    in_memory_rows: int = IN_MEMORY_ROWS,
) -> int:
    """Compare the day for all tenants of a provider, or for some; answers how many were compared.

    Without `forced` only what is due: never compared, the bill has changed, or something may have
    healed. Tenants asked for by name whose bill is not here are recorded as waiting for it.
    """
    run = Run(new_id("run"), partner_id, bill_date, started_at=now())
    done = 0
    with across_tenants("bill day"):
        shares = _shares(run, sub_merchant_ids, forced)
        if sub_merchant_ids is not None:
            here = {share.sub_merchant_id for share in shares}
            wait_for_bill(run, [tenant for tenant in sub_merchant_ids if tenant not in here])
        for some in batches(shares):
            tokens = {share.token for share in some if share.token and not forced}
            tenants = [share.sub_merchant_id for share in some]
            claimed = claim_days(run, tenants, unless_compared=tokens)
            mine = [share for share in some if share.sub_merchant_id in claimed]
            try:
                for outcomes in _together(_compared(run, mine, claimed, in_memory_rows)):
                    record_outcomes(run, outcomes)
                    done += len(outcomes)
            except RunLost as lost:
                log.warning("comparison given up", bill_date=str(bill_date), told=str(lost))
    return done


def _compared(
    run: Run, shares: Sequence[Share], claimed: dict[str, Claimed], in_memory_rows: int
) -> Iterator[list[Outcome]]:
    ours = sizes(run.bill_date, [share.sub_merchant_id for share in shares])
    rows = {s.sub_merchant_id: max(s.row_count, ours.get(s.sub_merchant_id, 0)) for s in shares}
    small = [share for share in shares if rows[share.sub_merchant_id] <= in_memory_rows]
    for some in _packed(small, rows):
        yield _in_memory(run, some, claimed)
    for share in shares:
        if rows[share.sub_merchant_id] > in_memory_rows:
            yield [_in_database(run, share, claimed[share.sub_merchant_id])]


def _together(batches_of_outcomes: Iterable[list[Outcome]]) -> Iterator[list[Outcome]]:
    """Outcomes that share a commit: as many as there are, until their findings weigh something."""
    held: list[Outcome] = []
    for outcomes in batches_of_outcomes:
        held += outcomes
        if sum(len(outcome.findings) for outcome in held) >= ROWS_A_TRANSACTION:
            yield held
            held = []
    if held:
        yield held


def _packed(shares: Iterable[Share], rows: dict[str, int]) -> Iterator[list[Share]]:
    """Tenants together as long as their rows fit into memory together."""
    held: list[Share] = []
    held_rows = 0
    for share in shares:
        if held and held_rows + rows[share.sub_merchant_id] > ROWS_A_BATCH:
            yield held
            held, held_rows = [], 0
        held.append(share)
        held_rows += rows[share.sub_merchant_id]
    if held:
        yield held


def _in_memory(run: Run, shares: list[Share], claimed: dict[str, Claimed]) -> list[Outcome]:
    theirs = _entries(shares)
    for share in shares:
        _require_all(share, len(theirs.get(share.bill_id, ())))
    take_in_refunds({share.sub_merchant_id: theirs.get(share.bill_id, ()) for share in shares})
    books = read_books(run.bill_date, [share.sub_merchant_id for share in shares])
    compared = {
        share.sub_merchant_id: compare(
            theirs.get(share.bill_id, ()), books[share.sub_merchant_id].cores
        )
        for share in shares
    }
    differences = {tenant: one.differences for tenant, one in compared.items()}
    findings = explain(differences, run.bill_date)
    release()
    return [
        Outcome(
            claimed=claimed[share.sub_merchant_id],
            bill_token=share.token,
            matched_count=compared[share.sub_merchant_id].matched,
            ours_count=len(books[share.sub_merchant_id].cores),
            ours_amount_fen=books[share.sub_merchant_id].amount_fen,
            theirs_count=share.row_count,
            theirs_amount_fen=share.net_fen,
            findings=findings.get(share.sub_merchant_id, ()),
        )
        for share in shares
    ]


def _in_database(run: Run, share: Share, claimed: Claimed) -> Outcome:
    tenant, figures, again, found = share.sub_merchant_id, StagedFigures(), None, 0
    for block in _blocks(share):
        take_in_refunds({tenant: block.decode().split("\n")})
    with staged(_blocks(share)) as connection:
        release()
        for some in staged_differences(connection, run.bill_date, tenant, figures):
            findings = explain({tenant: some}, run.bill_date)[tenant]
            record_findings(run, claimed, findings)
            found += len(findings)
            again = min(filter(None, (again, look_again_at(findings))), default=None)
    return Outcome(
        claimed=claimed,
        bill_token=share.token,
        matched_count=figures.matched,
        ours_count=figures.ours_count,
        ours_amount_fen=figures.ours_amount_fen,
        theirs_count=share.row_count,
        theirs_amount_fen=share.net_fen,
        look_again_at=again,
        open_count=found,
    )


def _shares(run: Run, sub_merchant_ids: Sequence[str] | None, forced: bool) -> list[Share]:
    """The bills of the day that are to be compared."""
    query = (
        select(
            TradeBill.sub_merchant_id,
            TradeBill.id,
            TradeBill.token,
            TradeBill.row_count,
            TradeBill.order_fen - TradeBill.requested_refund_fen,
        )
        .where(
            TradeBill.partner_id == run.partner_id,
            TradeBill.bill_date == run.bill_date,
            TradeBill.bill_type == ALL_TRADE,
            TradeBill.state != TradeBillState.NOT_READY,
        )
        .order_by(TradeBill.sub_merchant_id)
    )
    if sub_merchant_ids is not None:
        query = query.where(TradeBill.sub_merchant_id.in_(sub_merchant_ids))
    if not forced:
        query = query.outerjoin(Reconciliation, same_day()).where(is_due())
    return [Share(*row) for row in db.session.execute(query)]


def same_day() -> Any:
    """A reconciliation and the bill it is about."""
    return and_(
        Reconciliation.sub_merchant_id == TradeBill.sub_merchant_id,
        Reconciliation.bill_date == TradeBill.bill_date,
        Reconciliation.bill_type == TradeBill.bill_type,
    )


def is_due() -> Any:
    """A bill that was not compared as it stands, or a day that may have healed."""
    return or_(
        Reconciliation.bill_token.is_(None),
        Reconciliation.bill_token != TradeBill.token,
        Reconciliation.next_run_at <= now(),
    )


def _entries(shares: Sequence[Share]) -> dict[str, list[str]]:
    entries: dict[str, list[str]] = defaultdict(list)
    for some in batches([share for share in shares if share.row_count], ROWS_A_TRANSACTION):
        rows = db.session.execute(
            select(_parts.c.bill_id, _parts.c.entries).where(
                one_of(_parts.c.bill_id, [share.bill_id for share in some]),
                one_of(_parts.c.token, {share.token for share in some if share.token}),
            )
        )
        for bill_id, packed in rows:
            lines = zlib.decompress(packed).decode().split("\n")
            lines.pop()
            entries[bill_id] += lines
    return entries


def _blocks(share: Share) -> Iterator[bytes]:
    """The entries of one share, a part at a time."""
    position = count = 0
    while packed := db.session.scalar(
        select(TradeBillPart.entries).where(
            TradeBillPart.bill_id == share.bill_id,
            TradeBillPart.token == share.token,
            TradeBillPart.position == position,
        )
    ):
        block = zlib.decompress(packed)
        count += block.count(b"\n")
        yield block
        position += 1
    _require_all(share, count)


def _require_all(share: Share, count: int) -> None:
    """Half a bill is never taken for a whole one: every row left out would be a false alarm."""
    if count != share.row_count:
        raise RunLost(f"{share.bill_id}: {count} entries of {share.row_count}")
