"""Open an order's prepay session at WeChat Pay, and open it again when it has run out.

The stored request is sent byte for byte, so a repeat is the same order there: it answers with a
fresh session and never charges twice. WeChat Pay documents: "JSAPI/小程序下单", and its rules for
repeating an order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import update

from config import audit
from config.clock import now
from config.database import changed_rows, db, note_stored, transaction
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
    """The order with a prepay session a payer can still use, or as WeChat Pay settled it.

    Raises WeChatPayRefused when it answered no, WeChatPayOutcomeUnknown when it may have happened.
    """
    fresh = order.prepaid_at is not None and now() < order.prepaid_at + PREPAY_LIFE
    if order.state not in OPEN or (order.prepay_id is not None and fresh):
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
    news = {
        "last_refusal": json.dumps(told, ensure_ascii=False),
        "next_check_at": order.expires_at,
    }
    _note(order, "refused", news, wechatpay=told)
    raise refusal_error(refusal, order_id=order.id, out_trade_no=order.out_trade_no) from refusal


def _note(order: Order, what: str, news: Mapping[str, Any], **detail: Any) -> bool:
    with transaction():
        here = update(Order).where(Order.id == order.id, Order.state.in_(OPEN))
        changed = changed_rows(here.values(**news)) == 1
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


def _soon(order: Order) -> Any:
    return next_check(checks=0, now=now(), expires_at=order.expires_at)
