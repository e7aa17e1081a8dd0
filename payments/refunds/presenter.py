"""The public shape of a refund: what the API answers and what events carry."""

from __future__ import annotations

from config.clock import present_moment
from payments.errors import present_kept_refusal
from payments.refunds.models import Refund


def present_refund(refund: Refund) -> dict[str, object]:
    """A refund as a tenant sees it."""
    return {
        "id": refund.id,
        "object": "refund",
        "merchant_refund_no": refund.merchant_refund_no,
        "order_id": refund.order_id,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id,
        "out_trade_no": refund.out_trade_no,
        "transaction_id": refund.transaction_id,
        "origin": refund.origin.value,
        "state": refund.state.value,
        "status": refund.status,
        "waiting": refund.waiting.value if refund.waiting else None,
        "amount_fen": refund.amount_fen,
        "currency": refund.currency,
        "payer_refund_fen": refund.payer_refund_fen,
        "reason": refund.reason,
        "last_refusal": present_kept_refusal(refund.last_refusal),
        "succeeded_at": present_moment(refund.succeeded_at),
        "closed_at": present_moment(refund.closed_at),
        "created_at": present_moment(refund.created_at),
    }
