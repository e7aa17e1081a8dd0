"""Orders of every sub-merchant."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response

from admin_ui.access import operator_page
from admin_ui.console import blueprint
from admin_ui.order_pages import chosen_orders, order_export, order_list_page, order_page
from admin_ui.reading.chosen import sub_merchant_choices
from partner.operators.roles import OperatorPermission
from payments.orders.models import Order
from submerchants.tenancy import across_tenants


@blueprint.get("/orders")
@operator_page(OperatorPermission.SEE_ORDERS)
def orders() -> str:
    """The list, filtered by its address."""
    return order_list_page("console", sub_merchant_choices())


@blueprint.get("/orders/<order_id>")
@operator_page(OperatorPermission.SEE_ORDERS)
def orders_one(order_id: str) -> str:
    """One order and its timeline."""
    return order_page("console", order_id)


@blueprint.get("/orders.csv")
@operator_page(OperatorPermission.EXPORT_ORDERS)
def orders_export() -> Response:
    """What the list shows, all of it, as CSV."""
    return order_export(_scoped(chosen_orders()))


def _scoped(rows: Iterator[Order]) -> Iterator[Order]:
    # The rows are read while the answer is sent, after the view and its scope have ended.
    with across_tenants("operator console: an export of the list"):
        yield from rows
