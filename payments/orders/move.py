"""Move an order: one conditional UPDATE that names the states it may come from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from config import audit
from config.clock import now
from config.database import changed_rows
from config.rows import reread
from partner.wechatpay.resources.transactions import REVOKED
from payments.errors import OrderMoveRefused
from payments.orders.models import Order, OrderState
from payments.orders.presenter import present_order
from payments.orders.states import sources_of
from payments.webhooks.publish import publish_event


def move_order(order: Order, to: OrderState, **news: Any) -> bool:
    """Move the row inside the caller's transaction; False when it already stands there.

    Raises OrderMoveRefused when it stands where no move leads there.
    """
    before = order.state
    here = update(Order).where(Order.id == order.id, Order.state.in_(sources_of(to)))
    moved = changed_rows(here.values(state=to, **news)) == 1
    reread(order)
    if not moved and order.state is not to:
        raise OrderMoveRefused(current=order.state, to=to)
    if moved:
        audit.record(
            f"order.{to.value.lower()}",
            object_kind="order",
            object_id=order.id,
            tenant_id=order.sub_merchant_id,
            before=before.value,
        )
    return moved


def close_row(order: Order, **news: Any) -> bool:
    """Write that an order is closed, and tell its tenant; False when it was closed before."""
    closed = move_order(
        order, OrderState.CLOSED, **{"closed_at": now(), "next_check_at": None, **news}
    )
    if closed:
        publish_event(
            sub_merchant_id=order.sub_merchant_id,
            type="order.closed",
            event_key=f"order.closed:{order.id}",
            object_id=order.id,
            data=present_order(order),
        )
    return closed


def reverse_row(order: Order) -> bool:
    """Write that a reversed payment went back in full, and tell its tenant; False if it was known.

    A paid order stays paid; nothing of it can be refunded any more.
    """
    whole = {"refunded_fen": Order.amount_fen, "refund_reserved_fen": Order.amount_fen}
    known = {"trade_state": REVOKED, "reversed_at": now(), "next_check_at": None}
    here = update(Order).where(
        Order.id == order.id, Order.state == OrderState.PAID, Order.reversed_at.is_(None)
    )
    if not changed_rows(here.values(**whole, **known)):
        return False
    reread(order)
    publish_event(
        sub_merchant_id=order.sub_merchant_id,
        type="order.reversed",
        event_key=f"order.reversed:{order.id}",
        object_id=order.id,
        data=present_order(order),
    )
    audit.record(
        "order.reversed",
        object_kind="order",
        object_id=order.id,
        tenant_id=order.sub_merchant_id,
        amount_fen=order.refunded_fen,
    )
    return True
