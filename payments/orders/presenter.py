"""The public shape of an order: what the API answers and what events carry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from config.clock import present_moment
from payments.errors import present_kept_refusal
from payments.orders.models import OrderState, TradeType


class OrderFacts(Protocol):
    """What of an order is shown; a mapped row and a row of columns both have it."""

    id: str
    sub_merchant_id: str
    merchant_order_no: str
    out_trade_no: str
    transaction_id: str | None
    sp_mchid: str
    sub_mchid: str
    sp_appid: str
    sub_appid: str | None
    trade_type: TradeType
    state: OrderState
    trade_state: str | None
    description: str
    amount_fen: int
    currency: str
    payer_total_fen: int | None
    refunded_fen: int
    sp_openid: str | None
    sub_openid: str | None
    attach: str | None
    expires_at: datetime
    paid_at: datetime | None
    closed_at: datetime | None
    created_at: datetime
    last_refusal: str | None


def present_order(
    order: OrderFacts, pay_params: Mapping[str, str] | None = None
) -> dict[str, object]:
    """An order as a tenant sees it; `pay_params` only in answers that place or re-sign."""
    openids = {"sp_openid": order.sp_openid, "sub_openid": order.sub_openid}
    shown: dict[str, object] = {
        "id": order.id,
        "object": "order",
        "merchant_order_no": order.merchant_order_no,
        "out_trade_no": order.out_trade_no,
        "transaction_id": order.transaction_id,
        "sp_mchid": order.sp_mchid,
        "sub_mchid": order.sub_mchid,
        "sp_appid": order.sp_appid,
        "sub_appid": order.sub_appid,
        "trade_type": order.trade_type.value,
        "state": order.state.value,
        "trade_state": order.trade_state,
        "description": order.description,
        "amount_fen": order.amount_fen,
        "currency": order.currency,
        "payer_total_fen": order.payer_total_fen,
        "refunded_fen": order.refunded_fen,
        "payer": {name: openid for name, openid in openids.items() if openid},
        "attach": order.attach,
        "expires_at": present_moment(order.expires_at),
        "paid_at": present_moment(order.paid_at),
        "closed_at": present_moment(order.closed_at),
        "created_at": present_moment(order.created_at),
        "last_refusal": present_kept_refusal(order.last_refusal),
    }
    if pay_params is not None:
        shown["pay_params"] = dict(pay_params)
    return shown
