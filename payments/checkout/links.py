"""Make a link, find it by its token, cancel it.

The token is random and stands in the page's address; what is stored of it finds it and, sealed,
shows it again. Before a link is handed out, the page it leads to must lie in a payment directory in
force: whoever opened it otherwise would meet a cashier that refuses.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from flask import current_app
from sqlalchemy import select, update

from config import audit
from config.clock import now, rfc3339
from config.database import changed_rows, db, transaction
from config.errors import RefusedHere
from config.identifiers import new_id, random_letters
from config.inserts import insert_new
from config.rows import as_stored
from config.settings import is_loopback
from config.vault import Secret
from partner.app_secrets import find_app_secret
from partner.credentials import default_appid
from partner.models import Partner
from partner.openids import weixin
from payments.checkout.errors import (
    CheckoutNotCovered,
    LinkAlreadyPaid,
    LinkConflict,
    LinkNotFound,
    NobodySignsIn,
)
from payments.checkout.models import CheckoutLink
from payments.checkout.standing import LinkState, Standing, standing_of
from payments.errors import CurrencyNotSettled, ExpiryOutOfRange, OrderAlreadyPaid
from payments.orders.create import LONGEST_LIFE, SHORTEST_LIFE, USUAL_LIFE
from payments.orders.models import Order
from payments.orders.sync import close_order
from submerchants.directories.match import directory_for
from submerchants.doctor.explain import UNCOVERED_PAGE
from submerchants.tenancy import across_tenants
from submerchants.tenants.app_secrets import accounts_with_secret
from submerchants.tenants.models import SubMerchant

TOKEN_LETTERS: Final = 32  # 160 random bits
OBJECT_KIND: Final = "checkout_link"

_TOKEN: Final = re.compile(r"[0-9a-z]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRequest:
    """What a tenant asks for. Times are aware; money is fen; None means it was not given."""

    merchant_order_no: str
    description: str
    amount_fen: int
    currency: str | None = None
    attach: str | None = None
    expires_at: datetime | None = None
    sub_appid: str | None = None
    profit_sharing: bool | None = None

    def digest(self) -> str:
        """Two requests with the same digest ask for the same thing."""
        text = json.dumps(asdict(self), sort_keys=True, default=str, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Made:
    """The link, and whether this request made it."""

    link: CheckoutLink
    is_new: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A link with whose it is."""

    link: CheckoutLink
    sub_merchant: SubMerchant
    partner: Partner


def create_link(*, sub_merchant: SubMerchant, partner: Partner, request: LinkRequest) -> Made:
    """A link for this request; runs acting for the tenant.

    The same request again answers the same link. Raises LinkConflict for the same number with
    other content, CheckoutNotCovered, NobodySignsIn and what orders refuse as well.
    """
    try:
        row = _draft(sub_merchant, partner, request)
    except (RefusedHere, LinkConflict):
        if _find(request.merchant_order_no) is None:
            raise
        row = None
    if row is not None and _record(row):
        stored = as_stored(CheckoutLink, _values(row))
        db.session.add(stored)
        return Made(stored, is_new=True)
    link = _find(request.merchant_order_no)
    if link is None or link.request_hash != request.digest():
        raise LinkConflict(merchant_order_no=request.merchant_order_no)
    return Made(link, is_new=False)


def find_link(token: str) -> Found:
    """The link behind a page's address. Raises LinkNotFound."""
    if not _TOKEN.fullmatch(token):
        raise LinkNotFound
    query = (
        select(CheckoutLink, SubMerchant, Partner)
        .join(SubMerchant, SubMerchant.id == CheckoutLink.sub_merchant_id)
        .join(Partner, Partner.id == SubMerchant.partner_id)
        .where(CheckoutLink.token_hash == hash_of(token))
        .execution_options(populate_existing=True)
    )
    with across_tenants("a payer's link names its tenant"):
        found = db.session.execute(query).one_or_none()
    if found is None:
        raise LinkNotFound
    return Found(*found)


def cancel_link(link: CheckoutLink) -> Standing:
    """Let nobody pay any more: here at once, then at WeChat Pay. Repeating finishes the work.

    Raises LinkAlreadyPaid when the money was faster, and what closing an order raises.
    """
    moment = now()
    with transaction():
        here = update(CheckoutLink).where(
            CheckoutLink.id == link.id, CheckoutLink.cancelled_at.is_(None)
        )
        if changed_rows(here.values(cancelled_at=moment)):
            _audit("cancelled", link)
        db.session.refresh(link)
    standing = standing_of(link)
    if standing.order is not None and standing.is_worth_asking:
        try:
            close_order(standing.order)
        except OrderAlreadyPaid:
            standing = standing_of(link)
    if standing.state is LinkState.PAID and standing.order is not None:
        raise LinkAlreadyPaid(link_id=link.id, order_id=standing.order.id)
    return standing_of(link)


def page_url(link: CheckoutLink) -> str:
    """Where the payer opens it."""
    return f"{pages_directory()}{link.token.reveal()}"


def pages_directory() -> str:
    """The payment directory in which every page of ours that opens the cashier lies."""
    return f"{current_app.config['PUBLIC_BASE_URL']}/checkout/"


def is_page_checked() -> bool:
    """Whether the page must lie in a payment directory: always, but where the simulator plays
    WeChat for a page on this very machine, whose address WeChat would never take."""
    host = urlsplit(pages_directory()).hostname or ""
    return not (weixin().is_simulated and is_loopback(host))


def hash_of(token: str) -> str:
    """What finds a link. A token has 160 random bits, so a fast hash gives nothing away."""
    return hashlib.sha256(token.encode()).hexdigest()


def _draft(sub_merchant: SubMerchant, partner: Partner, request: LinkRequest) -> CheckoutLink:
    moment = now()
    currency = request.currency or partner.currency
    if currency != partner.currency:
        raise CurrencyNotSettled(currency=currency, settled=partner.currency)
    appid, is_sub_appid = _account(sub_merchant, partner, request.sub_appid)
    _check_page(sub_merchant)
    number = request.merchant_order_no
    if db.session.scalar(select(Order.id).where(Order.merchant_order_no == number)) is not None:
        raise LinkConflict(merchant_order_no=number)
    token = random_letters(TOKEN_LETTERS)
    row = CheckoutLink(
        id=new_id("chk"),
        sub_merchant_id=sub_merchant.id,
        token_hash=hash_of(token),
        merchant_order_no=number,
        request_hash=request.digest(),
        description=request.description,
        amount_fen=request.amount_fen,
        currency=currency,
        attach=request.attach,
        profit_sharing=request.profit_sharing,
        appid=appid,
        is_sub_appid=is_sub_appid,
        attempts=0,
        expires_at=_expiry(request.expires_at, moment),
        created_at=moment,
    )
    row.token = Secret(token)
    return row


def _values(row: CheckoutLink) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in CheckoutLink.__table__.columns}


def _record(row: CheckoutLink) -> bool:
    unique = ("sub_merchant_id", "merchant_order_no")
    with transaction():
        is_new = insert_new(CheckoutLink, _values(row), unique=unique)
        if is_new:
            _audit("created", row, amount_fen=row.amount_fen)
    return is_new


def _find(merchant_order_no: str) -> CheckoutLink | None:
    here = select(CheckoutLink).where(CheckoutLink.merchant_order_no == merchant_order_no)
    return db.session.scalars(here).one_or_none()


def _account(
    sub_merchant: SubMerchant, partner: Partner, sub_appid: str | None
) -> tuple[str, bool]:
    """Under which appid the payer becomes known, and whether it is the sub-merchant's own."""
    own = accounts_with_secret(sub_merchant.id)
    if sub_appid is not None and sub_appid not in own:
        raise NobodySignsIn(sub_appid=sub_appid)
    if own:
        return sub_appid or own[0], True
    sp_appid = default_appid(partner)
    if find_app_secret(partner.id, sp_appid) is None:
        raise NobodySignsIn(sub_appid=None)
    return sp_appid, False


def _check_page(sub_merchant: SubMerchant) -> None:
    if not is_page_checked():
        return
    verdict = directory_for(sub_merchant, pages_directory())
    if not verdict.covered:
        raise CheckoutNotCovered(
            directory=pages_directory(),
            explanation=verdict.explanation,
            finding=UNCOVERED_PAGE,
        )


def _expiry(asked: datetime | None, moment: datetime) -> datetime:
    earliest, latest = moment + SHORTEST_LIFE, moment + LONGEST_LIFE
    expires_at = asked or moment + USUAL_LIFE
    if not earliest <= expires_at <= latest:
        raise ExpiryOutOfRange(earliest=rfc3339(earliest), latest=rfc3339(latest))
    return expires_at.replace(microsecond=0)


def _audit(what: str, link: CheckoutLink, **detail: Any) -> None:
    audit.record(
        f"checkout_link.{what}",
        object_kind=OBJECT_KIND,
        object_id=link.id,
        tenant_id=link.sub_merchant_id,
        **detail,
    )
