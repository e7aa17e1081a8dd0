"""Refunds that were made elsewhere, taken into our books before a bill day is compared.

WeChat Pay tells nobody of a refund made by hand in its merchant platform; the bill is the first
that shows it. Whose order it belongs to is checked as for any news of a refund. A bill is a picture
of one morning, so the refund counts as under way until WeChat Pay has been asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from config.batches import batches, one_of
from config.database import db, release, transaction
from config.logs import get_logger
from partner.wechatpay.resources.refunds import Refund as Told
from payments.bills.entries import Entry, EntryKind, read_entry
from payments.orders.models import Order
from payments.reconciliation.findings import traded_at
from payments.refunds.confirm import confirm_refund
from payments.refunds.elsewhere import OrderNotPaidHere
from payments.refunds.models import Refund

log = get_logger(__name__)

_REFUND = f"{EntryKind.REFUND.value}\t"


@dataclass(frozen=True, slots=True)
class _Original:
    """What of an order its refund must agree with."""

    out_trade_no: str
    sub_merchant_id: str
    sp_mchid: str
    sub_mchid: str
    amount_fen: int
    currency: str


def take_in_refunds(entries: Mapping[str, Iterable[str]]) -> None:
    """Make known what the bills of some tenants have and the books have not. Crosses tenants."""
    refunds = [
        (tenant, read_entry(entry))
        for tenant, some in entries.items()
        for entry in some
        if entry.startswith(_REFUND)
    ]
    for some in batches(refunds):
        unknown = _unknown(some)
        originals = _originals([entry for _, entry in unknown])
        release()
        for tenant, entry in unknown:
            original = originals.get(entry.out_trade_no)
            if original is not None and original.sub_merchant_id == tenant:
                _take_in(entry, original)


def _unknown(refunds: Sequence[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
    numbers = {entry.number for _, entry in refunds}
    here = select(Refund.out_refund_no).where(one_of(Refund.out_refund_no, numbers))
    known = set(db.session.scalars(here))
    return [(tenant, entry) for tenant, entry in refunds if entry.number not in known]


def _originals(entries: Iterable[Entry]) -> dict[str, _Original]:
    numbers = {entry.out_trade_no for entry in entries}
    if not numbers:
        return {}
    columns = (
        Order.out_trade_no,
        Order.sub_merchant_id,
        Order.sp_mchid,
        Order.sub_mchid,
        Order.amount_fen,
        Order.currency,
    )
    rows = db.session.execute(select(*columns).where(Order.out_trade_no.in_(numbers)))
    return {row.out_trade_no: _Original(*row) for row in rows}


def _take_in(entry: Entry, original: _Original) -> None:
    told = Told(
        sp_mchid=original.sp_mchid,
        sub_mchid=original.sub_mchid,
        mchid=None,
        out_trade_no=entry.out_trade_no,
        transaction_id=entry.transaction_id,
        out_refund_no=entry.number,
        refund_id=entry.wechat_no,
        status="PROCESSING",
        refund_fen=entry.amount_fen,
        total_fen=original.amount_fen,
        payer_refund_fen=None,
        currency=original.currency,
        create_time=traded_at(entry),
        success_time=None,
        user_received_account=None,
    )
    try:
        with transaction():
            confirm_refund(told, learned_by="bill")
    except OrderNotPaidHere:
        return  # its payment is on the bill too, and is asked about
    except IntegrityError as clash:
        log.error("a refund of the bill cannot be taken in", number=entry.number, exc_info=clash)
