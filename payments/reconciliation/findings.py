"""A finding: one difference with what was found out about it, ready to be recorded.

Both sides are told in the words of the API, so that whoever reads a discrepancy needs no second
look-up. A tenant's finding never holds anything of another tenant's order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from config.clock import BEIJING
from config.words import Words
from payments.bills.entries import Entry, EntryKind
from payments.reconciliation.models import DiscrepancyKind

_ROW_KINDS = {
    EntryKind.PAYMENT: "SUCCESS",
    EntryKind.REFUND: "REFUND",
    EntryKind.REVERSAL: "REVOKED",
}
_BILL_TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What differs, what it is called, and both sides."""

    kind: DiscrepancyKind
    entry: Entry  # theirs, or ours where there is no other
    ordinal: int = 0
    ours: dict[str, Any] | None = None
    theirs: dict[str, Any] | None = None
    explanation: Words
    ask_about: str | None = None  # an order the sweep is to ask WeChat Pay about
    ask_about_refund: str | None = None  # or a refund
    look_again_at: datetime | None = None


@dataclass(slots=True)
class Known:
    """An order as the books have it; what a difference needs of it."""

    order_id: str
    sub_merchant_id: str
    out_trade_no: str
    transaction_id: str | None
    amount_fen: int
    state: str
    paid_at: datetime | None
    reversed_at: datetime | None
    facts: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.facts = {
            "order_id": self.order_id,
            "state": self.state,
            "out_trade_no": self.out_trade_no,
            "transaction_id": self.transaction_id,
            "amount_fen": self.amount_fen,
            "paid_at": self.paid_at.isoformat() if self.paid_at else None,
        }


def present_entry(entry: Entry) -> dict[str, Any]:
    """A line of the bill, in wire names, with money in fen and the time with its zone."""
    shown = {
        "row": _ROW_KINDS[entry.kind],
        "out_trade_no": entry.out_trade_no,
        "transaction_id": entry.transaction_id,
        "amount_fen": entry.amount_fen,
        "traded_at": traded_at(entry).isoformat(),
        "trade_type": entry.rest[1],
    }
    if entry.kind is EntryKind.REFUND:
        shown |= {"out_refund_no": entry.number, "refund_id": entry.wechat_no}
        shown["refund_status"] = entry.rest[4]
    return shown


def traded_at(entry: Entry) -> datetime:
    """交易时间 with its zone."""
    return datetime.strptime(entry.traded_at, _BILL_TIME).replace(tzinfo=BEIJING)
