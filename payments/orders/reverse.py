"""Reverse a payment by code: at WeChat Pay first, then here.

Unpaid it is closed, paid it is given back in full. Which of the two it will be is asked first,
because a reversed order need not tell that it was paid. A paid order's whole amount is reserved
before the call, so that no refund takes a part of it meanwhile; until the answer is definite the
order has a next moment to be looked at, and the sweep reverses again. WeChat Pay document:
"撤销订单".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import ceil

from sqlalchemy import update

from config import audit
from config.clock import now
from config.database import changed_rows, transaction
from config.rows import reread
from partner.gateway import wechatpay
from partner.wechatpay.errors import FREQUENCY_LIMITED, OutcomeUnknown, Refused
from partner.wechatpay.resources.transactions import REVOKED
from payments.errors import NotReversible, WeChatPayOutcomeUnknown, refusal_error
from payments.orders.models import Order, OrderState, TradeType
from payments.orders.move import reverse_row
from payments.orders.schedule import next_check
from payments.orders.states import OPEN
from payments.orders.sync import (
    NEVER_ARRIVED,
    apply_answer,
    note_closed_there,
    query_order,
    sync_order,
)

# WeChat Pay wants the payment to have come to rest, and leaves old ones to refunds.
EARLIEST = timedelta(seconds=15)
LATEST = timedelta(days=7)


def reverse_order(order: Order) -> Order:
    """Take a payment by code back, whether it was paid or not. Reversing again changes nothing.

    Raises NotReversible for another kind of order, too early, too late or beside refunds;
    WeChatPayRefused when WeChat Pay will not; WeChatPayOutcomeUnknown when it did not answer, and
    then the sweep goes on trying.
    """
    _require_by_code(order)
    if not _is_over(order):
        _require_time(order)
        if order.state in OPEN:
            order = sync_order(order)
    if _is_over(order):
        return order
    if order.state is OrderState.PAID:
        _reserve_all(order)
    return reverse_at_wechatpay(order)


def settle_code(order: Order) -> Order:
    """What the sweep does: ask, wait while the payer may be typing the password, then reverse.

    Only a reversal that somebody asked for is repeated on a paid order; money that is merely found
    is kept, as with every other way to pay.
    """
    if order.state is OrderState.PAID and order.reversal_asked_at is not None:
        return reverse_at_wechatpay(order)
    order = sync_order(order)
    if order.state is OrderState.PAID:
        return _no_longer_watched(order)
    is_waiting = order.state in OPEN and now() < order.expires_at
    if is_waiting or order.next_check_at is None:
        return order
    return reverse_at_wechatpay(order)


def reverse_at_wechatpay(order: Order) -> Order:
    """Reverse there whatever we believe, and write what came of it."""
    try:
        wechatpay(order.partner_id).transactions.reverse(
            out_trade_no=order.out_trade_no, sub_mchid=order.sub_mchid
        )
    except Refused as refusal:
        return _refused(order, refusal)
    except OutcomeUnknown as unknown:
        raise WeChatPayOutcomeUnknown(unknown, order_id=order.id) from unknown
    return _reversed(order)


def _reversed(order: Order) -> Order:
    found = query_order(order)
    if found is not None and found.is_paid:
        # WeChat Pay has agreed to give it back: an answer that lags behind does not change that.
        return apply_answer(order, replace(found, trade_state=REVOKED), learned_by="query")
    with transaction():
        note_closed_there(order, REVOKED)
        reverse_row(order)
        reread(order)
    return order


def _refused(order: Order, refusal: Refused) -> Order:
    if refusal.code in NEVER_ARRIVED and order.state is not OrderState.PAID:
        with transaction():
            note_closed_there(order, None, look_again=order.state in OPEN)
        return order
    order = sync_order(order)  # it may have been reversed before, or have ended by itself
    if _is_over(order):
        return order
    if refusal.code != FREQUENCY_LIMITED:
        _free_reserve(order)
    raise refusal_error(refusal, order_id=order.id) from refusal


def _no_longer_watched(order: Order) -> Order:
    """Have the sweep ask no more about a paid order, unless its reversal was asked for just now."""
    with transaction():
        settled = update(Order).where(
            Order.id == order.id,
            Order.state == OrderState.PAID,
            Order.reversal_asked_at.is_(None),
        )
        changed_rows(settled.values(next_check_at=None))
        reread(order)
    return order


def _is_over(order: Order) -> bool:
    return order.state is OrderState.CLOSED or order.reversed_at is not None


def _require_by_code(order: Order) -> None:
    if order.trade_type is not TradeType.MICROPAY:
        raise NotReversible(
            "Only a payment by code is reversed. Close this order while it is unpaid, refund it "
            "when it is paid.",
            order_id=order.id,
        )


def _require_time(order: Order) -> None:
    age = now() - order.created_at
    if age < EARLIEST:
        wait = ceil((EARLIEST - age).total_seconds())
        raise NotReversible(
            f"WeChat Pay reverses no payment younger than {EARLIEST.seconds} seconds. Repeat this "
            f"in {wait} seconds.",
            order_id=order.id,
            wait_seconds=wait,
        )
    if age > LATEST:
        raise NotReversible(
            f"WeChat Pay reverses nothing after {LATEST.days} days. Refund the order instead.",
            order_id=order.id,
        )


def _reserve_all(order: Order) -> None:
    if order.reversal_asked_at is not None:
        return  # it was reserved for a reversal that has found no answer yet
    with transaction():
        untouched = update(Order).where(
            Order.id == order.id, Order.state == OrderState.PAID, Order.refund_reserved_fen == 0
        )
        due = next_check(checks=0, now=now(), expires_at=order.expires_at, by_code=True)
        asked_for = {"reversal_asked_at": now(), "next_check_at": due, "checks": 0}
        whole = {"refund_reserved_fen": Order.amount_fen}
        if not changed_rows(untouched.values(**whole, **asked_for)):
            raise NotReversible(
                "A part of this order is being refunded or was. Refund the rest instead.",
                order_id=order.id,
            )
        audit.record(
            "order.reversal_asked",
            object_kind="order",
            object_id=order.id,
            tenant_id=order.sub_merchant_id,
        )
        reread(order)


def _free_reserve(order: Order) -> None:
    """WeChat Pay will not reverse the order: what was reserved for that may be refunded again."""
    with transaction():
        reserved = update(Order).where(
            Order.id == order.id,
            Order.state == OrderState.PAID,
            Order.reversal_asked_at.is_not(None),
            Order.reversed_at.is_(None),
        )
        # Only what was reserved for it: a refund made elsewhere meanwhile keeps its own.
        left = {"refund_reserved_fen": Order.refund_reserved_fen - Order.amount_fen}
        ended = {"reversal_asked_at": None, "next_check_at": None}
        changed_rows(reserved.values(**left, **ended))
        reread(order)
