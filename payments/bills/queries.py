"""Reading bills: a tenant's own, inside the tenant's scope. Nothing here sees a whole file."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from sqlalchemy import select

from config.database import db
from config.errors import NotFound
from payments.bills.models import (
    ALL_TRADE,
    WHOLE_PROVIDER,
    BillDownload,
    DownloadState,
    TradeBill,
    TradeBillPart,
    TradeBillState,
)
from payments.bills.shares import NEWLINE
from payments.bills.totals import FIGURES, Totals, summary_line
from payments.bills.trade_bill import BOM
from payments.errors import NotACursor
from submerchants.tenants.models import SubMerchant

MAX_PAGE = 100

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """A stretch of a list, and where the next one begins."""

    rows: Sequence[_Row]
    next_cursor: str | None


class NoBillYet(NotFound):
    """The tenant has no bill file for this day."""

    code = "bill_not_available"


class BillChanged(RuntimeError):
    """The bill was divided anew while it was being read; read it again."""


def list_bills(
    bill_date: date | None = None, *, limit: int = MAX_PAGE, cursor: str | None = None
) -> Page[TradeBill]:
    """The tenant's bills, newest day first; `cursor` is the date the page before ended with."""
    limit = min(limit, MAX_PAGE)
    query = select(TradeBill).order_by(TradeBill.bill_date.desc())
    if bill_date is not None:
        query = query.where(TradeBill.bill_date == bill_date)
    if cursor is not None:
        query = query.where(TradeBill.bill_date < read_date_cursor(cursor))
    rows = db.session.scalars(query.limit(limit + 1)).all()
    more = rows[limit - 1].bill_date.isoformat() if len(rows) > limit else None
    return Page(rows[:limit], more)


def waiting_bill(sub_merchant: SubMerchant, bill_date: date) -> TradeBill | None:
    """A bill that was asked for and is not here, as a row that is not stored."""
    scopes = (WHOLE_PROVIDER, sub_merchant.sub_mchid)
    here = select(BillDownload.id, BillDownload.created_at).where(
        BillDownload.partner_id == sub_merchant.partner_id,
        BillDownload.scope.in_(scopes),
        BillDownload.bill_date == bill_date,
        BillDownload.state.not_in((DownloadState.DIVIDED, DownloadState.EMPTY)),
    )
    found = db.session.execute(here).first()
    if found is None:
        return None
    return TradeBill(
        id=found.id,
        bill_date=bill_date,
        bill_type=ALL_TRADE,
        state=TradeBillState.NOT_READY,
        created_at=found.created_at,
        ready_at=None,
        **Totals().as_dict(),
    )


def get_bill(bill_date: date) -> TradeBill:
    """The tenant's bill of a Beijing day that has rows. Raises NoBillYet."""
    bill = db.session.scalars(select(TradeBill).where(TradeBill.bill_date == bill_date)).first()
    if bill is None or bill.state is TradeBillState.NOT_READY:
        raise NoBillYet("There is no bill of this day yet. It comes the next day after ten.")
    if bill.state is TradeBillState.EMPTY:
        raise NoBillYet("Nothing was traded on this day, so there is no file.")
    return bill


def stream_trade_csv(bill_date: date) -> Iterator[bytes]:
    """The tenant's rows in WeChat Pay's own format, with a summary of those rows.

    Raises NoBillYet at once. What is streamed is read part by part inside the caller's scope, so
    the scope must last as long as the stream.
    """
    bill = get_bill(bill_date)
    return _pieces(bill)


def _pieces(bill: TradeBill) -> Iterator[bytes]:
    yield BOM + f"{bill.header}{NEWLINE}".encode()
    position = count = 0
    while packed := db.session.scalar(
        select(TradeBillPart.lines).where(
            TradeBillPart.bill_id == bill.id,
            TradeBillPart.token == bill.token,
            TradeBillPart.position == position,
        )
    ):
        lines = zlib.decompress(packed)
        count += lines.count(NEWLINE.encode())
        yield lines
        position += 1
    if count != bill.row_count:
        # It was divided anew while it was read. A transfer that breaks off is seen; a file with
        # rows missing above a summary is not.
        raise BillChanged(f"{count} of {bill.row_count} rows of {bill.id} were left.")
    totals = Totals(**{name: getattr(bill, name) for name in FIGURES})
    summary_header = bill.summary_header or ""
    yield f"{summary_header}{NEWLINE}{summary_line(summary_header, totals)}{NEWLINE}".encode()


def read_date_cursor(cursor: str) -> date:
    """The day a cursor of a list by days stands for. Raises NotACursor."""
    try:
        return date.fromisoformat(cursor)
    except ValueError as error:
        raise NotACursor from error
