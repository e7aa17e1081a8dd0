"""The public shape of an order: what the API answers and what events carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from config.clock import present_moment
from payments.errors import present_kept_refusal
from payments.orders.models import OrderState, TradeType


class OrderFacts(Protocol):
    """What of an order is shown; a mapped row and a row of columns both have it."""

    id: Any
    sub_merchant_id: Any
    merchant_order_no: Any
    out_trade_no: Any
    transaction_id: Any
    sp_mchid: Any
    sub_mchid: Any
    sp_appid: Any
    sub_appid: Any
    trade_type: Any
    state: Any
    trade_state: Any
    description: Any
    amount_fen: Any
    currency: Any
    payer_total_fen: Any
    refunded_fen: Any
    sp_openid: Any
    sub_openid: Any
    attach: Any
    expires_at: Any
    paid_at: Any
    closed_at: Any
    created_at: Any
    last_refusal: Any


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
        "trade_type": TradeType(order.trade_type).value,
        "state": OrderState(order.state).value,
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
