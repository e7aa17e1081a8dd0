"""The day cut: whether a booking near midnight stands on the neighbour day's bill."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from sqlalchemy import select

from config.database import db
from payments.bills.models import ALL_TRADE, TradeBill, TradeBillPart, TradeBillState


class Neighbours:
    """The neighbour days' bills, as far as some numbers are concerned."""

    def __init__(self, wanted: Iterable[tuple[str, str, date]]) -> None:
        """`wanted`: sub_merchant_id, number and the day whose bill may have it."""
        numbers: dict[tuple[str, date], set[str]] = defaultdict(set)
        for tenant, number, day in wanted:
            numbers[tenant, day].add(number)
        self._found: dict[tuple[str, date], set[str]] = {}
        for (tenant, day), some in numbers.items():
            bill = _bill(tenant, day)
            if bill is not None:
                self._found[tenant, day] = _among(bill, some)

    def is_here(self, tenant: str, day: date) -> bool:
        """Whether the bill of that day has been divided."""
        return (tenant, day) in self._found

    def has(self, tenant: str, number: str, day: date) -> bool:
        """Whether the tenant's bill of that day has the number."""
        return number in self._found.get((tenant, day), ())


def _bill(tenant: str, day: date) -> TradeBill | None:
    return db.session.scalars(
        select(TradeBill).where(
            TradeBill.sub_merchant_id == tenant,
            TradeBill.bill_date == day,
            TradeBill.bill_type == ALL_TRADE,
            TradeBill.state != TradeBillState.NOT_READY,
        )
    ).one_or_none()


def _among(bill: TradeBill, numbers: set[str]) -> set[str]:
    """Those of the numbers that the bill has, read part by part."""
    found: set[str] = set()
    position = 0
    while len(found) < len(numbers):
        packed = db.session.scalar(
            select(TradeBillPart.entries).where(
                TradeBillPart.bill_id == bill.id,
                TradeBillPart.token == bill.token,
                TradeBillPart.position == position,
            )
        )
        if packed is None:
            break
        entries = zlib.decompress(packed).decode().split("\n")
        found.update(number for entry in entries if (number := _number(entry)) in numbers)
        position += 1
    return found


def _number(entry: str) -> str:
    return entry[2 : entry.find("\t", 2)]
