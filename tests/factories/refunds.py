"""Refunds: saved rows, and refunds of orders that a payer has paid at the simulator."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update

from config.clock import now
from config.database import changed_rows, transaction
from config.identifiers import new_id
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.numbers import new_out_refund_no
from payments.orders.models import Order, OrderState
from payments.orders.sync import sync_order
from payments.refunds.models import Refund, RefundOrigin, RefundState
from payments.refunds.request import RefundRequest, Requested, request_refund
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.books import order_now
from tests.factories.payments import make_order, place_order

_numbers = itertools.count(1)


def paid_order(
    simulator: Simulator, sub_merchant: SubMerchant, partner: Partner, amount_fen: int = 1000
) -> Order:
    """An order that was placed and paid, here and at the simulator."""
    order = place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=amount_fen)
    simulator.pay(order.out_trade_no)
    with acting_for(sub_merchant.id):
        sync_order(order)
    simulator.notifier.deliver_due()
    return order_now(order)


def refund_request(amount_fen: int = 300, **fields: Any) -> RefundRequest:
    """What a tenant would send; a number of its own unless the test names one."""
    usual: dict[str, Any] = {"merchant_refund_no": f"R-{next(_numbers)}"}
    return RefundRequest(amount_fen=amount_fen, **{**usual, **fields})


def ask_for(order: Order, amount_fen: int = 300, **fields: Any) -> Requested:
    """Ask for a refund through the real use case, as the order's tenant."""
    with acting_for(order.sub_merchant_id):
        return request_refund(order=order, request=refund_request(amount_fen, **fields))


def make_refund(
    *,
    order: Order | None = None,
    state: RefundState = RefundState.REQUESTED,
    amount_fen: int = 40,
    **fields: Any,
) -> Refund:
    """A saved refund that WeChat Pay was never asked about, counted in the sums of its order."""
    number, moment = next(_numbers), now()
    order = order or make_order(state=OrderState.PAID, amount_fen=100)
    refund = Refund(
        **{
            "id": new_id("re"),
            "sub_merchant_id": order.sub_merchant_id,
            "order_id": order.id,
            "merchant_refund_no": f"M{number}",
            "out_refund_no": new_out_refund_no(moment),
            "origin": RefundOrigin.HERE,
            "partner_id": order.partner_id,
            "sp_mchid": order.sp_mchid,
            "sub_mchid": order.sub_mchid,
            "out_trade_no": order.out_trade_no,
            "transaction_id": order.transaction_id,
            "state": state,
            "amount_fen": amount_fen,
            "total_fen": order.amount_fen,
            "currency": order.currency,
            "request_hash": "0" * 64,
            "request_body": "{}",
            "created_at": moment,
            "checks": 0,
            **fields,
        }
    )
    held = amount_fen if state is not RefundState.CLOSED else 0
    back = amount_fen if state is RefundState.SUCCEEDED else 0
    with acting_for(order.sub_merchant_id), transaction() as session:
        session.add(refund)
        sums = {
            "refund_reserved_fen": Order.refund_reserved_fen + held,
            "refund_count": Order.refund_count + int(held > 0),
            "refunded_fen": Order.refunded_fen + back,
        }
        changed_rows(update(Order).where(Order.id == order.id).values(**sums))
    return refund


def move_on(simulator: Simulator, seconds: float = 62) -> datetime:
    """Let time pass at WeChat Pay; answers the moment it then is, for `frozen_at`."""
    simulator.clock.advance(seconds)
    return now() + timedelta(seconds=seconds)
