"""The list of orders and one order: the same pages at both doors, within whichever scope is set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask import Response, render_template, request
from flask_babel import gettext as _

from admin_ui import wording
from admin_ui.exports import Cell, Number, csv_response
from admin_ui.formatting import beijing, plain_yuan
from admin_ui.reading.chosen import Chosen
from admin_ui.reading.order_list import exported, listed
from admin_ui.reading.refund_list import is_unexplained, parts_of, refunds_of
from admin_ui.reading.timeline import order_timeline
from admin_ui.refusals import in_words, kept_finding
from config.errors import AppError
from config.identifiers import random_letters
from payments.orders.models import Order, OrderState
from payments.orders.queries import get_order
from payments.refunds.request import refundable_fen
from submerchants.tenants.models import SubMerchant

REFUND_NUMBER_LETTERS = 20

_COLUMNS = (
    "created_at",
    "sub_mchid",
    "merchant_order_no",
    "out_trade_no",
    "transaction_id",
    "state",
    "amount",
    "payer_total",
    "refunded",
    "currency",
    "description",
    "paid_at",
)


def order_list_page(door: str, sub_merchants: Sequence[SubMerchant] = ()) -> str:
    """The list for the filter in the address; htmx asks for the next rows only."""
    chosen = Chosen.from_address(request.args, OrderState)
    page = listed(chosen, request.args.get("cursor"))
    is_more = request.headers.get("HX-Target") == "more"
    return render_template(
        "orders/rows.html" if is_more else "orders/list.html",
        door=door,
        chosen=chosen,
        page=page,
        states=list(OrderState),
        sub_merchants=sub_merchants,
        preset_names=preset_names(),
    )


def order_page(
    door: str, order_id: str, refusal: AppError | None = None, *, not_found: str = ""
) -> str:
    """One order with everything that happened to it, and its refunds. Raises NotFound.

    `not_found` says why a refund made elsewhere, which somebody looked for, was not taken in.
    """
    order = get_order(order_id)
    refunds = refunds_of(order)
    return render_template(
        "orders/order.html",
        door=door,
        order=order,
        refunds=refunds,
        refundable_fen=refundable_fen(order),
        unexplained=is_unexplained(order, refunds),
        not_found=not_found,
        parts=parts_of(order),
        refund_number=request.form.get("number") or new_refund_number(),
        refusal=in_words(refusal) if refusal else None,
        timeline=order_timeline(order, refunds),
        finding=kept_finding(order.last_refusal),
        happening=wording.happening,
        doer=wording.doer,
        fact_name=wording.fact_name,
        fact_value=wording.fact_value,
    )


def new_refund_number() -> str:
    """The number of the refund that the page's form would ask for; sent twice, it is one refund."""
    return f"P{random_letters(REFUND_NUMBER_LETTERS)}"


def order_export(rows: Iterator[Order]) -> Response:
    """Exactly the orders of the filter, as CSV."""
    return csv_response("orders", _COLUMNS, (_cells(order) for order in rows))


def chosen_orders() -> Iterator[Order]:
    """The orders of the filter in the address."""
    return exported(Chosen.from_address(request.args, OrderState))


def preset_names() -> dict[str, str]:
    """What the days that people ask for most are called."""
    return {
        "today": _("Today"),
        "yesterday": _("Yesterday"),
        "week": _("7 days"),
        "month": _("30 days"),
    }


def _cells(order: Order) -> tuple[Cell, ...]:
    return (
        beijing(order.created_at),
        order.sub_mchid,
        order.merchant_order_no,
        order.out_trade_no,
        order.transaction_id,
        order.state,
        Number(plain_yuan(order.amount_fen)),
        None if order.payer_total_fen is None else Number(plain_yuan(order.payer_total_fen)),
        Number(plain_yuan(order.refunded_fen)),
        order.currency,
        order.description,
        beijing(order.paid_at) if order.paid_at else None,
    )
