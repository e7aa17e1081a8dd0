"""Refunds of every sub-merchant, and what needs an operator's hand."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response
from flask.typing import ResponseReturnValue

from admin_ui.access import operator_here, operator_page
from admin_ui.console import blueprint
from admin_ui.order_pages import order_page
from admin_ui.reading.chosen import sub_merchant_choices
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
from partner.operators.roles import OperatorPermission
from payments.orders.queries import get_order
from payments.refunds.models import Refund
from submerchants.tenancy import across_tenants


@blueprint.get("/refunds")
@operator_page(OperatorPermission.SEE_REFUNDS)
def refunds() -> str:
    """The list, filtered by its address."""
    return refund_list_page("console", sub_merchant_choices())


@blueprint.get("/refunds/<refund_id>")
@operator_page(OperatorPermission.SEE_REFUNDS)
def refunds_one(refund_id: str) -> str:
    """One refund and its timeline."""
    return refund_page("console", refund_id)


@blueprint.get("/refunds.csv")
@operator_page(OperatorPermission.EXPORT_ORDERS)
def refunds_export() -> Response:
    """What the list shows, all of it, as CSV."""
    return refund_export(_scoped(chosen_refunds()))


@blueprint.post("/orders/<order_id>/refunds")
@operator_page(OperatorPermission.MAKE_REFUNDS)
def orders_refund(order_id: str) -> ResponseReturnValue:
    """Give money of this order back, for its sub-merchant, who sees who did it."""
    try:
        made = give_back(operator_here(), get_order(order_id))
    except AppError as refusal:
        return order_page("console", order_id, refusal), refusal.status
    return refund_made("console", made)


@blueprint.post("/refunds/<refund_id>/sync")
@operator_page(OperatorPermission.SEE_REFUNDS)
def refunds_sync(refund_id: str) -> ResponseReturnValue:
    """Ask WeChat Pay what became of it."""
    return ask_about("console", refund_id)


@blueprint.post("/orders/<order_id>/refunds/find")
@operator_page(OperatorPermission.SEE_REFUNDS)
def orders_take_in(order_id: str) -> ResponseReturnValue:
    """Take in a refund that was made elsewhere."""
    return take_in("console", order_id)


@blueprint.post("/refunds/<refund_id>/another-way")
@operator_page(OperatorPermission.MAKE_REFUNDS)
def refunds_another_way(refund_id: str) -> ResponseReturnValue:
    """Have an abnormal refund paid elsewhere."""
    return send_another_way("console", operator_here(), refund_id)


def _scoped(rows: Iterator[Refund]) -> Iterator[Refund]:
    # The rows are read while the answer is sent, after the view and its scope have ended.
    with across_tenants("operator console: an export of the list"):
        yield from rows
