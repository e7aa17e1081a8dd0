"""The day cut: whether a booking near midnight stands on the neighbour day's bill."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date

from sqlalchemy import and_, select

from config.batches import batches, one_of
from config.database import db
from payments.bills.models import ALL_TRADE, TradeBill, TradeBillPart, TradeBillState

BILLS_AT_ONCE = 100  # one part of each is held in memory


class Neighbours:
    """The neighbour days' bills, as far as some numbers are concerned."""

    def __init__(self, wanted: Iterable[tuple[str, str, date]]) -> None:
        """`wanted`: sub_merchant_id, number and the day whose bill may have it."""
        numbers: dict[tuple[str, date], set[str]] = defaultdict(set)
        for tenant, number, day in wanted:
            numbers[tenant, day].add(number)
        self._found: dict[tuple[str, date], set[str]] = {}
        for some in batches(list(numbers), BILLS_AT_ONCE):
            bills = _bills(some)
            found = _among({bill: numbers[whose] for bill, whose in bills.items()})
            self._found.update((whose, found[bill]) for bill, whose in bills.items())

    def is_here(self, tenant: str, day: date) -> bool:
        """Whether the bill of that day has been divided."""
        return (tenant, day) in self._found

    def has(self, tenant: str, number: str, day: date) -> bool:
        """Whether the tenant's bill of that day has the number."""
        return number in self._found.get((tenant, day), ())


def _bills(wanted: Collection[tuple[str, date]]) -> dict[str, tuple[str, date]]:
    """Which divided bills there are, and whose and of which day each is."""
    rows = db.session.execute(
        select(TradeBill.id, TradeBill.sub_merchant_id, TradeBill.bill_date).where(
            one_of(TradeBill.sub_merchant_id, {tenant for tenant, _ in wanted}),
            TradeBill.bill_date.in_({day for _, day in wanted}),
            TradeBill.bill_type == ALL_TRADE,
            TradeBill.state != TradeBillState.NOT_READY,
        )
    )
    return {bill: (tenant, day) for bill, tenant, day in rows if (tenant, day) in wanted}


def _among(wanted: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Those of the numbers that each bill has; all bills are read together, part by part."""
    found: dict[str, set[str]] = {bill: set() for bill in wanted}
    unread, position = list(wanted), 0
    while unread:
        its_bill = and_(
            TradeBill.id == TradeBillPart.bill_id, TradeBill.token == TradeBillPart.token
        )
        parts = select(TradeBillPart.bill_id, TradeBillPart.entries).join(TradeBill, its_bill)
        rows = db.session.execute(
            parts.where(one_of(TradeBillPart.bill_id, unread), TradeBillPart.position == position)
        ).all()
        for bill, packed in rows:
            entries = zlib.decompress(packed).decode().split("\n")
            found[bill].update({_number(entry) for entry in entries} & wanted[bill])
        unread = [bill for bill, _ in rows if len(found[bill]) < len(wanted[bill])]
        position += 1
    return found


def _number(entry: str) -> str:
    return entry[2 : entry.find("\t", 2)]
