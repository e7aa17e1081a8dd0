"""Our side of a bill day: what the books of each room hold for it, in the words of entries.

A source is read by the moment at which WeChat Pay booked a thing (house time is UTC, a bill day is
Beijing's). Rows of a kind no source knows of are on the bill only, and come out as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import Column, ColumnElement, Select, String, Table, bindparam, func, select

from config.batches import one_of
from config.clock import beijing_day
from config.database import db
from payments.bills.entries import EntryKind
from payments.orders.models import Order
from payments.refunds.models import Refund

# Of the tables themselves: a million rows need no look of the ORM at each.
_orders = cast("Table", Order.__table__)
_refunds = cast("Table", Refund.__table__)


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of entry, and which columns of which table say it."""

    kind: EntryKind
    table: Table
    number: str
    wechat_no: str
    booked_at: str
    sign: int  # of its amounts in a day's total


SOURCES: tuple[Source, ...] = (
    # Money counts from the moment WeChat Pay booked it, whatever has become of the order since.
    Source(EntryKind.PAYMENT, _orders, "out_trade_no", "transaction_id", "paid_at", sign=1),
    # A bill has what WeChat Pay accepted that day, and never corrects it by what came of it.
    Source(EntryKind.REFUND, _refunds, "out_refund_no", "refund_id", "accepted_at", sign=-1),
    # Payments by code that were given back whole; one that was reversed unpaid is on no bill.
    Source(EntryKind.REVERSAL, _orders, "out_trade_no", "transaction_id", "reversed_at", sign=-1),
)


@dataclass(slots=True)
class Book:
    """One tenant's day as our books have it."""

    cores: set[str] = field(default_factory=set)
    amount_fen: int = 0


def entries_of(
    source: Source, day: date, sub_merchant_ids: Sequence[str]
) -> Select[*tuple[Any, ...]]:
    """The source's entries of a Beijing day, of these tenants.

    Columns: `sub_merchant_id`, `number`, `wechat_no` (NULL when it is not known), `amount_fen`.
    """
    columns = source.table.c
    start, end = beijing_day(day)
    booked_at = columns[source.booked_at]
    entries = select(
        columns.sub_merchant_id,
        columns[source.number].label("number"),
        columns[source.wechat_no].label("wechat_no"),
        columns.amount_fen,
    )
    return entries.where(
        booked_at >= _plainly(start, booked_at),
        booked_at < _plainly(end, booked_at),
        one_of(columns.sub_merchant_id, sub_merchant_ids),
    )


def _plainly(moment: datetime, column: Column[Any]) -> Any:
    """A moment written into the statement: PostgreSQL plans a prepared one without looking at its
    parameters, and would walk the whole day for every batch of tenants."""
    return bindparam(None, moment, column.type, literal_execute=True)


def read_books(day: date, sub_merchant_ids: Sequence[str]) -> dict[str, Book]:
    """The books of some tenants for one day; every tenant asked for has one.

    The database writes the cores and hands over one text for a tenant: a row for each entry costs
    several times that, in the driver and here.
    """
    books = {tenant: Book() for tenant in sub_merchant_ids}
    for source in SOURCES:
        entries = entries_of(source, day, sub_merchant_ids).subquery()
        lines = func.aggregate_strings(_core(source.kind, entries.c) + "\n", "")
        tenant, amount_fen = entries.c.sub_merchant_id, entries.c.amount_fen
        query = select(tenant, func.count(), func.sum(amount_fen), lines).group_by(tenant)
        for sub_merchant_id, count, total_fen, text in db.session.execute(query):
            book = books[sub_merchant_id]
            book.cores.update(_all_of(text, count))
            book.amount_fen += source.sign * int(total_fen)
    return books


def _core(kind: EntryKind, entry: Any) -> ColumnElement[str]:
    """What `payments.bills.entries.core` answers, written by the database."""
    wechat_no = func.coalesce(entry.wechat_no, "")
    amount = entry.amount_fen.cast(String)
    core: ColumnElement[str] = f"{kind.value}\t" + entry.number + "\t" + wechat_no + "\t" + amount
    return core


def _all_of(text: str, count: int) -> list[str]:
    """The lines of a text; MySQL cuts one off where it grows too long, and says nothing."""
    *lines, rest = text.split("\n")
    if rest or len(lines) != count:
        raise RuntimeError(f"The database handed over {len(lines)} entries of {count}.")
    return lines


def sizes(day: date, sub_merchant_ids: Sequence[str]) -> dict[str, int]:
    """How many entries each of these tenants has that day; those without any are left out."""
    counted: dict[str, int] = {}
    for source in SOURCES:
        entries = entries_of(source, day, sub_merchant_ids).subquery()
        tenant = entries.c.sub_merchant_id
        rows = db.session.execute(select(tenant, func.count()).group_by(tenant))
        for sub_merchant_id, count in rows:
            counted[sub_merchant_id] = counted.get(sub_merchant_id, 0) + count
    return counted
