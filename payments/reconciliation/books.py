"""Our side of a bill day: what the books of each room hold for it, in the words of entries.

A source answers one SELECT with the columns `sub_merchant_id, number, wechat_no, amount_fen`, by
the moment WeChat Pay booked a thing (house time is UTC, a bill day is Beijing's). Rows of a kind no
source knows of are on the bill only, and come out as such.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, cast

from sqlalchemy import Select, Table, bindparam, func, select

from config.batches import one_of
from config.clock import beijing_day
from config.database import db
from payments.bills.entries import EntryKind, core
from payments.orders.models import Order
from payments.refunds.models import Refund

# Of the tables themselves: a million rows need no look of the ORM at each.
_order_rows = cast("Table", Order.__table__)
_refund_rows = cast("Table", Refund.__table__)


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of entry and the query for a day's worth of it, between two moments."""

    kind: EntryKind
    entries: Callable[[datetime, datetime], Select[*tuple[Any, ...]]]
    sign: int  # of its amounts in a day's total


def _payments(start: datetime, end: datetime) -> Select[*tuple[Any, ...]]:
    # Money counts from the moment WeChat Pay booked it, whatever has become of the order since.
    entries = select(
        _order_rows.c.sub_merchant_id.label("sub_merchant_id"),
        _order_rows.c.out_trade_no.label("number"),
        _order_rows.c.transaction_id.label("wechat_no"),
        _order_rows.c.amount_fen.label("amount_fen"),
    )
    return entries.where(
        _order_rows.c.paid_at >= _plainly(start), _order_rows.c.paid_at < _plainly(end)
    )


def _refunds(start: datetime, end: datetime) -> Select[*tuple[Any, ...]]:
    # A bill has what WeChat Pay accepted that day, and never corrects it by what came of it.
    entries = select(
        _refund_rows.c.sub_merchant_id.label("sub_merchant_id"),
        _refund_rows.c.out_refund_no.label("number"),
        _refund_rows.c.refund_id.label("wechat_no"),
        _refund_rows.c.amount_fen.label("amount_fen"),
    )
    return entries.where(
        _refund_rows.c.accepted_at >= _plainly(start), _refund_rows.c.accepted_at < _plainly(end)
    )


def _reversals(start: datetime, end: datetime) -> Select[*tuple[Any, ...]]:
    # Payments by code that were given back whole; one that was reversed unpaid is on no bill.
    entries = select(
        _order_rows.c.sub_merchant_id.label("sub_merchant_id"),
        _order_rows.c.out_trade_no.label("number"),
        _order_rows.c.transaction_id.label("wechat_no"),
        _order_rows.c.amount_fen.label("amount_fen"),
    )
    return entries.where(
        _order_rows.c.reversed_at >= _plainly(start), _order_rows.c.reversed_at < _plainly(end)
    )


def _plainly(moment: datetime) -> Any:
    """A moment written into the statement: PostgreSQL plans a prepared one without looking at its
    parameters, and would walk the whole day for every batch of tenants."""
    return bindparam(None, moment, Order.paid_at.type, literal_execute=True)


SOURCES: tuple[Source, ...] = (
    Source(EntryKind.PAYMENT, _payments, sign=1),
    Source(EntryKind.REFUND, _refunds, sign=-1),
    Source(EntryKind.REVERSAL, _reversals, sign=-1),
)


@dataclass(slots=True)
class Book:
    """One tenant's day as our books have it."""

    cores: set[str] = field(default_factory=set)
    amount_fen: int = 0


def entries_of(
    source: Source, day: date, sub_merchant_ids: Sequence[str]
) -> Select[*tuple[Any, ...]]:
    """The source's entries of a Beijing day, of these tenants."""
    query = source.entries(*beijing_day(day))
    tenant = query.selected_columns["sub_merchant_id"]
    return query.where(one_of(tenant, sub_merchant_ids))


def read_books(day: date, sub_merchant_ids: Sequence[str]) -> dict[str, Book]:
    """The books of some tenants for one day; every tenant asked for has one."""
    books = {tenant: Book() for tenant in sub_merchant_ids}
    for source in SOURCES:
        letter, sign = source.kind.value, source.sign
        rows = db.session.execute(entries_of(source, day, sub_merchant_ids))
        for tenant, number, wechat_no, amount_fen in rows:
            book = books[tenant]
            book.cores.add(core(letter, number, wechat_no, amount_fen))
            book.amount_fen += sign * amount_fen
    return books


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
