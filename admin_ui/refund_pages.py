"""Refunds at both doors: the list, one refund, and the form that gives money back.

The form carries the number of the refund it will make, so sending it twice is the same refund, and
asks again who sits there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin_ui import wording
from admin_ui.access import Person
from admin_ui.asking_again import require_proof
from admin_ui.exports import Cell, Number, csv_response
from admin_ui.formatting import beijing, plain_yuan, state_label
from admin_ui.order_pages import (
    REFUND_NUMBER_LETTERS,
    new_refund_number,
    order_page,
    preset_names,
)
from admin_ui.reading.chosen import Chosen
from admin_ui.reading.refund_list import exported, listed, waiting_tasks
from admin_ui.reading.timeline import refund_timeline
from admin_ui.refusals import in_words, kept_finding
from config.database import db
from config.errors import AppError, RefusedHere
from partner.wechatpay.resources.refunds import BANKS, BankCard
from payments.errors import WeChatPayOutcomeUnknown
from payments.money import InexactMoney, parse_yuan
from payments.orders.models import Order
from payments.orders.queries import get_order
from payments.refunds.apply_abnormal import apply_abnormal
from payments.refunds.find import find_elsewhere
from payments.refunds.models import Refund, RefundState
from payments.refunds.queries import get_refund
from payments.refunds.request import RefundRequest, request_refund
from payments.refunds.sync import sync_refund
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant

_REASON_BYTES = 80
_COLUMNS = (
    "created_at",
    "sub_mchid",
    "merchant_refund_no",
    "out_refund_no",
    "refund_id",
    "out_trade_no",
    "state",
    "amount",
    "payer_refund",
    "currency",
    "origin",
    "reason",
    "succeeded_at",
)


class NotAnAmount(RefusedHere):
    """What was typed is no amount in yuan."""

    code = "not_an_amount"

    def __init__(self) -> None:
        super().__init__("Give an amount in yuan, such as 12.80.")


class IncompleteCard(RefusedHere):
    """A payer's card needs its bank, its number and the name on it."""

    code = "incomplete_card"

    def __init__(self) -> None:
        super().__init__("Give the bank, the card number and the cardholder's name.")


def refund_list_page(door: str, sub_merchants: Sequence[SubMerchant] = ()) -> str:
    """The list for the filter in the address; htmx asks for the next rows only."""
    chosen = Chosen.from_address(request.args, RefundState)
    page = listed(chosen, request.args.get("cursor"))
    is_more = request.headers.get("HX-Target") == "more"
    return render_template(
        "refunds/rows.html" if is_more else "refunds/list.html",
        door=door,
        chosen=chosen,
        page=page,
        states=list(RefundState),
        sub_merchants=sub_merchants,
        preset_names=preset_names(),
        waiting=waiting_tasks(),
    )


def refund_page(door: str, refund_id: str, refusal: AppError | None = None) -> str:
    """One refund with everything that happened to it. Raises NotFound."""
    refund = get_refund(refund_id)
    return render_template(
        "refunds/refund.html",
        door=door,
        refund=refund,
        order=get_order(refund.order_id),
        timeline=refund_timeline(refund),
        finding=kept_finding(refund.last_refusal),
        refusal=in_words(refusal) if refusal else None,
        banks=BANKS,
        happening=wording.happening,
        doer=wording.doer,
        fact_name=wording.fact_name,
        fact_value=wording.fact_value,
    )


def give_back(person: Person, order: Order) -> Refund:
    """Make the refund of the form that was sent. Raises an AppError that says what is wrong."""
    asked = _asked()
    with acting_for(order.sub_merchant_id):
        require_proof(person)
        return request_refund(order=order, request=asked).refund


def refund_made(door: str, refund: Refund) -> ResponseReturnValue:
    """On to the refund that was asked for."""
    flash(_("Refund recorded: %(state)s", state=state_label(refund.state)), "good")
    return redirect(url_for(f"{door}.refunds_one", refund_id=refund.id), code=303)


def ask_about(door: str, refund_id: str) -> ResponseReturnValue:
    """Ask WeChat Pay what became of it, now."""
    refund = get_refund(refund_id)
    try:
        with acting_for(refund.sub_merchant_id):
            sync_refund(refund)
    except AppError as refusal:
        flash(in_words(refusal), "warn")
    else:
        flash(_("WeChat Pay was asked. It stands at: %(state)s", state=state_label(refund.state)))
    return redirect(url_for(f"{door}.refunds_one", refund_id=refund_id), code=303)


def take_in(door: str, order_id: str) -> ResponseReturnValue:
    """Take in a refund made elsewhere, by the number that was typed on its order's page."""
    order = get_order(order_id)
    sub_merchant = db.session.get_one(SubMerchant, order.sub_merchant_id)
    number = request.form.get("out_refund_no", "").strip()
    try:
        refund = find_elsewhere(sub_merchant=sub_merchant, out_refund_no=number)
    except AppError as refusal:
        return order_page(door, order_id, not_found=_why_not(refusal)), refusal.status
    if refund.order_id == order_id:
        flash(_("WeChat Pay has this refund: %(state)s", state=state_label(refund.state)), "good")
    else:
        flash(_("This refund belongs to another order, which is named below."), "warn")
    return redirect(url_for(f"{door}.refunds_one", refund_id=refund.id), code=303)


def send_another_way(door: str, person: Person, refund_id: str) -> ResponseReturnValue:
    """Have an abnormal refund paid to another card, or to the merchant's own account."""
    refund = get_refund(refund_id)
    try:
        card = _card()
        with acting_for(refund.sub_merchant_id):
            require_proof(person)
            apply_abnormal(refund, card=card)
    except AppError as refusal:
        return refund_page(door, refund_id, refusal), refusal.status
    flash(_("Sent another way. It stands at: %(state)s", state=state_label(refund.state)), "good")
    return redirect(url_for(f"{door}.refunds_one", refund_id=refund_id), code=303)


def refund_export(rows: Iterator[Refund]) -> Response:
    """Exactly the refunds of the filter, as CSV."""
    return csv_response("refunds", _COLUMNS, (_cells(refund) for refund in rows))


def chosen_refunds() -> Iterator[Refund]:
    """The refunds of the filter in the address."""
    return exported(Chosen.from_address(request.args, RefundState))


def _why_not(refusal: AppError) -> str:
    if isinstance(refusal, WeChatPayOutcomeUnknown):  # nothing was asked of it but to answer
        return str(_("WeChat Pay did not answer. Nothing was changed; try again in a moment."))
    return in_words(refusal)


def _asked() -> RefundRequest:
    try:
        amount_fen = parse_yuan(request.form.get("amount", "").strip())
    except InexactMoney as error:
        raise NotAnAmount from error
    if amount_fen <= 0:
        raise NotAnAmount
    reason = request.form.get("reason", "").strip()
    number = request.form.get("number", "")
    if not (
        number.startswith("P") and len(number) == REFUND_NUMBER_LETTERS + 1 and number.isalnum()
    ):
        number = new_refund_number()
    return RefundRequest(
        merchant_refund_no=number,
        amount_fen=amount_fen,
        reason=_shortened(reason) or None,
    )


def _shortened(text: str) -> str:
    return text.encode()[:_REASON_BYTES].decode(errors="ignore")


def _card() -> BankCard | None:
    if request.form.get("to") != "card":
        return None
    bank, account, name = (
        request.form.get(field, "").strip()[:64] for field in ("bank", "account", "name")
    )
    if bank not in BANKS or not account.isascii() or not account.isdigit() or not name:
        raise IncompleteCard
    return BankCard(bank_type=f"{bank}_DEBIT", account=account, real_name=name)


def _cells(refund: Refund) -> tuple[Cell, ...]:
    payer_refund_fen = refund.payer_refund_fen
    return (
        beijing(refund.created_at),
        refund.sub_mchid,
        refund.merchant_refund_no,
        refund.out_refund_no,
        refund.refund_id,
        refund.out_trade_no,
        refund.state,
        Number(plain_yuan(refund.amount_fen)),
        None if payer_refund_fen is None else Number(plain_yuan(payer_refund_fen)),
        refund.currency,
        refund.origin,
        refund.reason,
        beijing(refund.succeeded_at) if refund.succeeded_at else None,
    )
