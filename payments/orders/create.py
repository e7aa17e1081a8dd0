"""Where a payment begins: record the order, then open it at WeChat Pay, or charge a payer's code.

The order and its number are committed before WeChat Pay hears of them, and no transaction is open
while it answers. Asking again with the tenant's own number is the same order, whatever became of
the first attempt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from typing import cast

from flask import current_app
from sqlalchemy import Dialect, Table, insert, select
from sqlalchemy.exc import IntegrityError

from config import audit
from config.clock import now, rfc3339
from config.database import db, dialect_here, run_later, transaction
from config.errors import RefusedHere
from config.identifiers import new_id
from config.prepared import Prepared
from config.rows import as_stored
from config.vault import Secret
from partner.credentials import default_appid
from partner.models import Partner
from partner.wechatpay.resources.order_bodies import order_body
from payments.errors import (
    AppidNotBound,
    AppidOfAnotherKind,
    CurrencyNotSettled,
    ExpiryOutOfRange,
    FieldsDoNotFit,
    OrderConflict,
    PageNotCovered,
)
from payments.numbers import new_out_trade_no
from payments.orders.by_code import charge_code, charged_before
from payments.orders.models import Order, OrderState, TradeType
from payments.orders.place import ensure_prepaid
from payments.orders.schedule import next_check
from payments.orders.ways import CODE_PATIENCE, WAYS, unfit_fields
from submerchants.directories.match import directory_for
from submerchants.tenants.models import AppidKind, SubMerchant
from submerchants.tenants.queries import sub_appids_of

SHORTEST_LIFE = timedelta(minutes=1)
LONGEST_LIFE = timedelta(days=7)
USUAL_LIFE = timedelta(days=1)

# What goes to WeChat Pay as the tenant wrote it.
_AS_GIVEN = (
    *("description", "sp_openid", "sub_openid", "attach", "goods_tag"),
    *("detail", "scene_info", "profit_sharing"),
)
# Fields that requests gained later: where they are not given, a request is what it always was.
_LATER = frozenset({"auth_code", "redirect_url"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What a tenant asks for. Times are aware; money is fen; None means it was not given."""

    merchant_order_no: str
    description: str
    amount_fen: int
    currency: str | None = None
    trade_type: TradeType = TradeType.JSAPI
    sp_openid: str | None = None
    sub_openid: str | None = None
    sub_appid: str | None = None
    page_url: str | None = None
    expires_at: datetime | None = None
    attach: str | None = None
    goods_tag: str | None = None
    detail: Mapping[str, object] | None = None
    scene_info: Mapping[str, object] | None = None
    profit_sharing: bool | None = None
    auth_code: Secret | None = None  # what the payer's phone showed; sent once, never stored
    redirect_url: str | None = None  # where an H5 payer comes back to

    def digest(self) -> str:
        """Two requests with the same digest ask for the same thing."""
        asked = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.auth_code is not None:
            asked["auth_code"] = self.auth_code.reveal()
        told = {
            name: asked[name] for name in asked if asked[name] is not None or name not in _LATER
        }
        text = json.dumps(told, sort_keys=True, default=str, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def given(self) -> dict[str, object]:
        """What of it belongs to some ways to pay only, named as in a request."""
        return {
            "payer": self.sp_openid or self.sub_openid,
            "page_url": self.page_url,
            "expires_at": self.expires_at,
            "scene_info": self.scene_info,
            "auth_code": self.auth_code,
            "redirect_url": self.redirect_url,
        }


@dataclass(frozen=True, slots=True)
class Placed:
    """The order, and whether this request made it."""

    order: Order
    is_new: bool


def create_order(
    *,
    sub_merchant: SubMerchant,
    partner: Partner,
    request: OrderRequest,
    sub_appids: Mapping[str, AppidKind] | None = None,
) -> Placed:
    """Record the order and open or charge it at WeChat Pay; runs acting for the tenant.

    `sub_appids` are those bound to it, if they have been read already. The same request again
    answers the same order. Raises OrderConflict for the same number with other content, a
    RefusedHere for what our own rules forbid, WeChatPayRefused or WeChatPayOutcomeUnknown for what
    came of asking; after the last two the order is kept.
    """
    bound = sub_appids_of(sub_merchant.id) if sub_appids is None else sub_appids
    try:
        draft = _draft(sub_merchant, partner, bound, request)
    except RefusedHere:
        # What was right when it was first asked may be late by now; a repeat is still a repeat.
        if _find(request.merchant_order_no) is None:
            raise
        draft = None
    if draft is not None and _record(draft):
        order = as_stored(Order, draft)
        code = request.auth_code
        return Placed(ensure_prepaid(order) if code is None else charge_code(order, code), True)
    found = _find(request.merchant_order_no)
    if found is None or found.request_hash != request.digest():
        raise OrderConflict(merchant_order_no=request.merchant_order_no)
    by_code = found.trade_type is TradeType.MICROPAY
    return Placed(charged_before(found) if by_code else ensure_prepaid(found), False)


def _record(draft: dict[str, object]) -> bool:
    """Record the order; False where the tenant has one of this number."""
    try:
        with transaction():
            run_later(_insert(dialect_here(), tuple(draft)), draft)
            audit.record(
                "order.created",
                object_kind="order",
                object_id=str(draft["id"]),
                tenant_id=str(draft["sub_merchant_id"]),
                amount_fen=draft["amount_fen"],
            )
    except IntegrityError:
        if _find(str(draft["merchant_order_no"])) is None:
            raise  # it broke another rule
        return False
    return True


@cache
def _insert(dialect: Dialect, given: tuple[str, ...]) -> Prepared:
    return Prepared(insert(cast("Table", Order.__table__)).inline(), dialect, given=given)


def _find(merchant_order_no: str) -> Order | None:
    return db.session.scalars(
        select(Order).where(Order.merchant_order_no == merchant_order_no)
    ).one_or_none()


def _draft(
    sub_merchant: SubMerchant,
    partner: Partner,
    sub_appids: Mapping[str, AppidKind],
    request: OrderRequest,
) -> dict[str, object]:
    moment, trade_type = now(), request.trade_type
    if problems := list(unfit_fields(trade_type, request.given())):
        raise FieldsDoNotFit(trade_type=trade_type, problems=problems)
    currency = request.currency or partner.currency
    if currency != partner.currency:
        raise CurrencyNotSettled(currency=currency, settled=partner.currency)
    sub_appid = _sub_appid(sub_appids, request)
    _check_page(sub_merchant, request.page_url)
    expires_at = _expiry(request, moment)
    out_trade_no = new_out_trade_no(moment)
    sp_appid = default_appid(partner)
    by_code = trade_type is TradeType.MICROPAY
    body = order_body(
        WAYS[trade_type].product,
        sp_appid=sp_appid,
        sp_mchid=partner.sp_mchid,
        sub_mchid=sub_merchant.sub_mchid,
        sub_appid=sub_appid,
        out_trade_no=out_trade_no,
        notify_url=None if by_code else notify_url(partner.sp_mchid),
        total_fen=request.amount_fen,
        currency=currency,
        time_expire=None if by_code else expires_at,
        **{name: getattr(request, name) for name in _AS_GIVEN},
    )
    return {
        "id": new_id("ord"),
        "sub_merchant_id": sub_merchant.id,
        "merchant_order_no": request.merchant_order_no,
        "out_trade_no": out_trade_no,
        "partner_id": partner.id,
        "sp_mchid": partner.sp_mchid,
        "sub_mchid": sub_merchant.sub_mchid,
        "sp_appid": sp_appid,
        "sub_appid": sub_appid,
        "trade_type": trade_type,
        "state": OrderState.CREATED,
        "description": request.description,
        "amount_fen": request.amount_fen,
        "currency": currency,
        "refunded_fen": 0,
        "refund_reserved_fen": 0,
        "refund_count": 0,
        "sp_openid": request.sp_openid,
        "sub_openid": request.sub_openid,
        "attach": request.attach,
        "request_hash": request.digest(),
        "place_body": body.decode(),
        "redirect_url": request.redirect_url,
        "expires_at": expires_at,
        "created_at": moment,
        "next_check_at": next_check(checks=0, now=moment, expires_at=expires_at, by_code=by_code),
        "checks": 0,
    }


def notify_url(sp_mchid: str) -> str:
    """Where WeChat Pay tells us of this provider's events."""
    return f"{current_app.config['PUBLIC_BASE_URL']}/notify/wechatpay/{sp_mchid}"


def _sub_appid(bound: Mapping[str, AppidKind], request: OrderRequest) -> str | None:
    kinds = WAYS[request.trade_type].appid_kinds
    fitting = [sub_appid for sub_appid, kind in bound.items() if kind in kinds]
    chosen = request.sub_appid or next(iter(fitting), None)
    if chosen is None and request.sub_openid is not None:
        chosen = next(iter(bound), None)  # it will not do, and the refusal says why
        if chosen is None:
            raise AppidNotBound(sub_appid=None)
    if chosen is not None and chosen not in bound:
        raise AppidNotBound(sub_appid=chosen)
    if chosen is not None and chosen not in fitting:
        raise AppidOfAnotherKind(
            sub_appid=chosen,
            kind=bound[chosen],
            trade_type=request.trade_type,
            kinds=sorted(kinds),
        )
    return chosen


def _check_page(sub_merchant: SubMerchant, page_url: str | None) -> None:
    if page_url is None:
        return
    verdict = directory_for(sub_merchant, page_url)
    if not verdict.covered:
        raise PageNotCovered(
            page_url=page_url,
            explanation=verdict.explanation,
            to_enter=[each.url for each in verdict.to_enter],
        )


def _expiry(request: OrderRequest, moment: datetime) -> datetime:
    if request.trade_type is TradeType.MICROPAY:
        return moment + CODE_PATIENCE
    asked = request.expires_at
    if asked is None:
        return (moment + USUAL_LIFE).replace(microsecond=0)
    earliest, latest = moment + SHORTEST_LIFE, moment + LONGEST_LIFE
    if not earliest <= asked <= latest:
        raise ExpiryOutOfRange(earliest=rfc3339(earliest), latest=rfc3339(latest))
    return asked.replace(microsecond=0)
