"""What is sold in the demo: by whom, when, for how much, paid in which way, and what comes of it.

Chance is seeded, and what stands out has its fixed place in the day: every demo looks alike.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from config import clock
from config.vault import Secret
from payments.demo.cast import Cast, Tenant
from payments.demo.money_back import Course
from payments.orders.create import OrderRequest
from payments.orders.models import TradeType

SEED: Final = 20240817
SALES_A_DAY: Final = 20
OPENS_AT_HOUR: Final = 7
TRADING_SECONDS: Final = 15 * 3600
UNPAID_LIFE: Final = timedelta(minutes=30)
PAYERS_ADDRESS: Final = "203.0.113.24"  # of an H5 payer; nobody's, by RFC 5737

# By the order of the simulator's sub-merchants: what they sell, and for how many fen.
GOODS: Final = (
    (("拿铁 大杯", 2_800), ("手冲瑰夏", 4_800), ("澳白", 2_600), ("可颂", 1_500)),
    (("有机蔬菜篮", 3_990), ("鲜牛奶 1L", 1_280), ("草莓 500g", 2_580), ("土鸡蛋 30 枚", 3_680)),
    (("《河岸》", 4_900), ("文具套装", 2_150), ("儿童绘本", 3_580), ("年度会员", 19_900)),
)

# By place in the day. What is not named is JSAPI, is paid, and stays paid.
WAYS: Final = {
    **dict.fromkeys((3, 10, 17), TradeType.NATIVE),
    **dict.fromkeys((4, 13), TradeType.MWEB),
    **dict.fromkeys((5, 7, 16), TradeType.MICROPAY),
    **dict.fromkeys((8, 18), TradeType.APP),
}
FATES: Final = {5: "left", 11: "closed", 14: "lost", 19: "left"}
COURSES: Final = {2: Course.FULL, 7: Course.PART}
# By days ago and place in the day: what happens once.
SPECIAL_COURSES: Final = {
    (3, 10): Course.TWICE,
    (3, 12): Course.BY_HAND,
    (2, 12): Course.CLOSED,
    (1, 9): Course.TWICE,
    (1, 10): Course.ABNORMAL,
    (1, 12): Course.BY_HAND,
}


@dataclass(frozen=True, slots=True)
class Sale:
    """One thing somebody wants to buy, when, and what becomes of it."""

    number: int
    moment: datetime
    tenant: Tenant
    description: str
    amount_fen: int
    way: TradeType = TradeType.JSAPI
    fate: str = "paid"
    course: Course | None = None  # how the money goes back, if it does

    @property
    def settled_at(self) -> datetime:
        """When the payer makes up their mind."""
        return self.moment + timedelta(seconds=6 + self.number * 7 % 40)

    def request(self, auth_code: str | None = None) -> OrderRequest:
        """The order as the tenant's system would place it."""
        by_code, on_page = self.way is TradeType.MICROPAY, self.way is TradeType.JSAPI
        day = f"{clock.beijing_date(self.moment):%m%d}"
        return OrderRequest(
            merchant_order_no=f"DEMO{day}-{self.number:03}",
            description=self.description,
            amount_fen=self.amount_fen,
            trade_type=self.way,
            sub_openid=f"oDemoPayer{self.number:018}" if on_page else None,
            expires_at=None if by_code else self.moment + UNPAID_LIFE,
            scene_info=self._scene(),
            auth_code=Secret(auth_code) if auth_code else None,
        )

    def _scene(self) -> dict[str, object] | None:
        if self.way is TradeType.MICROPAY:
            return {"store_info": {"id": "till-1"}}
        if self.way is TradeType.MWEB:
            return {"payer_client_ip": PAYERS_ADDRESS, "h5_info": {"type": "Wap"}}
        return None


def sales_of(day: date, days_ago: int, cast: Cast) -> list[Sale]:
    """What is sold on a Beijing day, in the order of the clock."""
    chance = random.Random(f"{SEED}/{day.weekday()}")  # noqa: S311 - trade that looks alike, not a secret
    opens = clock.beijing_day(day)[0] + timedelta(hours=OPENS_AT_HOUR)
    seconds = sorted(chance.sample(range(TRADING_SECONDS), SALES_A_DAY))
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
                way=WAYS.get(number, TradeType.JSAPI),
                fate=FATES.get(number, "paid"),
                course=SPECIAL_COURSES.get((days_ago, number), COURSES.get(number)),
            )
        )
    return sales
