"""A sub-merchant's bill as the API and webhooks show it."""

from __future__ import annotations

from datetime import date

from config.clock import present_moment
from payments.bills.models import TradeBill, TradeBillState
from payments.money import FEE_PLACES, format_decimal


def present_bill(bill: TradeBill) -> dict[str, object]:
    """State and sums of one day. The fee is in yuan with five decimals: fen cannot hold it."""
    return {
        "id": bill.id,
        "object": "bill",
        "bill_date": bill.bill_date.isoformat(),
        "bill_type": bill.bill_type,
        "state": bill.state.value,
        "row_count": bill.row_count,
        "order_fen": bill.order_fen,
        "settled_fen": bill.settled_fen,
        "requested_refund_fen": bill.requested_refund_fen,
        "refund_fen": bill.refund_fen,
        "fee_yuan": format_decimal(bill.fee_units, FEE_PLACES),
        "ready_at": present_moment(bill.ready_at),
        "download_path": download_path(bill.bill_date) if _can_be_read(bill) else None,
    }


def download_path(bill_date: date) -> str:
    """Where the API hands the file out."""
    return f"/api/v1/bills/{bill_date.isoformat()}/trade.csv"


def _can_be_read(bill: TradeBill) -> bool:
    return bill.state is TradeBillState.READY
