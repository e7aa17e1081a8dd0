"""What a difference means: what the books know of it, beyond the one day that was compared.

Reads in batches, writes nothing. Definitions, seen from our books: 长款 (MISSING_HERE) is on the
bill and not in the books, 短款 (MISSING_THERE) is in the books and not on the bill.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import or_, select

from config.batches import batches
from config.clock import beijing_date, beijing_day, now
from config.database import db
from config.words import Words
from payments.bills.entries import Entry, EntryKind, read_entry
from payments.bills.faults import StrayReason
from payments.bills.models import BillStray
from payments.orders.models import Order
from payments.reconciliation import explanations
from payments.reconciliation.compare import Difference
from payments.reconciliation.findings import Finding, Known, present_entry
from payments.reconciliation.models import Discrepancy, DiscrepancyKind
from payments.reconciliation.neighbours import Neighbours
from payments.reconciliation.refund_findings import SOON, RefundBooks

DAY_CUT = timedelta(minutes=10)  # how near midnight a booking may fall on the neighbour day
BILL_HOUR = timedelta(hours=10, minutes=30)  # when the next day's bill has been fetched

_Kind = DiscrepancyKind
_OF_SOMEBODY_ELSE = (StrayReason.OTHER_PROVIDER, StrayReason.UNKNOWN_SUB_MERCHANT)


def explain(differences: Mapping[str, Sequence[Difference]], day: date) -> dict[str, list[Finding]]:
    """Findings for the differences of some tenants. The caller crosses tenants."""
    entries = {
        tenant: [_Sides.of(difference) for difference in some]
        for tenant, some in differences.items()
        if some
    }
    if not entries:
        return {}
    context = _Context(entries, day)
    return {
        tenant: [context.finding(tenant, sides) for sides in some]
        for tenant, some in entries.items()
    }


@dataclass(frozen=True, slots=True)
class _Sides:
    """A difference taken apart."""

    theirs: Entry | None
    ours: Entry | None
    ordinal: int

    @classmethod
    def of(cls, difference: Difference) -> _Sides:
        theirs = read_entry(difference.theirs) if difference.theirs else None
        ours = read_entry(difference.ours) if difference.ours else None
        return cls(theirs, ours, difference.ordinal)

    @property
    def entry(self) -> Entry:
        entry = self.theirs or self.ours
        if entry is None:
            raise ValueError("A difference has at least one side.")
        return entry


class _Context:
    """Everything a batch of differences needs to know, read in a few queries."""

    def __init__(self, differences: Mapping[str, Sequence[_Sides]], day: date) -> None:
        self._day = day
        everything = [sides.entry for some in differences.values() for sides in some]
        of_orders = [entry for entry in everything if entry.kind is not EntryKind.REFUND]
        refunds = [entry for entry in everything if entry.kind is EntryKind.REFUND]
        self._refunds = RefundBooks(refunds, day)
        known = list(_orders_about(of_orders))
        self._by_number = {order.out_trade_no: order for order in known}
        self._by_transaction = {order.transaction_id: order for order in known}
        lonely = [
            (tenant, sides.entry)
            for tenant, some in differences.items()
            for sides in some
            if sides.theirs is None
        ]
        self._elsewhere = _booked_elsewhere([entry.number for _, entry in lonely])
        self._neighbours = Neighbours(
            [
                (tenant, entry.number, day_across)
                for tenant, entry in lonely
                if (day_across := self._neighbour(entry))
            ]
        )

    def finding(self, tenant: str, sides: _Sides) -> Finding:
        """What one difference is."""
        if sides.ordinal:
            return self._duplicate(sides)
        if sides.theirs is None:
            return self._missing_there(tenant, sides.entry)
        if sides.theirs.kind is EntryKind.REFUND:
            return self._refunds.on_the_bill(tenant, sides.theirs)
        if sides.theirs.kind is EntryKind.REVERSAL:
            return self._reversal(tenant, sides.theirs)
        return self._on_the_bill(tenant, sides.theirs)

    def _duplicate(self, sides: _Sides) -> Finding:
        return Finding(
            kind=_Kind.DUPLICATE_ROW,
            entry=sides.entry,
            ordinal=sides.ordinal,
            ours=self._facts(sides.entry) if sides.ours else None,
            theirs=present_entry(sides.entry),
            explanation=explanations.FURTHER_ROW,
        )

    def _reversal(self, tenant: str, entry: Entry) -> Finding:
        order = self._by_number.get(entry.number)
        if order is not None and order.sub_merchant_id != tenant:
            order = None
        kind = _Kind.MISSING_HERE
        told = explanations.REVERSAL_UNHEARD_OF if order else explanations.REVERSAL_OF_NO_ORDER
        if order is not None and order.reversed_at is not None:
            kind = _Kind.DAY_DIFFERS
            told = explanations.another_day(
                entry.kind, here=beijing_date(order.reversed_at), there=self._day
            )
        asks = order is not None and order.reversed_at is None
        return Finding(
            kind=kind,
            entry=entry,
            ours=order.facts if order else None,
            theirs=present_entry(entry),
            explanation=told,
            ask_about=order.order_id if order and asks else None,
            look_again_at=now() + SOON if asks else None,
        )

    def _on_the_bill(self, tenant: str, entry: Entry) -> Finding:
        by_number = self._by_number.get(entry.number)
        order = by_number or self._by_transaction.get(entry.wechat_no)
        if order is not None and order.sub_merchant_id != tenant:
            return Finding(
                kind=_Kind.TENANT_DIFFERS,
                entry=entry,
                theirs=present_entry(entry),
                explanation=explanations.PAYMENT_OF_ANOTHER,
            )
        kind, told = self._verdict(entry, order)
        heals = kind is _Kind.STATE_DIFFERS
        return Finding(
            kind=kind,
            entry=entry,
            ours=order.facts if order else None,
            theirs=present_entry(entry),
            explanation=told,
            ask_about=order.order_id if order and heals else None,
            look_again_at=now() + SOON if heals else None,
        )

    def _verdict(self, entry: Entry, order: Known | None) -> tuple[DiscrepancyKind, Words]:
        if order is None:
            return _Kind.MISSING_HERE, explanations.PAYMENT_OF_NO_ORDER
        if order.amount_fen != entry.amount_fen:
            return _Kind.AMOUNT_DIFFERS, explanations.amounts_differ(
                entry.kind, ours_fen=order.amount_fen, theirs_fen=entry.amount_fen
            )
        # Paid on this very day and not among the books that were compared: paid just now.
        if order.paid_at is None or self._became_paid(entry, order):
            return _Kind.STATE_DIFFERS, explanations.not_paid_here(order.state)
        if order.out_trade_no != entry.number or order.transaction_id != entry.wechat_no:
            return _Kind.NUMBER_DIFFERS, explanations.PAYMENT_NUMBERS_DIFFER
        return _Kind.DAY_DIFFERS, explanations.another_day(
            entry.kind, here=beijing_date(order.paid_at), there=self._day
        )

    def _became_paid(self, entry: Entry, order: Known) -> bool:
        same = (order.out_trade_no, order.transaction_id) == (entry.number, entry.wechat_no)
        return same and order.paid_at is not None and beijing_date(order.paid_at) == self._day

    def _missing_there(self, tenant: str, entry: Entry) -> Finding:
        kind, again = _Kind.MISSING_THERE, None
        told = explanations.not_on_the_bill(entry.kind, to_look_at=None)
        neighbour = self._neighbour(entry)
        if entry.number in self._elsewhere:
            kind = _Kind.TENANT_DIFFERS
            told = explanations.under_another_sub_mchid(entry.kind)
        elif neighbour is not None and self._neighbours.has(tenant, entry.number, neighbour):
            kind = _Kind.DAY_DIFFERS
            told = explanations.on_the_bill_across_midnight(entry.kind, neighbour)
        elif neighbour is not None and not self._neighbours.is_here(tenant, neighbour):
            told = explanations.not_on_the_bill(entry.kind, to_look_at=neighbour)
            again = max(beijing_day(neighbour)[1] + BILL_HOUR, now() + SOON)
        return Finding(
            kind=kind,
            entry=entry,
            ours=self._facts(entry),
            explanation=told,
            look_again_at=again,
        )

    def _facts(self, entry: Entry) -> dict[str, Any] | None:
        """Our side, where there is one."""
        if entry.kind is EntryKind.REFUND:
            return self._refunds.facts(entry.number)
        order = self._by_number.get(entry.number)
        return order.facts if order else None

    def _neighbour(self, entry: Entry) -> date | None:
        """The day a booking of ours near midnight may have fallen on instead."""
        if entry.kind is EntryKind.REFUND:
            booked_at = self._refunds.accepted_at(entry.number)
        else:
            order = self._by_number.get(entry.number)
            is_reversal = entry.kind is EntryKind.REVERSAL
            booked_at = (order.reversed_at if is_reversal else order.paid_at) if order else None
        return _day_across(booked_at, self._day) if booked_at else None


def _day_across(booked_at: datetime, day: date) -> date | None:
    start, end = beijing_day(day)
    if booked_at - start < DAY_CUT:
        return day - timedelta(days=1)
    return day + timedelta(days=1) if end - booked_at <= DAY_CUT else None


def _orders_about(entries: Sequence[Entry]) -> Iterable[Known]:
    for some in batches(entries):
        numbers = [entry.number for entry in some]
        transactions = [entry.wechat_no for entry in some if entry.wechat_no]
        rows = db.session.execute(
            select(
                Order.id,
                Order.sub_merchant_id,
                Order.out_trade_no,
                Order.transaction_id,
                Order.amount_fen,
                Order.state,
                Order.paid_at,
                Order.reversed_at,
            ).where(or_(Order.out_trade_no.in_(numbers), Order.transaction_id.in_(transactions)))
        )
        for row in rows:
            yield Known(*row)


def _booked_elsewhere(numbers: Sequence[str]) -> set[str]:
    """Which numbers of ours a bill names under a number of nobody here, or of another tenant."""
    found: set[str] = set()
    for some in batches(numbers):
        strays = select(BillStray.number).where(
            BillStray.number.in_(some), BillStray.reason.in_(_OF_SOMEBODY_ELSE)
        )
        told = select(Discrepancy.number).where(
            Discrepancy.number.in_(some),
            Discrepancy.kind == DiscrepancyKind.TENANT_DIFFERS,
            Discrepancy.theirs.is_not(None),
        )
        found.update(number for number in db.session.scalars(strays) if number)
        found.update(db.session.scalars(told))
    return found
