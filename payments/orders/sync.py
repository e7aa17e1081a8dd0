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
from config.database import changed_rows, transaction
from config.logs import get_logger
from config.rows import reread
from partner.gateway import wechatpay
from partner.wechatpay.errors import OutcomeUnknown, Refused
from partner.wechatpay.resources.transactions import REFUNDED, REVOKED, SUCCESS, Transaction
from payments.errors import (
    OnlyReversible,
    OrderAlreadyPaid,
    WeChatPayOutcomeUnknown,
    refusal_error,
)
from payments.orders.confirm import Verdict, confirm_payment
from payments.orders.models import Order, OrderState, TradeType
from payments.orders.move import close_row, reverse_row
from payments.orders.states import OPEN
from submerchants.tenancy import across_tenants

log = get_logger(__name__)

# A call that was on its way when we closed here may still open the order there: look once more.
SECOND_LOOK = timedelta(minutes=10)

NEVER_ARRIVED = frozenset({"ORDER_NOT_EXIST", "RESOURCE_NOT_EXISTS"})
_ENDED_THERE = frozenset({"CLOSED", REVOKED, "PAYERROR"})


def sync_order(order: Order) -> Order:
    """Ask now, apply the answer, and return the order as it then stands.

    Raises WeChatPayRefused or WeChatPayOutcomeUnknown; the order is untouched by either.
    """
    found = query_order(order)
    return order if found is None else apply_answer(order, found, learned_by="query")


def query_order(order: Order) -> Transaction | None:
    """What WeChat Pay says of the order now; None when it never heard of it.

    Raises WeChatPayRefused or WeChatPayOutcomeUnknown.
    """
    try:
        return wechatpay(order.partner_id).transactions.query_by_out_trade_no(
            out_trade_no=order.out_trade_no, sub_mchid=order.sub_mchid
        )
    except Refused as refusal:
        if refusal.code in NEVER_ARRIVED:
            return None
        raise refusal_error(refusal, order_id=order.id) from refusal
    except OutcomeUnknown as unknown:
        raise WeChatPayOutcomeUnknown(unknown, order_id=order.id) from unknown


def apply_answer(order: Order, found: Transaction, *, learned_by: str) -> Order:
    """Write what WeChat Pay answered about this order."""
    try:
        return _applied(order, found, learned_by)
    except IntegrityError:
        # Only WeChat Pay's own number can clash here: another order already holds it.
        reread(order)
        reason = "another order already holds this transaction_id"
        log.error("a queried payment disagrees", order_id=order.id, reason=reason)
        return order


def _applied(order: Order, found: Transaction, learned_by: str) -> Order:
    with transaction():
        if found.is_paid:
            with across_tenants("a payment finds its tenant through the order"):
                confirmation = confirm_payment(found, learned_by=learned_by)
            if confirmation.verdict is Verdict.DISAGREES:
                log.error(
                    "a queried payment disagrees", order_id=order.id, reason=confirmation.reason
                )
            elif found.trade_state == REFUNDED:
                _given_back_there(order)
        elif found.trade_state in _ENDED_THERE:
            note_closed_there(order, found.trade_state)
        else:
            _still_open(order, found.trade_state)
        if found.trade_state == REVOKED:
            reverse_row(order)
        reread(order)
    return order


def close_order(order: Order) -> Order:
    """Close at WeChat Pay, then here. A closed order stays as it is.

    Raises OrderAlreadyPaid when the money was faster, OnlyReversible for a payment by code,
    WeChatPayRefused when WeChat Pay will not close it, WeChatPayOutcomeUnknown when it did not
    answer.
    """
    if order.state is OrderState.PAID:
        raise OrderAlreadyPaid(order_id=order.id, transaction_id=order.transaction_id)
    if order.state is OrderState.CLOSED:
        return order
    if order.trade_type is TradeType.MICROPAY:
        raise OnlyReversible(order_id=order.id)
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
        note_closed_there(order, "CLOSED")
    return order


def _close_refused(order: Order, refusal: Refused) -> Order:
    if refusal.code in NEVER_ARRIVED:
        with transaction():
            note_closed_there(order, None, look_again=order.state in OPEN)
        return order
    if refusal.code == "ORDER_CLOSED":
        with transaction():
            note_closed_there(order, "CLOSED")
        return order
    order = sync_order(order)  # most often it was paid this very moment
    if order.state is OrderState.PAID:
        raise OrderAlreadyPaid(order_id=order.id, transaction_id=order.transaction_id) from refusal
    if order.state is OrderState.CLOSED:
        return order
    raise refusal_error(refusal, order_id=order.id) from refusal


def note_closed_there(order: Order, trade_state: str | None, *, look_again: bool = False) -> None:
    """Write inside the caller's transaction that nobody can pay the order any more.

    `look_again` has the sweep make sure in a while: our own call may still have been on its way.
    """
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


def _given_back_there(order: Order) -> None:
    # Somebody refunded in the merchant platform. The order's word is all a query of it shows; the
    # refund itself comes by notification, by its number, or by the bill.
    paid = update(Order).where(Order.id == order.id, Order.state == OrderState.PAID)
    changed_rows(paid.where(Order.trade_state == SUCCESS).values(trade_state=REFUNDED))


def _still_open(order: Order, trade_state: str) -> None:
    news: dict[str, Any] = {"trade_state": trade_state, "state": OrderState.PENDING}
    here = update(Order).where(Order.id == order.id, Order.state.in_(OPEN))
    changed_rows(here.values(**news))
