"""Days of trade: orders spread over the hours, most of them paid, each the way it really happens.

Both clocks are moved to the moment of each step, so that times here, at WeChat Pay and in the bill
agree. Chance is seeded: every demo looks alike.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import select

from config import clock
from config.database import db, release
from payments.demo.cast import Cast, Tenant
from payments.demo.levers import Levers
from payments.orders.create import OrderRequest, create_order
from payments.orders.models import Order, OrderState
from payments.orders.sweep import sweep_due
from payments.orders.sync import close_order
from submerchants.tenancy import acting_for

SEED: Final = 20240817
OPENS_AT_HOUR: Final = 7
TRADING_SECONDS: Final = 15 * 3600
UNPAID_LIFE: Final = timedelta(minutes=30)
NOTIFIED_WITHIN_SECONDS: Final = 5.0
LOOK_EVERY_SECONDS: Final = 0.01
OTHER_FATES: Final = {5: "left", 11: "closed", 14: "lost"}  # by place in the day; the rest is paid

# By the order of the simulator's sub-merchants: what they sell, and for how many fen.
GOODS: Final = (
    (("拿铁 大杯", 2_800), ("手冲瑰夏", 4_800), ("澳白", 2_600), ("可颂", 1_500)),
    (("有机蔬菜篮", 3_990), ("鲜牛奶 1L", 1_280), ("草莓 500g", 2_580), ("土鸡蛋 30 枚", 3_680)),
    (("《河岸》", 4_900), ("文具套装", 2_150), ("儿童绘本", 3_580), ("年度会员", 19_900)),
)


@dataclass(frozen=True, slots=True)
class Sale:
    """One thing somebody wants to buy, when, and what becomes of it."""

    number: int
    moment: datetime
    tenant: Tenant
    description: str
    amount_fen: int
    fate: str

    @property
    def settled_at(self) -> datetime:
        """When the payer makes up their mind."""
        return self.moment + timedelta(seconds=6 + self.number * 7 % 40)

    def request(self) -> OrderRequest:
        """The order as the tenant's system would place it."""
        day = f"{clock.beijing_date(self.moment):%m%d}"
        return OrderRequest(
            merchant_order_no=f"DEMO{day}-{self.number:03}",
            description=self.description,
            amount_fen=self.amount_fen,
            sub_openid=f"oDemoPayer{self.number:018}",
            expires_at=self.moment + UNPAID_LIFE,
        )


def sales_of(day: date, cast: Cast, count: int) -> list[Sale]:
    """What is sold on a Beijing day, in the order of the clock."""
    chance = random.Random(f"{SEED}/{day.weekday()}")  # noqa: S311 - trade that looks alike, not a secret
    opens = clock.beijing_day(day)[0] + timedelta(hours=OPENS_AT_HOUR)
    seconds = sorted(chance.sample(range(TRADING_SECONDS), count))
    sales = []
    for number, second in enumerate(seconds):
        place = chance.randrange(len(cast.tenants))
        description, price_fen = chance.choice(GOODS[place % len(GOODS)])
        sales.append(
            Sale(
                number=number,
                moment=opens + timedelta(seconds=second),
                tenant=cast.tenants[place],
                description=description,
                amount_fen=price_fen * chance.choice((1, 1, 1, 2, 3)),
                fate=OTHER_FATES.get(number, "paid"),
            )
        )
    return sales


def trade(day: date, cast: Cast, levers: Levers, count: int) -> Iterator[str]:
    """Let the day happen, today up to the present; yields what became of each sale."""
    present = clock.now()
    for sale in sales_of(day, cast, count):
        if sale.settled_at > present:
            return
        order = _order(sale, cast, levers)
        _settle(order, sale, levers)
        yield sale.fate
        if sale.fate in ("left", "lost"):
            _sweep_at(min(sale.moment + UNPAID_LIFE * 2, present), levers)


def _order(sale: Sale, cast: Cast, levers: Levers) -> Order:
    seller = sale.tenant.sub_merchant
    levers.set_clock(sale.moment)
    with clock.frozen_at(sale.moment), acting_for(seller.id):
        return create_order(sub_merchant=seller, partner=cast.partner, request=sale.request()).order


def _settle(order: Order, sale: Sale, levers: Levers) -> None:
    levers.set_clock(sale.settled_at)
    with clock.frozen_at(sale.settled_at), acting_for(order.sub_merchant_id):
        if sale.fate == "closed":
            close_order(order)
        if sale.fate == "lost":
            levers.set_fault("notification_missing", out_trade_no=order.out_trade_no)
        if sale.fate in ("paid", "lost"):
            levers.pay(order.out_trade_no)
        if sale.fate == "paid":
            _await_notification(order.id)


def _await_notification(order_id: str) -> None:
    """Return when the order reads paid, or when patience ends: the sweep asks later."""
    deadline = time.monotonic() + NOTIFIED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        state = db.session.scalar(select(Order.state).where(Order.id == order_id))
        release()
        if state is OrderState.PAID:
            return
        time.sleep(LOOK_EVERY_SECONDS)


def _sweep_at(moment: datetime, levers: Levers) -> None:
    levers.set_clock(moment)
    with clock.frozen_at(moment):
        sweep_due()
