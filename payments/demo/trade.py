"""Days of trade: orders spread over the hours, most of them paid, each the way it really happens.

A sale is a story of a few steps: placed, paid or not, asked about where WeChat Pay was silent, and
for some the way of the money back.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select

from config.database import db
from payments.demo.cast import Cast
from payments.demo.ear import await_news
from payments.demo.levers import Levers
from payments.demo.money_back import money_back
from payments.demo.sales import UNPAID_LIFE, Sale
from payments.demo.stories import Story
from payments.orders.create import create_order
from payments.orders.models import Order, OrderState, TradeType
from payments.orders.sweep import sweep_due
from payments.orders.sync import close_order
from submerchants.tenancy import acting_for

SILENCE: Final = frozenset({"left", "lost"})  # what only asking brings to an end


def story_of(sale: Sale, cast: Cast, levers: Levers) -> Story:
    """From the order to whatever becomes of it."""
    yield sale.moment
    order = place(sale, cast, levers)
    if sale.way is not TradeType.MICROPAY:
        yield sale.settled_at
        settle(order, sale, levers)
    if sale.fate in SILENCE:
        yield sale.moment + UNPAID_LIFE * 2
        sweep_due()
    if sale.course is not None:
        yield from money_back(sale.course, order, sale.settled_at, levers)


def place(sale: Sale, cast: Cast, levers: Levers) -> Order:
    """Place the order; at a till, with the code the payer shows."""
    auth_code = None
    if sale.way is TradeType.MICROPAY:
        auth_code = levers.payment_code("password" if sale.fate == "left" else "pay")
    seller = sale.tenant.sub_merchant
    with acting_for(seller.id):
        return create_order(
            sub_merchant=seller, partner=cast.partner, request=sale.request(auth_code)
        ).order


def settle(order: Order, sale: Sale, levers: Levers) -> None:
    """The payer makes up their mind, or the shop does."""
    with acting_for(order.sub_merchant_id):
        if sale.fate == "closed":
            close_order(order)
        if sale.fate == "lost":
            levers.set_fault("notification_missing", out_trade_no=order.out_trade_no)
        if sale.fate in ("paid", "lost"):
            levers.pay(order.out_trade_no)
        if sale.fate == "paid":
            here = select(Order.state).where(Order.id == order.id)
            await_news(lambda: db.session.scalar(here) is OrderState.PAID)
