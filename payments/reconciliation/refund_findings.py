"""What a difference about a refund means, by what the books know of it and of its order.

A refund belongs to the day WeChat Pay accepted it, whatever became of it since: the bill never
corrects a row. Reads in batches, writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import or_, select

from config.batches import batches
from config.clock import beijing_date, now
from config.database import db
from config.words import Words
from payments.bills.entries import Entry
from payments.orders.models import Order, OrderState
from payments.reconciliation import explanations
from payments.reconciliation.findings import Finding, present_entry
from payments.reconciliation.models import DiscrepancyKind as Kind
from payments.refunds.models import Refund

SOON = timedelta(minutes=10)

_LONGEST_NUMBER = 32  # of an out_trade_no


@dataclass(slots=True)
class KnownRefund:
    """A refund as the books have it; what a difference needs of it."""

    row_id: str
    sub_merchant_id: str
    out_refund_no: str
    refund_id: str | None
    out_trade_no: str
    amount_fen: int
    state: str
    accepted_at: datetime | None
    facts: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.facts = {
            "refund": self.row_id,
            "state": self.state,
            "out_refund_no": self.out_refund_no,
            "refund_id": self.refund_id,
            "out_trade_no": self.out_trade_no,
            "amount_fen": self.amount_fen,
            "accepted_at": self.accepted_at.isoformat() if self.accepted_at else None,
        }


class _Original(NamedTuple):
    """What is asked of the order of a refund that the books do not have."""

    order_id: str
    sub_merchant_id: str
    state: OrderState


class RefundBooks:
    """What the books know of some refunds, and of the orders these belong to."""

    def __init__(self, entries: Sequence[Entry], day: date) -> None:
        self._day = day
        known = list(_refunds_about(entries))
        self._by_number = {refund.out_refund_no: refund for refund in known}
        self._by_refund_id = {refund.refund_id: refund for refund in known}
        unknown = {entry.out_trade_no for entry in entries if self._known(entry) is None}
        self._orders = _orders_with(unknown)

    def facts(self, number: str) -> dict[str, Any] | None:
        """Our side of a difference about this number."""
        refund = self._by_number.get(number)
        return refund.facts if refund else None

    def accepted_at(self, number: str) -> datetime | None:
        """When WeChat Pay accepted our refund of this number."""
        refund = self._by_number.get(number)
        return refund.accepted_at if refund else None

    def on_the_bill(self, tenant: str, entry: Entry) -> Finding:
        """What a refund row is that our books of the day do not have like this."""
        refund = self._known(entry)
        owner = refund.sub_merchant_id if refund else self._owner(entry)
        if owner not in (None, tenant):
            return Finding(
                kind=Kind.TENANT_DIFFERS,
                entry=entry,
                theirs=present_entry(entry),
                explanation=explanations.REFUND_OF_ANOTHER,
            )
        kind, told = self._compared(entry, refund) if refund else self._unheard_of(entry)
        heals = kind is Kind.STATE_DIFFERS
        order = self._orders.get(entry.out_trade_no)
        return Finding(
            kind=kind,
            entry=entry,
            ours=refund.facts if refund else None,
            theirs=present_entry(entry),
            explanation=told,
            ask_about=order.order_id if order and heals and refund is None else None,
            ask_about_refund=refund.row_id if heals and refund else None,
            look_again_at=now() + SOON if heals else None,
        )

    def _known(self, entry: Entry) -> KnownRefund | None:
        return self._by_number.get(entry.number) or self._by_refund_id.get(entry.wechat_no)

    def _owner(self, entry: Entry) -> str | None:
        order = self._orders.get(entry.out_trade_no)
        return order.sub_merchant_id if order else None

    def _unheard_of(self, entry: Entry) -> tuple[Kind, Words]:
        order = self._orders.get(entry.out_trade_no)
        if order is None:
            return Kind.MISSING_HERE, explanations.REFUND_OF_NO_ORDER
        if order.state is not OrderState.PAID:
            return Kind.STATE_DIFFERS, explanations.refunded_unpaid(order.state)
        return Kind.MISSING_HERE, explanations.REFUND_THAT_DOES_NOT_FIT

    def _compared(self, entry: Entry, refund: KnownRefund) -> tuple[Kind, Words]:
        if refund.amount_fen != entry.amount_fen:
            return Kind.AMOUNT_DIFFERS, explanations.amounts_differ(
                entry.kind, ours_fen=refund.amount_fen, theirs_fen=entry.amount_fen
            )
        same = (refund.out_refund_no, refund.refund_id) == (entry.number, entry.wechat_no)
        booked_on = beijing_date(refund.accepted_at) if refund.accepted_at else None
        # Accepted on this very day and not among the books that were compared: just now.
        if booked_on is None or (same and booked_on == self._day):
            return Kind.STATE_DIFFERS, explanations.not_accepted_here(refund.state)
        if not same:
            return Kind.NUMBER_DIFFERS, explanations.REFUND_NUMBERS_DIFFER
        return Kind.DAY_DIFFERS, explanations.another_day(
            entry.kind, here=booked_on, there=self._day
        )


def _refunds_about(entries: Sequence[Entry]) -> Iterable[KnownRefund]:
    for some in batches(entries):
        numbers = [entry.number for entry in some]
        refund_ids = [entry.wechat_no for entry in some if entry.wechat_no]
        rows = db.session.execute(
            select(
                Refund.id,
                Refund.sub_merchant_id,
                Refund.out_refund_no,
                Refund.refund_id,
                Refund.out_trade_no,
                Refund.amount_fen,
                Refund.state,
                Refund.accepted_at,
            ).where(or_(Refund.out_refund_no.in_(numbers), Refund.refund_id.in_(refund_ids)))
        )
        for row in rows:
            yield KnownRefund(*row)


def _orders_with(numbers: Iterable[str]) -> dict[str, _Original]:
    found: dict[str, _Original] = {}
    for some in batches([number for number in numbers if len(number) <= _LONGEST_NUMBER]):
        rows = db.session.execute(
            select(Order.out_trade_no, Order.id, Order.sub_merchant_id, Order.state).where(
                Order.out_trade_no.in_(some)
            )
        )
        for number, order_id, tenant, state in rows:
            found[number] = _Original(order_id, tenant, state)
    return found
