"""What each product's order may contain (payments: "Request fields").

One table per product, put together from shared parts. A product that is not in `PRODUCTS` does not
exist here, and its path answers 404.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Final

from partner.simulator.clock import parse_rfc3339
from partner.simulator.fields import Boolean, Integer, List, Object, Rule, Text
from partner.simulator.refusals import param_error

MAX_TOTAL_FEN: Final = 10_000_000_000  # a hundred million yuan: far above any single payment
OUT_TRADE_NO: Final = re.compile(r"[0-9A-Za-z_\-|*]{6,32}")
MCHID: Final = re.compile(r"[0-9]{8,32}")
APPID: Final = re.compile(r"wx[0-9a-zA-Z]{4,30}")
OPENID: Final = re.compile(r"o[0-9A-Za-z_-]{5,127}")
AUTH_CODE: Final = re.compile(r"1[0-5][0-9]{16}")
NOTIFY_URL: Final = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


@dataclass(frozen=True)
class OpenId:
    """A payer under one appid: starts with `o`, about 28 characters, at most 128."""

    required: bool = False

    def check(self, value: Any, pointer: str) -> None:
        Text(128).check(value, pointer)
        if not OPENID.fullmatch(value):
            raise param_error("无效的openid", field=pointer, value=value)


@dataclass(frozen=True)
class Moment:
    """An RFC 3339 date-time with its zone."""

    required: bool = False

    def check(self, value: Any, pointer: str) -> None:
        Text(64).check(value, pointer)
        try:
            parse_rfc3339(value)
        except (ValueError, OverflowError):
            issue = "应为RFC 3339格式的时间，例如 2026-01-02T15:04:05+08:00"
            message = f"输入源“/body{pointer}”{issue}"
            raise param_error(message, field=pointer, value=value, issue=issue) from None


@dataclass(frozen=True)
class Address:
    """An IPv4 or IPv6 address."""

    required: bool = False

    def check(self, value: Any, pointer: str) -> None:
        Text(45).check(value, pointer)
        try:
            ipaddress.ip_address(value)
        except ValueError:
            message = f"输入源“/body{pointer}”应为IPv4或IPv6地址"
            raise param_error(message, field=pointer, value=value) from None


STORE_INFO = Object(
    {
        "id": Text(32, required=True),
        "name": Text(256),
        "area_code": Text(32),
        "address": Text(512),
    }
)


def _detail(goods_id: str) -> Object:
    """The goods of an order. WeChat Pay's own number for them is named differently by product."""
    goods = Object(
        {
            "merchant_goods_id": Text(32, pattern=re.compile(r"[0-9A-Za-z_-]+"), required=True),
            goods_id: Text(32),
            "goods_name": Text(256),
            "quantity": Integer(1, 10**9, required=True),
            "unit_price": Integer(0, MAX_TOTAL_FEN, required=True),
        }
    )
    return Object(
        {
            "cost_price": Integer(0, MAX_TOTAL_FEN),
            "invoice_id": Text(32),
            "goods_detail": List(goods, longest=6000),
        }
    )


AMOUNT = Object(
    {
        "total": Integer(1, MAX_TOTAL_FEN, required=True),
        "currency": Text(16, choices=frozenset({"CNY"})),
    },
    required=True,
)
COMMON: dict[str, Rule] = {
    "sp_appid": Text(32, pattern=APPID, required=True),
    "sp_mchid": Text(32, pattern=MCHID, required=True),
    "sub_appid": Text(32, pattern=APPID),
    "sub_mchid": Text(32, pattern=MCHID, required=True),
    "description": Text(127, required=True),
    # The real gateway allows only public hosts; here a developer's own machine is the usual
    # receiver.
    "notify_url": Text(255, pattern=NOTIFY_URL, required=True),
    "out_trade_no": Text(32, shortest=6, pattern=OUT_TRADE_NO, required=True),
    "time_expire": Moment(),
    "attach": Text(128),
    "goods_tag": Text(32),
    "support_fapiao": Boolean(),
    "settle_info": Object({"profit_sharing": Boolean()}),
    "amount": AMOUNT,
    "detail": _detail("wechatpay_goods_id"),
}
_SCENE: dict[str, Rule] = {
    "payer_client_ip": Address(required=True),
    "device_id": Text(32),
    "store_info": STORE_INFO,
}
SCENE = Object(_SCENE)
H5_SCENE = Object(
    {
        **_SCENE,
        "h5_info": Object(
            {
                "type": Text(32, choices=frozenset({"Wap", "iOS", "Android"}), required=True),
                "app_name": Text(64),
                "app_url": Text(128),
                "bundle_id": Text(128),
                "package_name": Text(128),
            },
            required=True,
        ),
    },
    required=True,
)
PAYER = Object({"sp_openid": OpenId(), "sub_openid": OpenId()}, required=True)

# What a shop sends after its scanner has read a payer's code: no notify_url and no time_expire,
# for the answer to the call is the only news there will be.
_NOT_BY_CODE: Final = ("notify_url", "time_expire", "sp_appid")
CODEPAY: dict[str, Rule] = {
    **{name: rule for name, rule in COMMON.items() if name not in _NOT_BY_CODE},
    "sp_appid": Text(32, pattern=APPID),
    "payer": Object({"auth_code": Text(18, pattern=AUTH_CODE, required=True)}, required=True),
    "scene_info": Object(
        {
            "device_id": Text(32),
            "device_ip": Address(),
            "store_info": Object({"id": Text(32), "out_id": Text(32)}, required=True),
        },
        required=True,
    ),
    "detail": _detail("wxpay_goods_id"),
}

CLOSE_BODY = Object(
    {
        "sp_mchid": Text(32, pattern=MCHID, required=True),
        "sub_mchid": Text(32, pattern=MCHID, required=True),
    }
)
REVERSE_BODY = Object(
    {
        **CLOSE_BODY.members,
        "sp_appid": Text(32, pattern=APPID),
        "sub_appid": Text(32, pattern=APPID),
    }
)


@dataclass(frozen=True)
class Product:
    """One way to place an order: its name in the path, the permission it needs, its mark in
    transactions and bills, and its table."""

    name: str
    permission: str
    trade_type: str
    table: Object


JSAPI: Final = Product(
    "jsapi", "JSAPI", "JSAPI", Object({**COMMON, "scene_info": SCENE, "payer": PAYER})
)
APP: Final = Product("app", "APP", "APP", Object({**COMMON, "scene_info": SCENE}))
NATIVE: Final = Product("native", "NATIVE", "NATIVE", Object({**COMMON, "scene_info": SCENE}))
H5: Final = Product("h5", "H5", "MWEB", Object({**COMMON, "scene_info": H5_SCENE}))
CODE: Final = Product("codepay", "CODEPAY", "MICROPAY", Object(CODEPAY))
PRODUCTS: Final = {product.name: product for product in (JSAPI, APP, NATIVE, H5, CODE)}
