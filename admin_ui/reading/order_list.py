"""The list of orders as a person narrows it, and the search by any of an order's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from admin_ui.reading import by_number
from admin_ui.reading.chosen import Chosen, names_of
from config.database import db
from payments.orders.models import Order, OrderState
from payments.orders.queries import OrderFilter, list_orders, orders_matching

ROWS_PER_PAGE = 50
EXPORT_BATCH = 500
MAX_EXPORTED = 100_000


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of the list and the names of the sub-merchants in it."""

    orders: list[Order]
    next_cursor: str | None
    names: dict[str, str]


def listed(chosen: Chosen, cursor: str | None = None) -> Listed:
    """One page, newest first."""
    if chosen.number:
        found = [order for order in find_by_number(chosen.number) if chosen.fits(order)]
        return Listed(found, None, names_of(found))
    page = list_orders(_filter(chosen), limit=ROWS_PER_PAGE, cursor=cursor)
    orders = list(page.rows)
    return Listed(orders, page.next_cursor, names_of(orders))


def exported(chosen: Chosen) -> Iterator[Order]:
    """Every order of the filter, newest first, a batch at a time; stops at a written limit."""
    if chosen.number:
        yield from listed(chosen).orders
        return
    query = orders_matching(_filter(chosen)).limit(MAX_EXPORTED)
    for order in db.session.scalars(query.execution_options(yield_per=EXPORT_BATCH)):
        yield order
        db.session.expunge(order)


def find_by_number(number: str) -> list[Order]:
    """Orders that carry the number in any of its four forms."""
    return by_number.find_by_number(
        Order,
        number,
        unique=(Order.id, Order.out_trade_no, Order.transaction_id),
        tenants_own=Order.merchant_order_no,
    )


def _filter(chosen: Chosen) -> OrderFilter:
    return OrderFilter(
        state=OrderState(chosen.state) if chosen.state else None,
        sub_merchant_id=chosen.sub_merchant_id,
        created_after=chosen.begins,
        created_before=chosen.ends,
    )
