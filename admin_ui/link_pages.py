"""Checkout links on the dashboard: make one, show or print it, see whether it was paid, cancel it.

The form carries the number of the link it will make, so sending it twice is the same link.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from pydantic import ValidationError

from admin_ui.access import Person, trading_shop
from admin_ui.beijing_times import for_field, typed_moment
from admin_ui.refund_pages import NotAnAmount
from admin_ui.refusals import in_words
from config.clock import now
from config.database import db
from config.errors import AppError
from config.i18n import language_tag
from config.identifiers import random_letters
from config.payloads import invalid_fields
from payments.api.checkout_shapes import CheckoutLinkPayload
from payments.checkout.links import LinkRequest, cancel_link, create_link, page_url
from payments.checkout.models import CheckoutLink
from payments.checkout.qr import qr_svg
from payments.checkout.queries import get_link, list_links
from payments.checkout.standing import LinkState, standing_of, standings
from payments.money import InexactMoney, parse_yuan
from payments.orders.create import LONGEST_LIFE, USUAL_LIFE
from submerchants.doctor.explain import finding_named
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.queries import partner_of

ROWS_PER_PAGE = 50
_NUMBER_LETTERS = 12
_LONGEST_NUMBER = 64


def link_list_page() -> str:
    """Links, newest first; htmx asks for the next rows only."""
    number = request.args.get("q", "").strip()[:_LONGEST_NUMBER]
    page = list_links(
        limit=ROWS_PER_PAGE, cursor=request.args.get("cursor"), merchant_order_no=number or None
    )
    is_more = request.headers.get("HX-Target") == "more"
    return render_template(
        "links/rows.html" if is_more else "links/list.html",
        door="dashboard",
        page=page,
        number=number,
        stand=standings(page.rows),
    )


def new_link_page(refusal: AppError | None = None) -> str:
    """The form that makes a link, as it was filled in."""
    moment = now()
    return render_template(
        "links/new.html",
        door="dashboard",
        number=request.form.get("number") or f"L{random_letters(_NUMBER_LETTERS)}",
        until=request.form.get("until") or for_field(moment + USUAL_LIFE),
        earliest=for_field(moment + timedelta(minutes=2)),
        latest=for_field(moment + LONGEST_LIFE),
        refusal=in_words(refusal) if refusal else None,
    )


def make(person: Person) -> ResponseReturnValue:
    """Make the link of the form, and go to it."""
    try:
        shop = trading_shop(person)
        made = create_link(sub_merchant=shop, partner=partner_of(shop), request=_asked())
    except AppError as refusal:
        return new_link_page(refusal), refusal.status
    if made.is_new:
        flash(_("The link is ready: show it, print it or send it."), "good")
    return redirect(url_for("dashboard.checkout_one", link_id=made.link.id), code=303)


def link_page(link_id: str, refusal: AppError | None = None) -> str:
    """One link: its QR code, and where it stands. Raises NotFound."""
    link = get_link(link_id)
    standing = standing_of(link)
    return render_template(
        "links/link.html",
        door="dashboard",
        link=link,
        url=page_url(link),
        standing=standing,
        problem=None if standing.state is LinkState.PAID else _problem(link),
        refusal=in_words(refusal) if refusal else None,
    )


def link_sheet(link_id: str) -> str:
    """The link on a sheet of paper, for the counter. Raises NotFound."""
    link = get_link(link_id)
    return render_template(
        "links/sheet.html",
        link=link,
        shop=db.session.get_one(SubMerchant, link.sub_merchant_id),
    )


def link_qr(link_id: str) -> Response:
    """The link's address as a QR code, for our own pages. Raises NotFound."""
    return Response(qr_svg(page_url(get_link(link_id))), mimetype="image/svg+xml")


def cancel(link_id: str) -> ResponseReturnValue:
    """Let nobody pay it any more."""
    link = get_link(link_id)
    try:
        cancel_link(link)
    except AppError as refusal:
        return link_page(link_id, refusal), refusal.status
    flash(_("Cancelled. Nobody can pay it any more."), "good")
    return redirect(url_for("dashboard.checkout_one", link_id=link_id), code=303)


def _asked() -> LinkRequest:
    try:
        amount_fen = parse_yuan(request.form.get("amount", "").strip())
    except InexactMoney as error:
        raise NotAnAmount from error
    until = typed_moment(request.form.get("until", ""))
    try:
        checked = CheckoutLinkPayload.model_validate(
            {
                "merchant_order_no": request.form.get("number", "").strip(),
                "description": request.form.get("description", "").strip(),
                "amount_fen": amount_fen,
                "expires_at": until.isoformat() if until else None,
            }
        )
    except ValidationError as error:
        raise invalid_fields(error) from error
    return LinkRequest(**checked.model_dump())


def _problem(link: CheckoutLink) -> Mapping[str, str] | None:
    """Why somebody could not pay lately, in the reader's language."""
    if not link.problem:
        return None
    kept, language = json.loads(link.problem), language_tag()
    finding = finding_named(kept["code"])
    if finding is None:
        return {**kept["finding"], "said": kept["told"]}
    return {
        **finding.as_dict(language),
        "who": finding.who.words.in_language(language),
        "said": kept["told"],
    }
