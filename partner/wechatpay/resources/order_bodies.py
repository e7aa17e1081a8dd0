"""What an order says to WeChat Pay: one body for every way to pay, with what each of them takes.

The bytes are made once and stored by the caller, because WeChat Pay takes a repeat only when
nothing in it differs. Whether an order makes sense is decided elsewhere; a field that its product
has no place for is a mistake of ours and raises ValueError. WeChat Pay documents:
"JSAPI/小程序下单", "APP下单", "H5下单", "Native下单", "付款码支付".
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from partner.wechatpay import wire

_BEIJING: Final = timezone(timedelta(hours=8))


@dataclass(frozen=True, slots=True)
class Product:
    """One way to pay: the end of its path, and what WeChat Pay answers an order of it with."""

    name: str
    answer: str | None = None  # the field of its answer; None where that is the payment itself
    longest_answer: int = 0
    names_payer: bool = False
    goods_id: str = "wechatpay_goods_id"  # what its goods call WeChat Pay's own number


JSAPI: Final = Product("jsapi", "prepay_id", 64, names_payer=True)
APP: Final = Product("app", "prepay_id", 64)
NATIVE: Final = Product("native", "code_url", 512)
H5: Final = Product("h5", "h5_url", 512)
CODEPAY: Final = Product("codepay", goods_id="wxpay_goods_id")


def order_body(
    product: Product,
    *,
    sp_appid: str,
    sp_mchid: str,
    sub_mchid: str,
    description: str,
    out_trade_no: str,
    total_fen: int,
    notify_url: str | None = None,
    currency: str = "CNY",
    sub_appid: str | None = None,
    sp_openid: str | None = None,
    sub_openid: str | None = None,
    time_expire: datetime | None = None,
    attach: str | None = None,
    goods_tag: str | None = None,
    support_fapiao: bool | None = None,
    profit_sharing: bool | None = None,
    detail: Mapping[str, object] | None = None,
    scene_info: Mapping[str, object] | None = None,
) -> bytes:
    """The order exactly as it will be sent. Store these bytes: a repeat must send the very same.

    What is None or empty is left out at every depth: WeChat Pay refuses nulls anywhere, and blanks
    in optional fields make a scanned code fail. A payer's code is no part of it: `pay_by_code`
    adds it to what it sends, since it is not to be stored.
    """
    _require_place(product, notify_url, time_expire, sp_openid or sub_openid)
    order = {
        "sp_appid": sp_appid,
        "sp_mchid": sp_mchid,
        "sub_appid": sub_appid,
        "sub_mchid": sub_mchid,
        "description": description,
        "out_trade_no": out_trade_no,
        "time_expire": None if time_expire is None else _beijing_text(time_expire),
        "attach": attach,
        "notify_url": notify_url,
        "goods_tag": goods_tag,
        "support_fapiao": support_fapiao,
        "settle_info": {"profit_sharing": profit_sharing},
        "amount": {"total": total_fen, "currency": currency},
        "payer": {"sp_openid": sp_openid, "sub_openid": sub_openid},
        "detail": None if detail is None else _named_for(product, detail),
        "scene_info": scene_info,
    }
    return wire.compact_json(_present(order))


def with_auth_code(body: bytes, auth_code: str) -> bytes:
    """The body of a payment by code, with the payer's code in its place."""
    return wire.compact_json({**json.loads(body), "payer": {"auth_code": auth_code}})


def _require_place(
    product: Product, notify_url: str | None, time_expire: datetime | None, openid: str | None
) -> None:
    by_code = product is CODEPAY
    if by_code == (notify_url is not None):
        raise ValueError("every order has a notify_url, except one by payment code")
    if by_code and time_expire is not None:
        raise ValueError("an order by payment code has no time_expire")
    if openid is not None and not product.names_payer:
        raise ValueError("only an order inside WeChat names its payer by openid")


def _named_for(product: Product, detail: Mapping[str, object]) -> dict[str, object]:
    lines: Any = detail.get("goods_detail") or []
    renamed = [
        {product.goods_id if name == "wechatpay_goods_id" else name: each[name] for name in each}
        for each in lines
    ]
    return {**detail, "goods_detail": renamed}


def _present(value: object) -> Any:
    """The value without what is None or empty, however deep it stands."""
    if value is None or isinstance(value, str | int):
        return value  # looked at first: asking whether something is a mapping takes long
    if isinstance(value, Mapping):
        kept = {name: _present(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each not in (None, "", {}, [])}
    if isinstance(value, list | tuple):
        return [_present(each) for each in value]
    return value


def _beijing_text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("time_expire must be aware")
    return moment.astimezone(_BEIJING).isoformat(timespec="seconds")
