"""The sub-merchant's own orders."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response

from admin_ui.access import member_here, staff_page
from admin_ui.dashboard import blueprint
from admin_ui.order_pages import chosen_orders, order_export, order_list_page, order_page
from payments.orders.models import Order
from submerchants.staff.roles import StaffPermission
from submerchants.tenancy import acting_for


@blueprint.get("/orders")
@staff_page(StaffPermission.SEE_ORDERS)
def orders() -> str:
    """The list, filtered by its address."""
    return order_list_page("dashboard")


@blueprint.get("/orders/<order_id>")
@staff_page(StaffPermission.SEE_ORDERS)
def orders_one(order_id: str) -> str:
    """One order and its timeline."""
    return order_page("dashboard", order_id)


@blueprint.get("/orders.csv")
@staff_page(StaffPermission.EXPORT_ORDERS)
def orders_export() -> Response:
    """What the list shows, all of it, as CSV."""
    return order_export(_scoped(member_here().tenant_id, chosen_orders()))


def _scoped(sub_merchant_id: str, rows: Iterator[Order]) -> Iterator[Order]:
    # The rows are read while the answer is sent, after the view and its scope have ended.
    with acting_for(sub_merchant_id):
        yield from rows
