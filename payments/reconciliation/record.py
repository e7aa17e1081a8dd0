"""Record what a run found: discrepancies, outcome, event and audit of many tenants in one commit.

Everything is written under the run's own token. A discrepancy that is there already keeps its id
and its first sight; one that a person has dealt with is left alone; one that this run did not see
again has healed.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, update

from config import audit
from config.batches import batches, insert_missing, one_of, update_rows
from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from config.logs import get_logger
from config.metrics import counter
from payments.bills.entries import EntryKind
from payments.orders.models import Order, TradeType
from payments.reconciliation.claims import Claimed, Run, hold_days
from payments.reconciliation.explanations import under_another_sub_mchid
from payments.reconciliation.findings import Finding
from payments.reconciliation.models import (
    Discrepancy,
    DiscrepancyKind,
    DiscrepancyState,
    Reconciliation,
    ReconciliationState,
)
from payments.reconciliation.presenter import present_outcome
from payments.refunds.models import Refund
from payments.webhooks.models import WebhookEvent
from payments.webhooks.publish import EVENT_IDENTITY, event_row

MAX_RUNS = 12  # what has not healed by then is looked at by a person, not again
LONGEST_PAUSE = timedelta(days=1)

log = get_logger(__name__)
discrepancies_found = counter("discrepancies_total", "Discrepancies recorded.", "kind")
days_compared = counter("reconciliations_total", "Bill days compared.", "state")


@dataclass(slots=True)
class Outcome:
    """What comparing one tenant's day came to."""

    claimed: Claimed
    bill_token: str | None
    matched_count: int
    ours_count: int
    ours_amount_fen: int
    theirs_count: int
    theirs_amount_fen: int
    findings: Sequence[Finding] = ()
    look_again_at: datetime | None = None
    state: ReconciliationState = ReconciliationState.MATCHED
    open_count: int = field(default=0)


def record_outcomes(run: Run, outcomes: Sequence[Outcome]) -> None:
    """Record a batch of tenants' days as done, in one transaction. Raises RunLost."""
    moment = now()
    with transaction():
        hold_days(run, [outcome.claimed.reconciliation_id for outcome in outcomes])
        found = [(outcome.claimed, one) for outcome in outcomes for one in outcome.findings]
        _write_findings(run, found)
        for outcome in outcomes:
            _schedule(outcome)
        for outcome in outcomes:  # whichever of the two tenants was written first
            _tell_the_other_side(outcome.claimed, outcome.findings)
        _settle_states(run, outcomes)
        finished = [_finished(outcome, moment) for outcome in outcomes]
        update_rows(Reconciliation, finished, key="id")
        events = [_event(run, outcome, moment) for outcome in outcomes if _is_news(outcome)]
        insert_missing(WebhookEvent, events, unique=EVENT_IDENTITY)
        _audit(run, outcomes)
    for outcome in outcomes:
        days_compared.labels(outcome.state).inc()


def record_findings(run: Run, claimed: Claimed, findings: Sequence[Finding]) -> None:
    """Record some findings of a day that is still being compared. Raises RunLost."""
    with transaction():
        hold_days(run, [claimed.reconciliation_id])
        _write_findings(run, [(claimed, one) for one in findings])
        _tell_the_other_side(claimed, findings)


def look_again_at(findings: Iterable[Finding]) -> datetime | None:
    """The first moment at which something found may have healed."""
    return min((one.look_again_at for one in findings if one.look_again_at), default=None)


def _write_findings(run: Run, found: Sequence[tuple[Claimed, Finding]]) -> None:
    for some in batches(found):
        known = _known(some)
        for claimed, one in some:
            row = known.get(_about(claimed, one))
            if row is None:
                row = _new_row(claimed, one)
                db.session.add(row)
                discrepancies_found.labels(one.kind).inc()
            row.seen_by = run.token
            if row.state is not DiscrepancyState.HANDLED:
                _tell(row, one)
        _ask_about([one for _, one in some])


def _known(found: Sequence[tuple[Claimed, Finding]]) -> dict[tuple[object, ...], Discrepancy]:
    """The discrepancies that are there already, by what they are about."""
    rows = db.session.scalars(
        select(Discrepancy).where(
            one_of(
                Discrepancy.reconciliation_id, {claimed.reconciliation_id for claimed, _ in found}
            ),
            one_of(Discrepancy.number, {one.entry.number for _, one in found}),
        )
    )
    return {(row.reconciliation_id, row.entry_kind, row.number, row.ordinal): row for row in rows}


def _about(claimed: Claimed, finding: Finding) -> tuple[object, ...]:
    return (
        claimed.reconciliation_id,
        finding.entry.kind,
        finding.entry.number,
        finding.ordinal,
    )


def _new_row(claimed: Claimed, finding: Finding) -> Discrepancy:
    return Discrepancy(
        id=new_id("dis"),
        sub_merchant_id=claimed.sub_merchant_id,
        reconciliation_id=claimed.reconciliation_id,
        entry_kind=finding.entry.kind,
        number=finding.entry.number,
        ordinal=finding.ordinal,
        state=DiscrepancyState.OPEN,
        created_at=now(),
    )


def _tell(row: Discrepancy, finding: Finding) -> None:
    row.kind = finding.kind
    row.state = DiscrepancyState.OPEN
    row.out_trade_no = finding.entry.out_trade_no
    row.transaction_id = finding.entry.transaction_id or None
    row.ours = json.dumps(finding.ours, ensure_ascii=False) if finding.ours else None
    row.theirs = json.dumps(finding.theirs, ensure_ascii=False) if finding.theirs else None
    row.explanation, row.explanation_zh = finding.explanation.en, finding.explanation.zh
    row.updated_at = now()


def _ask_about(findings: Sequence[Finding]) -> None:
    """Have the sweeps ask WeChat Pay about what the bill knows more of than we do."""
    orders = [one.ask_about for one in findings if one.ask_about]
    if orders:
        may_be_reversed = and_(Order.trade_type == TradeType.MICROPAY, Order.reversed_at.is_(None))
        unsure = update(Order).where(
            Order.id.in_(orders), or_(Order.paid_at.is_(None), may_be_reversed)
        )
        changed_rows(unsure.values(next_check_at=now()))
    refunds = [one.ask_about_refund for one in findings if one.ask_about_refund]
    if refunds:
        unheard_of = update(Refund).where(Refund.id.in_(refunds), Refund.accepted_at.is_(None))
        changed_rows(unheard_of.values(next_check_at=now()))


def _tell_the_other_side(claimed: Claimed, findings: Sequence[Finding]) -> None:
    """A payment booked under the wrong tenant is missing at the right one: say so there too."""
    numbers: dict[EntryKind, list[str]] = defaultdict(list)
    for one in findings:
        if one.kind is DiscrepancyKind.TENANT_DIFFERS and one.theirs:
            numbers[one.entry.kind].append(one.entry.number)
    for kind, some in numbers.items():
        log.error("bill books payments under another tenant", numbers=some)
        missing = update(Discrepancy).where(
            Discrepancy.number.in_(some),
            Discrepancy.entry_kind == kind,
            Discrepancy.sub_merchant_id != claimed.sub_merchant_id,
            Discrepancy.kind == DiscrepancyKind.MISSING_THERE,
            Discrepancy.state == DiscrepancyState.OPEN,
        )
        explanation = under_another_sub_mchid(kind)
        told = {
            "kind": DiscrepancyKind.TENANT_DIFFERS,
            "explanation": explanation.en,
            "explanation_zh": explanation.zh,
            "updated_at": now(),
        }
        changed_rows(missing.values(told))


def _schedule(outcome: Outcome) -> None:
    again = outcome.look_again_at or look_again_at(outcome.findings)
    if again is None or outcome.claimed.runs >= MAX_RUNS:
        outcome.look_again_at = None
        return
    pause = min((again - now()) * 2 ** min(outcome.claimed.runs, 8), LONGEST_PAUSE)
    outcome.look_again_at = max(again, now() + pause)


def _settle_states(run: Run, outcomes: Sequence[Outcome]) -> None:
    """Heal what this run did not see again, and count what is left."""
    touched = [one for one in outcomes if one.findings or one.claimed.runs or one.open_count]
    ids = [one.claimed.reconciliation_id for one in touched]
    if not ids:
        return
    db.session.flush()
    of_these = Discrepancy.reconciliation_id.in_(ids)
    gone = update(Discrepancy).where(
        of_these, Discrepancy.state == DiscrepancyState.OPEN, Discrepancy.seen_by != run.token
    )
    changed_rows(gone.values(state=DiscrepancyState.HEALED, updated_at=now()))
    counted: Counter[tuple[str, DiscrepancyState]] = Counter()
    standing = select(Discrepancy.reconciliation_id, Discrepancy.state, func.count()).where(
        of_these, Discrepancy.seen_by == run.token
    )
    grouped = standing.group_by(Discrepancy.reconciliation_id, Discrepancy.state)
    for found, state, count in db.session.execute(grouped):
        counted[found, state] = count
    for one in touched:
        one.open_count = counted[one.claimed.reconciliation_id, DiscrepancyState.OPEN]
        handled = counted[one.claimed.reconciliation_id, DiscrepancyState.HANDLED]
        one.state = state_of(one.open_count, handled)


def state_of(open_count: int, handled_count: int) -> ReconciliationState:
    """What a finished day is, by its discrepancies."""
    if open_count:
        return ReconciliationState.DISCREPANT
    return ReconciliationState.RESOLVED if handled_count else ReconciliationState.MATCHED


def _finished(outcome: Outcome, moment: datetime) -> dict[str, Any]:
    return {
        "id": outcome.claimed.reconciliation_id,
        "claim_token": None,
        "claimed_until": None,
        "runs": outcome.claimed.runs + 1,
        "state": outcome.state,
        "bill_token": outcome.bill_token,
        "matched_count": outcome.matched_count,
        "ours_count": outcome.ours_count,
        "ours_amount_fen": outcome.ours_amount_fen,
        "theirs_count": outcome.theirs_count,
        "theirs_amount_fen": outcome.theirs_amount_fen,
        "open_count": outcome.open_count,
        "next_run_at": outcome.look_again_at if outcome.open_count else None,
        "finished_at": moment,
    }


def _is_news(outcome: Outcome) -> bool:
    """A run that ends as the one before tells a tenant nothing."""
    before = outcome.claimed
    same = (before.state, before.open_count) == (outcome.state, outcome.open_count)
    return before.runs == 0 or not same


def _event(run: Run, outcome: Outcome, moment: datetime) -> dict[str, object]:
    found = outcome.claimed.reconciliation_id
    return event_row(
        sub_merchant_id=outcome.claimed.sub_merchant_id,
        type="reconciliation.completed",
        event_key=f"reconciliation.completed:{found}:{outcome.claimed.runs + 1}",
        object_id=found,
        data=present_outcome(
            outcome,
            id=found,
            bill_date=run.bill_date,
            started_at=run.started_at,
            finished_at=moment,
        ),
    )


def _audit(run: Run, outcomes: Sequence[Outcome]) -> None:
    """One entry for the batch, and one for every tenant whose books differ."""
    audit.record(
        "reconciliation.run",
        object_kind="bill_day",
        object_id=f"{run.partner_id}:{run.bill_date}",
        tenants=len(outcomes),
        matched=sum(outcome.matched_count for outcome in outcomes),
    )
    for outcome in outcomes:
        if outcome.open_count:
            audit.record(
                "reconciliation.discrepant",
                object_kind="reconciliation",
                object_id=outcome.claimed.reconciliation_id,
                tenant_id=outcome.claimed.sub_merchant_id,
                open=outcome.open_count,
            )
