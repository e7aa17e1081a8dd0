"""The sub-merchant's own refunds."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response
from flask.typing import ResponseReturnValue

from admin_ui.access import member_here, staff_page
from admin_ui.dashboard import blueprint
from admin_ui.order_pages import order_page
from admin_ui.refund_pages import (
    ask_about,
    chosen_refunds,
    give_back,
    refund_export,
    refund_list_page,
    refund_made,
    refund_page,
    send_another_way,
    take_in,
)
from config.errors import AppError
from payments.orders.queries import get_order
from payments.refunds.models import Refund
from submerchants.staff.roles import StaffPermission
from submerchants.tenancy import acting_for


@blueprint.get("/refunds")
@staff_page(StaffPermission.SEE_REFUNDS)
def refunds() -> str:
    """The list, filtered by its address."""
    return refund_list_page("dashboard")


@blueprint.get("/refunds/<refund_id>")
@staff_page(StaffPermission.SEE_REFUNDS)
def refunds_one(refund_id: str) -> str:
    """One refund and its timeline."""
    return refund_page("dashboard", refund_id)


@blueprint.get("/refunds.csv")
@staff_page(StaffPermission.EXPORT_ORDERS)
def refunds_export() -> Response:
    """What the list shows, all of it, as CSV."""
    return refund_export(_scoped(member_here().tenant_id, chosen_refunds()))


@blueprint.post("/orders/<order_id>/refunds")
@staff_page(StaffPermission.MAKE_REFUNDS)
def orders_refund(order_id: str) -> ResponseReturnValue:
    """Give money of this order back."""
    try:
        made = give_back(member_here(), get_order(order_id))
    except AppError as refusal:
        return order_page("dashboard", order_id, refusal), refusal.status
    return refund_made("dashboard", made)


@blueprint.post("/refunds/<refund_id>/sync")
@staff_page(StaffPermission.SEE_REFUNDS)
def refunds_sync(refund_id: str) -> ResponseReturnValue:
    """Ask WeChat Pay what became of it."""
    return ask_about("dashboard", refund_id)


@blueprint.post("/orders/<order_id>/refunds/find")
@staff_page(StaffPermission.SEE_REFUNDS)
def orders_take_in(order_id: str) -> ResponseReturnValue:
    """Take in a refund that was made elsewhere."""
    return take_in("dashboard", order_id)


@blueprint.post("/refunds/<refund_id>/another-way")
@staff_page(StaffPermission.MAKE_REFUNDS)
def refunds_another_way(refund_id: str) -> ResponseReturnValue:
    """Have an abnormal refund paid elsewhere."""
    return send_another_way("dashboard", member_here(), refund_id)


def _scoped(sub_merchant_id: str, rows: Iterator[Refund]) -> Iterator[Refund]:
    # The rows are read while the answer is sent, after the view and its scope have ended.
    with acting_for(sub_merchant_id):
        yield from rows
