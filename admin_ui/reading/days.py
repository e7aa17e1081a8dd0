"""Reconciliation as people look at it: a month of days, one day's results, what differs in one."""

from __future__ import annotations

import base64
import binascii
import json
from calendar import Calendar
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, case, func, or_, select

from config.audit import AuditEntry
from config.clock import beijing_date, now
from config.database import db
from config.errors import NotFound
from config.i18n import language_tag
from config.words import Words
from partner.models import Partner
from payments.reconciliation.models import (
    Discrepancy,
    DiscrepancyState,
    Reconciliation,
    ReconciliationState,
)
from submerchants.tenants.models import SubMerchant

ROWS_PER_PAGE = 60
MAX_DIFFERENCES = 200
MONDAY = 0
EARLIEST = date(2015, 1, 1)
_MANY = 1_000
# A day is as good as the worst result in it; earlier in this list is worse.
_WORST_FIRST = (
    ReconciliationState.DISCREPANT,
    ReconciliationState.RUNNING,
    ReconciliationState.WAITING_FOR_BILL,
    ReconciliationState.RESOLVED,
    ReconciliationState.MATCHED,
)


@dataclass(frozen=True, slots=True)
class Day:
    """One cell of the calendar."""

    day: date
    in_month: bool = True
    counts: Mapping[ReconciliationState, int] = field(default_factory=dict)
    open_differences: int = 0

    @property
    def state(self) -> ReconciliationState | None:
        """The worst state of the day's results; None where there is none."""
        return next((state for state in _WORST_FIRST if self.counts.get(state)), None)

    @property
    def results(self) -> int:
        """How many sub-merchants have a result that day."""
        return sum(self.counts.values())

    @property
    def is_today(self) -> bool:
        """Whether it is the present day in Beijing."""
        return self.day == beijing_date(now())

    @property
    def is_ahead(self) -> bool:
        """Whether it has not come yet in Beijing."""
        return self.day > beijing_date(now())


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the calendar, and its neighbours."""

    first: date
    days: list[Day]

    @property
    def before(self) -> date | None:
        """The first of the month before; None at the beginning of all bills."""
        earlier = (self.first - timedelta(days=1)).replace(day=1)
        return earlier if earlier >= EARLIEST else None

    @property
    def after(self) -> date | None:
        """The first of the month after; None while that has not come."""
        later = (self.first + timedelta(days=31)).replace(day=1)
        return later if later <= beijing_date(now()) else None


@dataclass(frozen=True, slots=True)
class Result:
    """One sub-merchant's day."""

    reconciliation: Reconciliation
    sub_merchant: SubMerchant

    @property
    def difference_fen(self) -> int:
        """Theirs less ours."""
        found = self.reconciliation
        return found.theirs_amount_fen - found.ours_amount_fen


@dataclass(frozen=True, slots=True)
class DayResults:
    """A stretch of one day's results, those with differences first."""

    day: Day
    rows: list[Result]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One discrepancy, its two sides opened and laid side by side."""

    row: Discrepancy
    sides: list[tuple[str, Any, Any]]  # field, ours, theirs
    has_ours: bool
    has_theirs: bool
    decided: AuditEntry | None  # a person's decision, as the trail has it

    @property
    def explanation(self) -> str:
        """Why, in the reader's language; in English where the day was compared long ago."""
        told = Words(self.row.explanation_zh or self.row.explanation, self.row.explanation)
        return told.in_language(language_tag())


@dataclass(frozen=True, slots=True)
class OpenDifferences:
    """How many differences nobody has dealt with, counted up to a limit, and the oldest day."""

    number: int
    oldest: date | None


def month_of(text: str | None) -> Month:
    """The month named as 2026-11, else the present one."""
    present = beijing_date(now()).replace(day=1)
    try:
        first = date.fromisoformat(f"{text}-01") if text else present
    except ValueError:
        first = present
    first = min(max(first, EARLIEST), present)
    shown = list(Calendar(MONDAY).itermonthdates(first.year, first.month))
    found = _days(shown[0], shown[-1])
    return Month(
        first,
        [_cell(day, found, in_month=day.month == first.month) for day in shown],
    )


def last_week() -> list[Day]:
    """The seven days before today: a day's bill comes the morning after."""
    today = beijing_date(now())
    found = _days(today - timedelta(days=7), today - timedelta(days=1))
    return [_cell(today - timedelta(days=back), found) for back in range(7, 0, -1)]


def day_results(day: date, state: ReconciliationState | None, cursor: str | None) -> DayResults:
    """The results of a day, those with open differences first."""
    query = (
        select(Reconciliation, SubMerchant)
        .join(SubMerchant, SubMerchant.id == Reconciliation.sub_merchant_id)
        .where(_on(day, day))
        .order_by(Reconciliation.open_count.desc(), Reconciliation.id)
        .limit(ROWS_PER_PAGE + 1)
    )
    if state is not None:
        query = query.where(Reconciliation.state == state)
    if after := _read(cursor):
        open_count, last_id = after
        same = and_(Reconciliation.open_count == open_count, Reconciliation.id > last_id)
        query = query.where(or_(Reconciliation.open_count < open_count, same))
    rows = [Result(found, tenant) for found, tenant in db.session.execute(query)]
    shown = rows[:ROWS_PER_PAGE]
    more = _write(shown[-1].reconciliation) if len(rows) > len(shown) else None
    return DayResults(_cell(day, _days(day, day)), shown, more)


def get_result(reconciliation_id: str) -> Result:
    """One sub-merchant's day within the scope. Raises NotFound."""
    found = db.session.execute(
        select(Reconciliation, SubMerchant)
        .join(SubMerchant, SubMerchant.id == Reconciliation.sub_merchant_id)
        .where(Reconciliation.id == reconciliation_id)
    ).one_or_none()
    if found is None:
        raise NotFound("There is no such reconciliation.")
    return Result(found[0], found[1])


def differences(reconciliation: Reconciliation) -> list[Difference]:
    """What differed that day, open ones first, up to a limit."""
    open_first = case((Discrepancy.state == DiscrepancyState.OPEN, 0), else_=1)
    rows = db.session.scalars(
        select(Discrepancy)
        .where(Discrepancy.reconciliation_id == reconciliation.id)
        .order_by(open_first, Discrepancy.state, Discrepancy.number, Discrepancy.ordinal)
        .limit(MAX_DIFFERENCES)
    ).all()
    decided = _decisions(rows)
    return [_opened(row, decided.get(row.id)) for row in rows]


def open_differences() -> OpenDifferences:
    """The differences of the scope that wait for a person."""
    some = (
        select(Discrepancy.reconciliation_id)
        .where(
            Discrepancy.sub_merchant_id.in_(select(SubMerchant.id)),
            Discrepancy.state == DiscrepancyState.OPEN,
        )
        .limit(_MANY)
        .subquery()
    )
    days = select(func.count(), func.min(Reconciliation.bill_date)).join(
        some, some.c.reconciliation_id == Reconciliation.id
    )
    number, oldest = db.session.execute(days).one()
    return OpenDifferences(number, oldest)


def _decisions(rows: Sequence[Discrepancy]) -> dict[str, AuditEntry]:
    handled = [row.id for row in rows if row.state is DiscrepancyState.HANDLED]
    found = select(AuditEntry).where(
        AuditEntry.object_id.in_(handled), AuditEntry.action == "discrepancy.handled"
    )
    return {entry.object_id: entry for entry in db.session.scalars(found)}


def _days(first: date, last: date) -> dict[date, Day]:
    rows = db.session.execute(
        select(
            Reconciliation.bill_date,
            Reconciliation.state,
            func.count(),
            func.sum(Reconciliation.open_count),
        )
        .where(_on(first, last))
        .group_by(Reconciliation.bill_date, Reconciliation.state)
    )
    counts: dict[date, Counter[ReconciliationState]] = {}
    open_by_day: Counter[date] = Counter()
    for day, state, number, still_open in rows:
        counts.setdefault(day, Counter())[state] += number
        open_by_day[day] += int(still_open or 0)
    return {
        day: Day(day, counts=by_state, open_differences=open_by_day[day])
        for day, by_state in counts.items()
    }


def _on(first: date, last: date) -> Any:
    # The index begins with the provider, so the query names them all.
    return and_(
        Reconciliation.partner_id.in_(select(Partner.id)),
        Reconciliation.bill_date >= first,
        Reconciliation.bill_date <= last,
    )


def _cell(day: date, found: Mapping[date, Day], *, in_month: bool = True) -> Day:
    known = found.get(day)
    if known is None:
        return Day(day, in_month)
    return Day(day, in_month, known.counts, known.open_differences)


def _opened(row: Discrepancy, decided: AuditEntry | None) -> Difference:
    ours = json.loads(row.ours) if row.ours else None
    theirs = json.loads(row.theirs) if row.theirs else None
    names = list(dict.fromkeys([*(ours or {}), *(theirs or {})]))
    sides = [(name, (ours or {}).get(name), (theirs or {}).get(name)) for name in names]
    return Difference(row, sides, ours is not None, theirs is not None, decided)


def _write(row: Reconciliation) -> str:
    return base64.urlsafe_b64encode(f"{row.open_count}|{row.id}".encode()).decode().rstrip("=")


def _read(cursor: str | None) -> tuple[int, str] | None:
    try:
        text = base64.urlsafe_b64decode((cursor or "") + "=" * (-len(cursor or "") % 4)).decode()
        count, _, last_id = text.partition("|")
        return (int(count), last_id) if last_id else None
    except (binascii.Error, ValueError):
        return None
