"""What the demo leaves for whoever looks at it first: things that wait, and things to try.

Some of it happens once, at the end of the last day; what there is to try is found or made anew with
every load, because somebody may have paid the link or given the money back by now.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, select

from config.clock import BEIJING, now
from config.database import db
from payments.checkout.links import LinkRequest, create_link, page_url
from payments.checkout.models import CheckoutLink
from payments.checkout.queries import list_links
from payments.checkout.standing import LinkState, standing_of
from payments.demo.addresses import open_inbox
from payments.demo.cast import Cast
from payments.demo.levers import Levers
from payments.demo.money_back import ask_back
from payments.demo.sales import SALES_A_DAY, Sale
from payments.demo.stories import Story
from payments.demo.trade import place, settle
from payments.orders.create import LONGEST_LIFE
from payments.orders.models import Order, OrderState
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.queries import partner_of

LINK_NUMBER: Final = "DEMO-LINK-"
LINK_FEN: Final = 3_800
LONG_ENOUGH: Final = timedelta(days=1)
TO_GIVE_BACK_FEN: Final = 100
RECENT_LINKS: Final = 20


def last_story(cast: Cast, levers: Levers, present: datetime) -> Story:
    """The end: a refund that waits for money, one WeChat Pay is still at, and a sale of which
    a webhook will tell.
    """
    yield present
    first, second, third = cast.tenants
    levers.register(sub_merchants=[{"sub_mchid": third.sub_merchant.sub_mchid, "balance_fen": 0}])
    for tenant in (second, third):
        order = _paid_order(tenant.sub_merchant, Order.amount_fen.desc())
        if order is not None:
            ask_back(order, order.amount_fen)
    open_inbox(first.sub_merchant, levers)
    sale = Sale(SALES_A_DAY, present, first, "拿铁 大杯", 2_800)
    settle(place(sale, cast, levers), sale, levers)


def to_try(sub_merchant: SubMerchant) -> dict[str, Any]:
    """A checkout link that may be paid, and an order of which some money can go back."""
    link = _open_link(sub_merchant) or _new_link(sub_merchant)
    order = _paid_order(sub_merchant, Order.created_at.desc())
    return {
        "checkout_link_id": link.id,
        "checkout_url": page_url(link),
        "paid_order_id": None if order is None else order.id,
    }


def _open_link(sub_merchant: SubMerchant) -> CheckoutLink | None:
    with acting_for(sub_merchant.id):
        for link in list_links(limit=RECENT_LINKS).rows:
            lasts = link.expires_at > now() + LONG_ENOUGH
            is_ours = link.merchant_order_no.startswith(LINK_NUMBER)
            if is_ours and lasts and standing_of(link).state is LinkState.OPEN:
                return link
    return None


def _new_link(sub_merchant: SubMerchant) -> CheckoutLink:
    moment = now()
    request = LinkRequest(
        merchant_order_no=f"{LINK_NUMBER}{moment.astimezone(BEIJING):%m%d%H%M%S}",
        description="手冲双人套餐",
        amount_fen=LINK_FEN,
        expires_at=moment + LONGEST_LIFE,
    )
    with acting_for(sub_merchant.id):
        partner = partner_of(sub_merchant)
        return create_link(sub_merchant=sub_merchant, partner=partner, request=request).link


def _paid_order(sub_merchant: SubMerchant, *in_order: Any) -> Order | None:
    """The first paid order of which nothing was given back."""
    here: Select[Order] = select(Order).where(
        Order.state == OrderState.PAID,
        Order.refund_reserved_fen == 0,
        Order.refunded_fen == 0,
        Order.amount_fen >= TO_GIVE_BACK_FEN,
    )
    with acting_for(sub_merchant.id):
        return db.session.scalars(here.order_by(*in_order).limit(1)).one_or_none()
