"""Orders: saved rows, and orders that WeChat Pay knows of."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from config.clock import now
from config.database import transaction
from config.identifiers import new_id
from partner.models import Partner
from payments.numbers import new_out_trade_no
from payments.orders.create import OrderRequest, create_order
from payments.orders.models import Order, OrderState, TradeType
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.submerchants import make_sub_merchant

OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"

_numbers = itertools.count(1)


def make_order(
    *,
    sub_merchant: SubMerchant | None = None,
    amount_fen: int = 100,
    state: OrderState = OrderState.PENDING,
    **fields: Any,
) -> Order:
    """A saved order that WeChat Pay was never asked about."""
    number = next(_numbers)
    owner = sub_merchant or make_sub_merchant()
    is_paid, is_open = state is OrderState.PAID, state in (OrderState.CREATED, OrderState.PENDING)
    order = Order(
        **{
            "id": new_id("ord"),
            "sub_merchant_id": owner.id,
            "merchant_order_no": f"A{number}",
            "out_trade_no": new_out_trade_no(now()),
            "transaction_id": f"42{number:026}" if is_paid else None,
            "partner_id": owner.partner_id,
            "sp_mchid": "1900000001",
            "sub_mchid": owner.sub_mchid,
            "sp_appid": "wx0000000000000001",
            "sub_appid": None,
            "trade_type": TradeType.JSAPI,
            "state": state,
            "trade_state": {"PAID": "SUCCESS", "CLOSED": "CLOSED"}.get(state.value, "NOTPAY"),
            "description": "Tea",
            "amount_fen": amount_fen,
            "currency": "CNY",
            "payer_total_fen": amount_fen if is_paid else None,
            "refunded_fen": 0,
            "sp_openid": OPENID,
            "request_hash": "0" * 64,
            "place_body": "{}",
            "expires_at": now() + timedelta(days=1),
            "paid_at": now() if is_paid else None,
            "closed_at": now() if state is OrderState.CLOSED else None,
            "created_at": now(),
            "next_check_at": now() + timedelta(hours=1) if is_open else None,
            "checks": 0,
            **fields,
        }
    )
    with acting_for(owner.id), transaction() as session:
        session.add(order)
    return order


def order_request(**fields: Any) -> OrderRequest:
    """What a tenant would send for a cup of tea."""
    usual: dict[str, Any] = {
        "merchant_order_no": f"A{next(_numbers)}",
        "description": "Tea",
        "amount_fen": 1800,
        "sub_openid": OPENID,
    }
    return OrderRequest(**{**usual, **fields})


def place_order(*, sub_merchant: SubMerchant, partner: Partner, **fields: Any) -> Order:
    """An order placed at the simulator through the real use case."""
    with acting_for(sub_merchant.id):
        placed = create_order(
            sub_merchant=sub_merchant, partner=partner, request=order_request(**fields)
        )
    return placed.order
