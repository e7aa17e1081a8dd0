"""Open an order at WeChat Pay, and open it again when what it answered has run out.

The stored request is sent byte for byte, so a repeat is the same order there: it answers with a
fresh prepay_id, code_url or h5_url and never charges twice. A payment by code is not opened but
charged: see `by_code`. WeChat Pay documents: "JSAPI/小程序下单", "APP下单", "H5下单", "Native下单",
their "调起支付", and its rules for repeating an order.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast
from urllib.parse import quote

from sqlalchemy import Dialect, bindparam, or_, true, update

from config import audit
from config.clock import now
from config.database import changed_rows, dialect_here, run, transaction
from config.prepared import Prepared
from config.rows import note_stored, reread
from partner.gateway import wechatpay
from partner.wechatpay.errors import OutcomeUnknown, Refused
from payments import metrics
from payments.errors import (
    NoPayParams,
    OrderNotPayable,
    WeChatPayOutcomeUnknown,
    present_refusal,
    refusal_error,
)
from payments.orders.models import Order, OrderState, TradeType
from payments.orders.schedule import next_check
from payments.orders.states import OPEN
from payments.orders.sync import sync_order
from payments.orders.ways import WAYS

SETTLED_THERE = frozenset({"ORDER_PAID", "ORDER_CLOSED"})


def ensure_prepaid(order: Order) -> Order:
    """The order with something a payer can still use to reach the cashier, or as it ended.

    Raises WeChatPayRefused when it answered no, WeChatPayOutcomeUnknown when it may have happened.
    """
    is_over = order.state not in OPEN or order.expires_at <= now()
    if is_over or WAYS[order.trade_type].session is None or usable_session(order) is not None:
        return order
    return _place(order)


def usable_session(order: Order) -> str | None:
    """The prepay_id, code_url or h5_url while it lives; None when it has to be made anew."""
    way = WAYS[order.trade_type]
    if way.session is None or order.prepaid_at is None or now() >= order.prepaid_at + way.life:
        return None
    return cast("str | None", getattr(order, way.session))


def pay_params(order: Order) -> dict[str, str]:
    """What brings the payer to the cashier: signed parameters, or the address to scan or open.

    Raises OrderNotPayable once the order is paid, closed or past its time, NoPayParams for a
    payment by code, which needs none.
    """
    if order.trade_type is TradeType.MICROPAY:
        raise NoPayParams(order_id=order.id)
    order = ensure_prepaid(order)
    session = usable_session(order)
    if order.state is not OrderState.PENDING or not session or order.expires_at <= now():
        raise OrderNotPayable(order_id=order.id, state=order.state.value)
    if order.trade_type is TradeType.NATIVE:
        return {"code_url": session}
    if order.trade_type is TradeType.MWEB:
        return {"h5_url": _coming_back(session, order.redirect_url)}
    client, appid = wechatpay(order.partner_id), paying_appid(order)
    if order.trade_type is TradeType.APP:
        return client.app_pay_params(appid, session).as_dict()
    return client.pay_params(appid, session).as_dict()


def paying_appid(order: Order) -> str:
    """The appid that opens the cashier, and so must sign: for a page the one whose openid pays."""
    if order.trade_type is TradeType.APP:
        return order.sub_appid or order.sp_appid
    return order.sub_appid if order.sub_openid and order.sub_appid else order.sp_appid


def _coming_back(h5_url: str, redirect_url: str | None) -> str:
    # WeChat Pay lets nothing of this address be changed but this be added.
    return f"{h5_url}&redirect_url={quote(redirect_url, safe='')}" if redirect_url else h5_url


def _place(order: Order) -> Order:
    product = WAYS[order.trade_type].product
    try:
        session = wechatpay(order.partner_id).transactions.place(product, order.place_body.encode())
    except Refused as refusal:
        return _refused(order, refusal)
    except OutcomeUnknown as unknown:
        note_open(order, "unknown", {"next_check_at": _soon(order)}, reason=unknown.reason.value)
        raise WeChatPayOutcomeUnknown(
            unknown, order_id=order.id, out_trade_no=order.out_trade_no
        ) from unknown
    return _opened(order, session)


def _opened(order: Order, session: str) -> Order:
    news = {
        "state": OrderState.PENDING,
        "trade_state": "NOTPAY",
        str(WAYS[order.trade_type].session): session,
        "prepaid_at": now(),
        "next_check_at": _soon(order),
        "checks": 0,
        "last_refusal": None,
    }
    if not note_open(order, "opened", news):
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
    if refusal.code in SETTLED_THERE:
        return sync_order(order)
    told = present_refusal(refusal)
    note_open(
        order, "refused", {"last_refusal": json.dumps(told, ensure_ascii=False)}, wechatpay=told
    )
    with transaction():
        # An order that was never opened cannot be paid. One that was opened before stays payable
        # whatever is refused now, so it is asked about as often as any other.
        never_opened = update(Order).where(
            Order.id == order.id, Order.state == OrderState.CREATED, Order.prepaid_at.is_(None)
        )
        changed_rows(never_opened.values(next_check_at=order.expires_at))
    raise refusal_error(refusal, order_id=order.id, out_trade_no=order.out_trade_no) from refusal


def note_open(order: Order, what: str, news: Mapping[str, Any], **detail: Any) -> bool:
    """Write `news` into an order that is still open, with an audit entry `order.<what>`.

    False when the order was paid or closed meanwhile; then nothing is written and it is reread.
    """
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
            reread(order)
    return changed


@cache
def _note_down(dialect: Dialect, names: tuple[str, ...]) -> Prepared:
    here = update(Order.__table__).where(  # type: ignore[arg-type]
        Order.id == bindparam("order_id"),
        # No index serves this form. With a plain `=` PostgreSQL, which plans a prepared statement
        # once, may do it while the table is young by walking through all orders of the tenant.
        (Order.sub_merchant_id == bindparam("sub_merchant_id")).is_(true()),
        or_(*(Order.state == state for state in OPEN)),
    )
    return Prepared(here.values({name: bindparam(name) for name in names}), dialect)


def _soon(order: Order) -> datetime:
    return next_check(checks=0, now=now(), expires_at=order.expires_at)
