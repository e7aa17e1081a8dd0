"""Ask WeChat Pay what became of an order and write what it said; close an order there, then here.

Every answer goes through `confirm`, the same path that notifications take. An order is closed at
WeChat Pay first: until it agreed, the payer may still be paying. WeChat Pay documents: "查询订单",
"关闭订单".
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from config.clock import now
from config.database import changed_rows, db, transaction
from config.logs import get_logger
from partner.gateway import wechatpay
from partner.wechatpay.errors import OutcomeUnknown, Refused
from partner.wechatpay.resources.transactions import Transaction
from payments.errors import OrderAlreadyPaid, WeChatPayOutcomeUnknown, refusal_error
from payments.orders.confirm import Verdict, confirm_payment
from payments.orders.models import Order, OrderState
from payments.orders.move import close_row
from payments.orders.states import OPEN
from submerchants.tenancy import across_tenants

log = get_logger(__name__)

# A call that was on its way when we closed here may still open the order there: look once more.
SECOND_LOOK = timedelta(minutes=10)

_NEVER_ARRIVED = frozenset({"ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"})
_ENDED_THERE = frozenset({"CLOSED", "REVOKED", "PAYERROR"})


def sync_order(order: Order) -> Order:
    """Ask now, apply the answer, and return the order as it then stands.

    Raises WeChatPayRefused or WeChatPayOutcomeUnknown; the order is untouched by either.
    """
    try:
        found = wechatpay(order.partner_id).transactions.query_by_out_trade_no(
            out_trade_no=order.out_trade_no, sub_mchid=order.sub_mchid
        )
    except Refused as refusal:
        if refusal.code in _NEVER_ARRIVED:
            return order
        raise refusal_error(refusal, order_id=order.id) from refusal
    except OutcomeUnknown as unknown:
        raise WeChatPayOutcomeUnknown(unknown, order_id=order.id) from unknown
    return apply_answer(order, found)


def apply_answer(order: Order, found: Transaction) -> Order:
    """Write what a query said of this order."""
    try:
        return _applied(order, found)
    except IntegrityError:
        # Only WeChat Pay's own number can clash here: another order already holds it.
        db.session.refresh(order)
        reason = "another order already holds this transaction_id"
        log.error("a queried payment disagrees", order_id=order.id, reason=reason)
        return order


def _applied(order: Order, found: Transaction) -> Order:
    with transaction():
        if found.is_paid:
            with across_tenants("a payment finds its tenant through the order"):
                confirmation = confirm_payment(found, learned_by="query")
            if confirmation.verdict is Verdict.DISAGREES:
                log.error(
                    "a queried payment disagrees", order_id=order.id, reason=confirmation.reason
                )
        elif found.trade_state in _ENDED_THERE:
            _closed_there(order, found.trade_state)
        else:
            _still_open(order, found.trade_state)
        db.session.refresh(order)
    return order


def close_order(order: Order) -> Order:
    """Close at WeChat Pay, then here. A closed order stays as it is.

    Raises OrderAlreadyPaid when the money was faster, WeChatPayRefused when WeChat Pay will not
    close it, WeChatPayOutcomeUnknown when it did not answer.
    """
    if order.state is OrderState.PAID:
        raise OrderAlreadyPaid(order_id=order.id, transaction_id=order.transaction_id)
    if order.state is OrderState.CLOSED:
        return order
    return close_at_wechatpay(order)


def close_at_wechatpay(order: Order) -> Order:
    """Make the number unpayable there whatever we believe, and write what came of it."""
    try:
        wechatpay(order.partner_id).transactions.close(
            out_trade_no=order.out_trade_no, sub_mchid=order.sub_mchid
        )
    except Refused as refusal:
        return _close_refused(order, refusal)
    except OutcomeUnknown as unknown:
        raise WeChatPayOutcomeUnknown(unknown, order_id=order.id) from unknown
    with transaction():
        _closed_there(order, "CLOSED")
    return order


def _close_refused(order: Order, refusal: Refused) -> Order:
    if refusal.code in _NEVER_ARRIVED:
        with transaction():
            _closed_there(order, None, look_again=order.state in OPEN)
        return order
    if refusal.code == "ORDER_CLOSED":
        with transaction():
            _closed_there(order, "CLOSED")
        return order
    order = sync_order(order)  # most often it was paid this very moment
    if order.state is OrderState.PAID:
        raise OrderAlreadyPaid(order_id=order.id, transaction_id=order.transaction_id) from refusal
    if order.state is OrderState.CLOSED:
        return order
    raise refusal_error(refusal, order_id=order.id) from refusal


def _closed_there(order: Order, trade_state: str | None, *, look_again: bool = False) -> None:
    news: dict[str, Any] = {"trade_state": trade_state}
    if look_again:
        news["next_check_at"] = now() + SECOND_LOOK
    if order.state is OrderState.PAID or close_row(order, **news):
        return
    settled = {"next_check_at": None, **({"trade_state": trade_state} if trade_state else {})}
    changed_rows(
        update(Order)
        .where(Order.id == order.id, Order.state == OrderState.CLOSED)
        .values(**settled)
    )


def _still_open(order: Order, trade_state: str) -> None:
    news: dict[str, Any] = {"trade_state": trade_state, "state": OrderState.PENDING}
    here = update(Order).where(Order.id == order.id, Order.state.in_(OPEN))
    changed_rows(here.values(**news))
