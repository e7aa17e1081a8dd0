"""Where a payment begins: record the order, then open its prepay session at WeChat Pay.

The order and its number are committed before WeChat Pay hears of them, and no transaction is open
while it answers. Asking again with the tenant's own number is the same order, whatever became of
the first attempt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import select

from config import audit
from config.clock import now
from config.database import as_stored, db, insert_new, transaction
from config.errors import RefusedHere
from config.identifiers import new_id
from partner.credentials import default_appid
from partner.models import Partner
from partner.wechatpay.resources.transactions import jsapi_order_body
from payments.errors import (
    AppidNotBound,
    CurrencyNotSettled,
    ExpiryOutOfRange,
    OrderConflict,
    PageNotCovered,
)
from payments.numbers import new_out_trade_no
from payments.orders.models import Order, OrderState, TradeType
from payments.orders.place import ensure_prepaid
from payments.orders.presenter import present_moment
from payments.orders.schedule import next_check
from submerchants.directories.match import directory_for
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.queries import sub_appids_of

SHORTEST_LIFE = timedelta(minutes=1)
LONGEST_LIFE = timedelta(days=7)
USUAL_LIFE = timedelta(days=1)


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

    def digest(self) -> str:
        """Two requests with the same digest ask for the same thing."""
        text = json.dumps(asdict(self), sort_keys=True, default=str, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Placed:
    """The order, and whether this request made it."""

    order: Order
    is_new: bool


def create_order(*, sub_merchant: SubMerchant, partner: Partner, request: OrderRequest) -> Placed:
    """Record the order and open its prepay session; runs acting for the tenant.

    The same request again answers the same order. Raises OrderConflict for the same number with
    other content, a RefusedHere for what our own rules forbid, WeChatPayRefused or
    WeChatPayOutcomeUnknown for what came of asking; after the last two the order is kept.
    """
    try:
        draft = _draft(sub_merchant, partner, request)
    except RefusedHere:
        # What was right when it was first asked may be late by now; a repeat is still a repeat.
        if _find(request.merchant_order_no) is None:
            raise
        draft = None
    if draft is not None and _record(draft):
        return Placed(ensure_prepaid(as_stored(Order(**draft))), is_new=True)
    order = _find(request.merchant_order_no)
    if order is None or order.request_hash != request.digest():
        raise OrderConflict(merchant_order_no=request.merchant_order_no)
    return Placed(ensure_prepaid(order), is_new=False)


def _record(draft: dict[str, object]) -> bool:
    with transaction():
        is_new = insert_new(Order, draft, unique=("sub_merchant_id", "merchant_order_no"))
        if is_new:
            audit.record(
                "order.created",
                object_kind="order",
                object_id=str(draft["id"]),
                tenant_id=str(draft["sub_merchant_id"]),
                amount_fen=draft["amount_fen"],
            )
    return is_new


def _find(merchant_order_no: str) -> Order | None:
    return db.session.scalars(
        select(Order).where(Order.merchant_order_no == merchant_order_no)
    ).one_or_none()


def _draft(sub_merchant: SubMerchant, partner: Partner, request: OrderRequest) -> dict[str, object]:
    moment = now()
    currency = request.currency or partner.currency
    if currency != partner.currency:
        raise CurrencyNotSettled(currency=currency, settled=partner.currency)
    sub_appid = _sub_appid(sub_merchant, request)
    _check_page(sub_merchant, request.page_url)
    expires_at = _expiry(request.expires_at, moment)
    out_trade_no = new_out_trade_no(moment)
    sp_appid = default_appid(partner)
    body = jsapi_order_body(
        sp_appid=sp_appid,
        sp_mchid=partner.sp_mchid,
        sub_mchid=sub_merchant.sub_mchid,
        sub_appid=sub_appid,
        description=request.description,
        out_trade_no=out_trade_no,
        notify_url=notify_url(partner.sp_mchid),
        total_fen=request.amount_fen,
        currency=currency,
        sp_openid=request.sp_openid,
        sub_openid=request.sub_openid,
        time_expire=expires_at,
        attach=request.attach,
        goods_tag=request.goods_tag,
        detail=request.detail,
        scene_info=request.scene_info,
        profit_sharing=request.profit_sharing,
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
        "trade_type": request.trade_type,
        "state": OrderState.CREATED,
        "description": request.description,
        "amount_fen": request.amount_fen,
        "currency": currency,
        "refunded_fen": 0,
        "sp_openid": request.sp_openid,
        "sub_openid": request.sub_openid,
        "attach": request.attach,
        "request_hash": request.digest(),
        "place_body": body.decode(),
        "expires_at": expires_at,
        "created_at": moment,
        "next_check_at": next_check(checks=0, now=moment, expires_at=expires_at),
        "checks": 0,
    }


def notify_url(sp_mchid: str) -> str:
    """Where WeChat Pay tells us of this provider's events."""
    return f"{current_app.config['PUBLIC_BASE_URL']}/notify/wechatpay/{sp_mchid}"


def _sub_appid(sub_merchant: SubMerchant, request: OrderRequest) -> str | None:
    bound = sub_appids_of(sub_merchant.id)
    if request.sub_appid is not None and request.sub_appid not in bound:
        raise AppidNotBound(sub_appid=request.sub_appid)
    sub_appid = request.sub_appid or next(iter(bound), None)
    if request.sub_openid is not None and sub_appid is None:
        raise AppidNotBound(sub_appid=None)
    return sub_appid


def _check_page(sub_merchant: SubMerchant, page_url: str | None) -> None:
    if page_url is None:
        return
    verdict = directory_for(sub_merchant, page_url)
    if not verdict.covered:
        raise PageNotCovered(page_url=page_url, explanation=verdict.explanation)


def _expiry(asked: datetime | None, moment: datetime) -> datetime:
    if asked is None:
        return (moment + USUAL_LIFE).replace(microsecond=0)
    earliest, latest = moment + SHORTEST_LIFE, moment + LONGEST_LIFE
    if not earliest <= asked <= latest:
        raise ExpiryOutOfRange(
            earliest=present_moment(earliest) or "", latest=present_moment(latest) or ""
        )
    return asked.replace(microsecond=0)
