"""Open an order's prepay session at WeChat Pay, and open it again when it has run out.

The stored request is sent byte for byte, so a repeat is the same order there: it answers with a
fresh session and never charges twice. WeChat Pay documents: "JSAPI/小程序下单", and its rules for
repeating an order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import Dialect, bindparam, or_, update

from config import audit
from config.clock import now
from config.database import changed_rows, db, dialect_here, note_stored, run, transaction
from config.prepared import Prepared
from partner.gateway import wechatpay
from partner.wechatpay.errors import OutcomeUnknown, Refused
from payments import metrics
from payments.errors import (
    OrderNotPayable,
    WeChatPayOutcomeUnknown,
    present_refusal,
    refusal_error,
)
from payments.orders.models import Order, OrderState
from payments.orders.schedule import next_check
from payments.orders.states import OPEN
from payments.orders.sync import sync_order

# A prepay session lives two hours; one that is about to end is not handed out any more.
PREPAY_LIFE = timedelta(hours=2) - timedelta(minutes=5)

_SETTLED_THERE = frozenset({"ORDER_PAID", "ORDER_CLOSED"})


def ensure_prepaid(order: Order) -> Order:
    """The order with a prepay session a payer can still use, or as it ended.

    Raises WeChatPayRefused when it answered no, WeChatPayOutcomeUnknown when it may have happened.
    """
    moment = now()
    fresh = order.prepaid_at is not None and moment < order.prepaid_at + PREPAY_LIFE
    is_over = order.state not in OPEN or order.expires_at <= moment
    if is_over or (order.prepay_id is not None and fresh):
        return order
    return _place(order)


def pay_params(order: Order) -> dict[str, str]:
    """Freshly signed parameters for the page that opens the cashier.

    Raises OrderNotPayable once the order is paid, closed or past its time.
    """
    order = ensure_prepaid(order)
    if order.state is not OrderState.PENDING or not order.prepay_id or order.expires_at <= now():
        raise OrderNotPayable(order_id=order.id, state=order.state.value)
    return wechatpay(order.partner_id).pay_params(paying_appid(order), order.prepay_id).as_dict()


def paying_appid(order: Order) -> str:
    """The appid that runs the page: the one whose openid pays, and the one that must sign."""
    return order.sub_appid if order.sub_openid and order.sub_appid else order.sp_appid


def _place(order: Order) -> Order:
    try:
        prepay_id = wechatpay(order.partner_id).transactions.prepay_jsapi(order.place_body.encode())
    except Refused as refusal:
        return _refused(order, refusal)
    except OutcomeUnknown as unknown:
        _note(order, "unknown", {"next_check_at": _soon(order)}, reason=unknown.reason.value)
        raise WeChatPayOutcomeUnknown(
            unknown, order_id=order.id, out_trade_no=order.out_trade_no
        ) from unknown
    return _opened(order, prepay_id)


def _opened(order: Order, prepay_id: str) -> Order:
    news = {
        "state": OrderState.PENDING,
        "trade_state": "NOTPAY",
        "prepay_id": prepay_id,
        "prepaid_at": now(),
        "next_check_at": _soon(order),
        "checks": 0,
        "last_refusal": None,
    }
    if not _note(order, "opened", news):
        # It was settled while WeChat Pay opened it. Closed here but open there is payable, so the
        # sweep looks at it at once and closes it there too.
        with transaction():
            changed_rows(
                update(Order)
                .where(Order.id == order.id, Order.state == OrderState.CLOSED)
                .values(next_check_at=now())
            )
    metrics.orders_placed.inc()
    return order


def _refused(order: Order, refusal: Refused) -> Order:
    if refusal.code in _SETTLED_THERE:
        return sync_order(order)
    told = present_refusal(refusal)
    _note(order, "refused", {"last_refusal": json.dumps(told, ensure_ascii=False)}, wechatpay=told)
    with transaction():
        # An order that was never opened cannot be paid. One that was opened before stays payable
        # whatever is refused now, so it is asked about as often as any other.
        never_opened = update(Order).where(
            Order.id == order.id, Order.state == OrderState.CREATED, Order.prepay_id.is_(None)
        )
        changed_rows(never_opened.values(next_check_at=order.expires_at))
    raise refusal_error(refusal, order_id=order.id, out_trade_no=order.out_trade_no) from refusal


def _note(order: Order, what: str, news: Mapping[str, Any], **detail: Any) -> bool:
    named = {"order_id": order.id, "sub_merchant_id": order.sub_merchant_id}
    with transaction():
        changed = run(_note_down(dialect_here(), tuple(news)), {**news, **named}).rowcount == 1
        if changed:
            note_stored(order, news)
            audit.record(
                f"order.{what}",
                object_kind="order",
                object_id=order.id,
                tenant_id=order.sub_merchant_id,
                **detail,
            )
        else:
            db.session.refresh(order)
    return changed


@cache
def _note_down(dialect: Dialect, names: tuple[str, ...]) -> Prepared:
    here = update(Order.__table__).where(  # type: ignore[arg-type]
        Order.id == bindparam("order_id"),
        Order.sub_merchant_id == bindparam("sub_merchant_id"),
        or_(*(Order.state == state for state in OPEN)),
    )
    return Prepared(here.values({name: bindparam(name) for name in names}), dialect)


def _soon(order: Order) -> Any:
    return next_check(checks=0, now=now(), expires_at=order.expires_at)
