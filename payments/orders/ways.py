"""The ways to pay: what of an order each one needs, takes and has no place for. Pure.

A field is named as in a request, and a part of `scene_info` with dots. A field that is not in
`SPECIAL` may come with every way to pay. A part that a way needs, such as
`scene_info.payer_client_ip`, is missed only where the object it belongs to was sent.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

from partner.wechatpay.resources.order_bodies import APP, CODEPAY, H5, JSAPI, NATIVE, Product
from payments.orders.models import TradeType
from submerchants.tenants.models import AppidKind

# WeChat Pay's two hours and five minutes, less what a payer needs to get through.
PREPAY_LIFE = timedelta(hours=2) - timedelta(minutes=5)
H5_LIFE = timedelta(minutes=5) - timedelta(seconds=30)
# How long a payer may take over the password before a payment by code is reversed.
CODE_PATIENCE = timedelta(seconds=30)

_IP = "scene_info.payer_client_ip"
_STORE = "scene_info.store_info"
_STORE_ID = f"{_STORE}.id"
_ONLINE_NEEDS = frozenset({_IP, _STORE_ID})
_ONLINE_TAKES = frozenset(
    {"expires_at", _IP, _STORE_ID, f"{_STORE}.name", f"{_STORE}.area_code", f"{_STORE}.address"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to pay, on our side of WeChat Pay's `product`."""

    product: Product
    needs: frozenset[str]
    takes: frozenset[str]  # of the fields that are not everybody's
    appid_kinds: frozenset[AppidKind] = frozenset(AppidKind)
    session: str | None = None  # the column of an order that keeps what WeChat Pay answered
    life: timedelta = PREPAY_LIFE  # of that answer


WAYS: Mapping[TradeType, Way] = MappingProxyType(
    {
        TradeType.JSAPI: Way(
            product=JSAPI,
            needs=_ONLINE_NEEDS | {"payer"},
            takes=_ONLINE_TAKES | {"payer", "page_url"},
            appid_kinds=frozenset({AppidKind.OFFICIAL_ACCOUNT, AppidKind.MINI_PROGRAM}),
            session="prepay_id",
        ),
        TradeType.NATIVE: Way(
            product=NATIVE, needs=_ONLINE_NEEDS, takes=_ONLINE_TAKES, session="code_url"
        ),
        TradeType.MWEB: Way(
            product=H5,
            needs=_ONLINE_NEEDS | {"scene_info", "scene_info.h5_info"},
            takes=_ONLINE_TAKES | {"scene_info.h5_info", "redirect_url"},
            session="h5_url",
            life=H5_LIFE,
        ),
        TradeType.APP: Way(
            product=APP,
            needs=_ONLINE_NEEDS,
            takes=_ONLINE_TAKES,
            appid_kinds=frozenset({AppidKind.APP}),
            session="prepay_id",
        ),
        TradeType.MICROPAY: Way(
            product=CODEPAY,
            needs=frozenset({"auth_code", "scene_info", _STORE}),
            takes=frozenset({"auth_code", "scene_info.device_ip", _STORE_ID, f"{_STORE}.out_id"}),
        ),
    }
)
SPECIAL = frozenset[str]().union(*(way.takes for way in WAYS.values()))


def unfit_fields(trade_type: TradeType, given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Each field that this way to pay misses or has no place for, with a sentence about it."""
    way, flat = WAYS[trade_type], dict(_flattened(given))
    for name in sorted(way.needs - flat.keys()):
        parent = name.rpartition(".")[0]
        if not parent or parent in flat:
            yield name, f"An order of {trade_type} needs it."
    for name in sorted(SPECIAL & flat.keys() - way.takes):
        yield name, f"An order of {trade_type} has no place for it."
    if trade_type is TradeType.MWEB and _is_nobodys(flat.get(_IP)):
        yield _IP, "This is no payer's address. Send the one the payer's browser comes from."


def _flattened(given: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in given.items():
        if value is None:
            continue
        yield before + name, value
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{before}{name}.")


def _is_nobodys(address: object) -> bool:
    if not isinstance(address, str):
        return False
    found = ipaddress.ip_address(address)
    return found.is_loopback or found.is_unspecified or found.is_multicast
