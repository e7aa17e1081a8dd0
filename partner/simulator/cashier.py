"""The cashier: amount, payee, pay or cancel. Alone on the phone, or inside the bridge's frame.

`return_to` is shown as a link when the payer is done; `opener` is the page's origin when the
bridge laid the cashier over a page, and is told how it ended.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from partner.simulator.ledger import Order
from partner.simulator.order_fields import NATIVE
from partner.simulator.payers import CannotPay
from partner.simulator.people import DEFAULT_PERSON
from partner.simulator.phone import holder
from partner.simulator.sessions import SESSION_LIFE_S

if TYPE_CHECKING:
    from partner.simulator.world import World

ORIGIN: Final = re.compile(r"https?://[0-9A-Za-z.\-\[\]:]{1,255}")
RESULTS: Final = {"paid": "ok", "cancelled": "cancel"}  # anything else ends as fail
STALE: Final = "二维码已失效，请商家刷新后重新扫码"


def add_cashier(blueprint: Blueprint, world: World) -> None:
    """The cashier's paths."""

    @blueprint.get("/cashier/<prepay_id>")
    def cashier(prepay_id: str) -> tuple[str, int]:
        order, state, text = session(world, prepay_id)
        if state == "payable" and request.args.get("result") == "cancelled":
            state = "cancelled"
        opener = _opener()
        if opener:
            g.frame_ancestors = opener
        page = render_template(
            "cashier.html",
            state=state,
            text=text,
            order=order,
            payee=payee(world, order) if order else "",
            prepay_id=prepay_id,
            opener=opener,
            result=RESULTS.get(state, "fail"),
            return_to=_return_to(),
            person=holder(world) or DEFAULT_PERSON,
        )
        return page, 200 if order else 404

    @blueprint.post("/cashier/<prepay_id>/pay")
    def pay(prepay_id: str) -> AnyResponse:
        order, state, _ = session(world, prepay_id)
        if order is None:
            abort(404)
        if state == "payable":
            # Lost to a close or another tap? The page that follows shows what the order has become.
            with suppress(CannotPay):
                world.payers.pay_as(order, holder(world))
        return _back_to(prepay_id)

    @blueprint.post("/cashier/<prepay_id>/cancel")
    def cancel(prepay_id: str) -> AnyResponse:
        return _back_to(prepay_id, result="cancelled")


def session(world: World, prepay_id: str) -> tuple[Order | None, str, str]:
    """The order behind a session, what its payer would see, and the text if it is a refusal."""
    found = world.ledger.find_prepay(prepay_id)
    if found is None:
        return None, "unknown", "支付会话不存在，请回到商家页面重新下单。"
    now = world.clock.timestamp()
    order = world.ledger.settle_overdue(found[0], now)
    stranger = world.payers.stranger_text(order, holder(world))
    if stranger:
        return order, "foreign", stranger
    if order.is_paid:
        return order, "paid", ""
    if order.trade_state == "CLOSED":
        return order, "closed", "商家已关闭这笔订单，无法继续支付。"
    if order.product == NATIVE.name and order.prepay_id != prepay_id:
        return order, "stale", STALE
    if now >= order.expires_at or now - found[1] >= SESSION_LIFE_S:
        return order, "expired", "已过支付时间，请回到商家页面重新下单。"
    return order, "payable", ""


def payee(world: World, order: Order) -> str:
    """Who gets the money, as the payer reads it."""
    provider = world.merchants.find(order.sp_mchid)
    sub = provider.sub_merchants.get(order.sub_mchid) if provider else None
    return sub.name if sub else order.sub_mchid


def _back_to(prepay_id: str, **more: str) -> AnyResponse:
    kept = {"return_to": _return_to(), "opener": _opener()}
    where: dict[str, Any] = {"prepay_id": prepay_id, **kept, **more}
    return redirect(url_for("pages.cashier", **where), 303)


def _return_to() -> str | None:
    """Where the payer came from, if that is a web page: shown as a link, never followed."""
    url = request.values.get("return_to", "")
    return url if urlsplit(url).scheme in ("http", "https") else None


def _opener() -> str | None:
    """The origin of the page under the bridge's frame. It ends up in a policy: no more than one."""
    origin = request.values.get("opener", "")
    return origin if ORIGIN.fullmatch(origin) else None
