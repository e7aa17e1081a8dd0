"""The list of orders as a person filters it: state, sub-merchant, days, or any number at hand.

The filter lives in the address of the page, so a list can be sent to a colleague, and the export is
exactly what is on the screen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select

from config.clock import beijing_date, beijing_day, now
from config.database import db
from payments.orders.models import Order, OrderState
from payments.orders.queries import OrderFilter, list_orders, orders_matching
from submerchants.tenants.models import SubMerchant

ROWS_PER_PAGE = 50
EXPORT_BATCH = 500
MAX_EXPORTED = 100_000
MAX_NAMES = 2_000
MAX_FOUND = 20
PROBED_AT_ONCE = 500
_NUMBER = re.compile(r"[0-9A-Za-z_|*-]{1,64}")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the reader asked for, as it stands in the address."""

    state: OrderState | None = None
    sub_merchant_id: str | None = None
    first_day: date | None = None
    last_day: date | None = None
    number: str = ""

    @classmethod
    def from_address(cls, arguments: Mapping[str, str]) -> Chosen:
        """Read the address; what makes no sense there is left open rather than refused."""
        state = arguments.get("state", "")
        return cls(
            state=OrderState(state) if state in OrderState.__members__ else None,
            sub_merchant_id=arguments.get("sub_merchant") or None,
            first_day=_day(arguments.get("from")),
            last_day=_day(arguments.get("to")),
            number=arguments.get("q", "").strip()[:64],
        )

    def address(self, **changes: object) -> dict[str, str]:
        """The arguments that say the same, with some of them changed."""
        said = {
            "q": self.number,
            "state": self.state,
            "sub_merchant": self.sub_merchant_id,
            "from": self.first_day,
            "to": self.last_day,
            **changes,
        }
        return {name: str(value) for name, value in said.items() if value}

    @property
    def is_open(self) -> bool:
        """Whether nothing is narrowed."""
        return not self.address()

    @property
    def presets(self) -> list[tuple[str, dict[str, str]]]:
        """Days people ask for most: a name and the arguments that choose them."""
        present = beijing_date(now())
        stretches = {
            "today": (present, present),
            "yesterday": (present - timedelta(days=1), present - timedelta(days=1)),
            "week": (present - timedelta(days=6), present),
            "month": (present - timedelta(days=29), present),
        }
        return [
            (name, self.address(**{"from": first, "to": last}))
            for name, (first, last) in stretches.items()
        ]

    @property
    def preset(self) -> str | None:
        """Which preset the chosen days are."""
        mine = self.address()
        return next((name for name, said in self.presets if said == mine), None)

    def as_filter(self) -> OrderFilter:
        return OrderFilter(
            state=self.state,
            sub_merchant_id=self.sub_merchant_id,
            created_after=beijing_day(self.first_day)[0] if self.first_day else None,
            created_before=beijing_day(self.last_day)[1] if self.last_day else None,
        )


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of the list and the names of the sub-merchants in it."""

    orders: list[Order]
    next_cursor: str | None
    names: dict[str, str]


def listed(chosen: Chosen, cursor: str | None = None) -> Listed:
    """One page, newest first."""
    if chosen.number:
        found = [order for order in find_by_number(chosen.number) if _fits(order, chosen)]
        return Listed(found, None, _names(found))
    page = list_orders(chosen.as_filter(), limit=ROWS_PER_PAGE, cursor=cursor)
    orders = list(page.rows)
    return Listed(orders, page.next_cursor, _names(orders))


def exported(chosen: Chosen) -> Iterator[Order]:
    """Every order of the filter, newest first, a batch at a time; stops at a written limit."""
    if chosen.number:
        yield from listed(chosen).orders
        return
    query = orders_matching(chosen.as_filter()).limit(MAX_EXPORTED)
    for order in db.session.scalars(query.execution_options(yield_per=EXPORT_BATCH)):
        yield order
        db.session.expunge(order)


def find_by_number(number: str) -> list[Order]:
    """Orders that carry the number in any of its four forms; each form is looked up by its key."""
    if not _NUMBER.fullmatch(number):
        return []
    for column in (Order.id, Order.out_trade_no, Order.transaction_id):
        order = db.session.scalars(select(Order).where(column == number)).one_or_none()
        if order is not None:
            return [order]
    return list(_by_merchants_number(number))


def _by_merchants_number(number: str) -> Iterator[Order]:
    # Unique within the sub-merchant, so its key begins with the tenant: one probe for each.
    tenants = db.session.scalars(select(SubMerchant.id).order_by(SubMerchant.id)).all()
    found = 0
    for start in range(0, len(tenants), PROBED_AT_ONCE):
        some = tenants[start : start + PROBED_AT_ONCE]
        for order in db.session.scalars(
            select(Order)
            .where(Order.sub_merchant_id.in_(some), Order.merchant_order_no == number)
            .limit(MAX_FOUND - found)
        ):
            found += 1
            yield order
        if found >= MAX_FOUND:
            return


def sub_merchant_choices() -> list[SubMerchant]:
    """The sub-merchants to choose from, by name."""
    return list(db.session.scalars(select(SubMerchant).order_by(SubMerchant.name).limit(MAX_NAMES)))


def _fits(order: Order, chosen: Chosen) -> bool:
    day = beijing_date(order.created_at)
    return (
        chosen.state in (None, order.state)
        and chosen.sub_merchant_id in (None, order.sub_merchant_id)
        and (chosen.first_day is None or chosen.first_day <= day)
        and (chosen.last_day is None or day <= chosen.last_day)
    )


def _names(orders: list[Order]) -> dict[str, str]:
    ids = {order.sub_merchant_id for order in orders}
    rows = db.session.execute(
        select(SubMerchant.id, SubMerchant.name).where(SubMerchant.id.in_(ids))
    )
    return dict(rows.all())


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    # Days near either end of the calendar have no moment before or after them.
    return day if 2000 <= day.year <= 2200 else None
