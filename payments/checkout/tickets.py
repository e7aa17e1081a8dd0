"""The merchant's ticket (商家小票) under 点金计划.

With 点金计划 on, WeChat closes the paying page once it is paid and shows a page of its own, with
ours in a frame. The frame must say within three seconds that it is there. WeChat calls one address
for all sub-merchants, with their number and the order's; which order it is, our own rows say.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from flask import Response, request
from flask_babel import force_locale
from sqlalchemy import select

from config.answers import public
from config.database import db
from config.errors import AppError
from config.logs import get_logger
from config.pacing import OnceEvery
from payments.checkout import words
from payments.checkout.entry import (
    PAYMENT_APP,
    Opened,
    blueprint,
    content_security_policy,
    opens_link,
)
from payments.checkout.language import page_language
from payments.checkout.pages import PAGES_A_MINUTE
from payments.checkout.watch import ASK_EVERY, look
from payments.orders.models import Order
from payments.orders.states import OPEN
from payments.orders.sync import sync_order
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant

_NUMBER: Final = re.compile(r"[0-9A-Za-z_|*-]{6,32}")
_asked = OnceEvery(max(ASK_EVERY, timedelta(seconds=3)))

log = get_logger(__name__)


@blueprint.get("/<token>/ticket")
@opens_link(a_minute=PAGES_A_MINUTE)
def ticket(opened: Opened) -> Response:
    """The ticket of one link."""
    order = look(opened.link).order
    return _framed(order, opened.found.sub_merchant)


@blueprint.get("/ticket")
@public
def ticket_of_order() -> Response:
    """The ticket of whichever order WeChat names; the address that is set at 点金计划.

    `check_code` is WeChat's own and proves nothing to us: only what both numbers name is shown.
    """
    number, sub_mchid = (request.args.get(name, "") for name in ("out_trade_no", "sub_mch_id"))
    with force_locale(page_language()):
        found = _find(number, sub_mchid) if _NUMBER.fullmatch(number) else None
        if found is None:
            return _framed(None, None)
        order, shop = found
        with acting_for(order.sub_merchant_id):
            return _framed(_asked_about(order), shop)


def _find(out_trade_no: str, sub_mchid: str) -> tuple[Order, SubMerchant] | None:
    query = (
        select(Order, SubMerchant)
        .join(SubMerchant, SubMerchant.id == Order.sub_merchant_id)
        .where(Order.out_trade_no == out_trade_no, Order.sub_mchid == sub_mchid)
        .execution_options(populate_existing=True)
    )
    with across_tenants("a ticket finds its tenant through the order"):
        row = db.session.execute(query).one_or_none()
    return None if row is None else (row[0], row[1])


def _asked_about(order: Order) -> Order:
    if order.state not in OPEN or not _asked.is_due(order.id):
        return order
    try:
        return sync_order(order)
    except AppError as error:
        log.warning("a ticket could not ask", order_id=order.id, error=error.code)
        return order


def _framed(order: Order | None, shop: SubMerchant | None) -> Response:
    page = words.draw("ticket", order=order, shop=shop.name if shop else None, parent=PAYMENT_APP)
    response = Response(page, mimetype="text/html")
    response.headers["Content-Security-Policy"] = content_security_policy(PAYMENT_APP)
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "unsafe-none"
    return response
