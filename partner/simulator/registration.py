"""Reads what `POST /_simulator/merchants` brings: a new provider, or news about a known one.

A known provider keeps whatever the request leaves out, so a sub-merchant is added by naming just
the provider's number and the sub-merchant. Without `sp_mchid` the default provider is meant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from partner.simulator import keys
from partner.simulator.merchants import (
    KEY_MODES,
    PERMISSIONS,
    Provider,
    SubMerchant,
    with_sub_merchants,
)
from partner.simulator.order_fields import APPID, MCHID

PAYMENT_DIRECTORY: Final = re.compile(r"https?://[^\s/?#@]+/([^\s?#]*/)?")
MAX_DIRECTORIES: Final = 5  # at each of the two levels

_PROVIDER_FIELDS = frozenset(
    [
        "sp_mchid",
        "sp_appid",
        "sp_appids",
        "name",
        "serial_no",
        "public_key_pem",
        "certificate_pem",
        "api_v3_key",
        "key_mode",
        "notification_public_key_share",
        "oauth_domains",
        "oauth_scopes",
        "app_secrets",
        "payment_directories",
        "h5_domains",
        "codepay_enabled",
        "reverse_after_s",
        "sub_merchants",
    ]
)
_SUB_FIELDS = frozenset(
    [
        "sub_mchid",
        "sub_appid",
        "sub_appids",
        "name",
        "permissions",
        "related",
        "restricted",
        "fee_rate_ppm",
        "balance_fen",
        "payment_directories",
    ]
)


class BadRegistration(ValueError):
    """The request cannot be understood; the text says which field and why."""


def read_registration(payload: dict[str, Any], known: Provider | None) -> Provider:
    """The provider as it stands after this request. BadRegistration names the field at fault."""
    _only(payload, _PROVIDER_FIELDS, "")
    provider = _new_provider(payload) if known is None else known
    changes: dict[str, Any] = {}
    if "sp_appid" in payload or "sp_appids" in payload:
        changes["sp_appids"] = _appids(payload, "sp_appid", "sp_appids")
    if "serial_no" in payload or "public_key_pem" in payload or "certificate_pem" in payload:
        changes["public_keys"] = {**provider.public_keys, **_public_key(payload)}
    for name, read in _PLAIN.items():
        if name in payload:
            changes[name] = read(payload[name])
    subs = _list(payload.get("sub_merchants", []), "sub_merchants")
    provider = replace(provider, **changes)
    return with_sub_merchants(provider, [_sub_merchant(one, provider) for one in subs])


def read_balances(payload: dict[str, Any]) -> dict[str, int | None]:
    """What the request says of sub-merchants' balances, in fen; null lifts the limit."""
    subs = _list(payload.get("sub_merchants", []), "sub_merchants")
    limits = [one for one in subs if isinstance(one, dict) and "balance_fen" in one]
    for one in limits:
        value = one["balance_fen"]
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int) or value < 0
        ):
            raise BadRegistration("balance_fen: fen from 0, or null for no limit")
    return {str(one.get("sub_mchid")): one["balance_fen"] for one in limits}


def _new_provider(payload: dict[str, Any]) -> Provider:
    for name in ("sp_mchid", "sp_appid", "serial_no", "api_v3_key"):
        if name not in payload:
            raise BadRegistration(f"{name}: a provider that is not known yet needs it")
    sp_mchid = _matching(payload["sp_mchid"], MCHID, "sp_mchid")
    name = str(payload.get("name") or f"服务商 {sp_mchid}")
    return Provider(sp_mchid, name, ("wx0000",), "", {})


def _sub_merchant(payload: Any, provider: Provider) -> SubMerchant:
    if not isinstance(payload, dict):
        raise BadRegistration("sub_merchants: every entry is an object with a sub_mchid")
    _only(payload, _SUB_FIELDS, "sub_merchants: ")
    sub_mchid = _matching(payload.get("sub_mchid"), MCHID, "sub_merchants: sub_mchid")
    known = provider.sub_merchants.get(sub_mchid)
    sub = known or SubMerchant(sub_mchid, name=f"特约商户 {sub_mchid}")
    changes: dict[str, Any] = {}
    if "sub_appid" in payload or "sub_appids" in payload:
        appids = _appids(payload, "sub_appid", "sub_appids")
        changes = {"sub_appid": appids[0] if appids else None, "sub_appids": appids}
    if payload.get("name"):
        changes["name"] = str(payload["name"])
    if "permissions" in payload:
        changes["permissions"] = _permissions(payload["permissions"])
    for flag in ("related", "restricted"):
        if flag in payload:
            changes[flag] = _boolean(payload[flag], flag)
    if "payment_directories" in payload:
        changes["payment_directories"] = _directories(payload["payment_directories"])
    if "fee_rate_ppm" in payload:
        changes["fee_rate_ppm"] = _fee_rate(payload["fee_rate_ppm"])
    return replace(sub, **changes)


def _public_key(payload: dict[str, Any]) -> dict[str, str]:
    serial_no = payload.get("serial_no")
    certificate_pem, public_key_pem = payload.get("certificate_pem"), payload.get("public_key_pem")
    try:
        if certificate_pem:
            certificate = keys.load_certificate(str(certificate_pem).encode())
            serial_no = serial_no or keys.serial_text(certificate)
            key = keys.certified_key(certificate)
        elif public_key_pem:
            key = keys.load_public_key(str(public_key_pem).encode())
        else:
            raise BadRegistration("public_key_pem: send it, or certificate_pem")
    except ValueError as problem:
        if isinstance(problem, BadRegistration):
            raise
        raise BadRegistration("public_key_pem or certificate_pem: not an RSA key in PEM") from None
    serial = str(serial_no or "").upper()
    if not (serial.isascii() and serial.isalnum() and 8 <= len(serial) <= 40):
        raise BadRegistration("serial_no: 8 to 40 letters and digits")
    return {serial: keys.public_pem(key).decode()}


def _appids(payload: dict[str, Any], one: str, many: str) -> tuple[str, ...]:
    """The default appid first, the others after it, none twice."""
    named = [payload[one]] if payload.get(one) else []
    named += _list(payload.get(many, []), many)
    appids = tuple(dict.fromkeys(_matching(appid, APPID, one) for appid in named))
    if not appids and one == "sp_appid":
        raise BadRegistration("sp_appid: a provider has at least one")
    return appids


def _permissions(value: Any) -> frozenset[str]:
    asked = frozenset(str(one).upper() for one in _list(value, "permissions"))
    if not asked <= PERMISSIONS:
        raise BadRegistration(f"permissions: choose among {', '.join(sorted(PERMISSIONS))}")
    return asked


def _api_v3_key(value: Any) -> str:
    if not isinstance(value, str) or len(value) != 32 or not (value.isascii() and value.isalnum()):
        raise BadRegistration("api_v3_key: exactly 32 letters and digits")
    return value


def _key_mode(value: Any) -> str:
    if value not in KEY_MODES:
        raise BadRegistration(f"key_mode: choose among {', '.join(KEY_MODES)}")
    return str(value)


def _share(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise BadRegistration("notification_public_key_share: a number from 0 to 1, or null")
    return float(value)


def _fee_rate(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100_000:
        raise BadRegistration("fee_rate_ppm: parts per million, 0 to 100000; 0.60 % is 6000")
    return value


def _domains(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise BadRegistration("oauth_domains: an object of appid to a list of host names")
    return {
        str(appid): tuple(str(name).lower() for name in _list(names, "oauth_domains"))
        for appid, names in value.items()
    }


def _scopes(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise BadRegistration("oauth_scopes: an object of appid to a list of scopes")
    return {
        str(appid): tuple(str(name) for name in _list(names, "oauth_scopes"))
        for appid, names in value.items()
    }


def _directories(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    listed = tuple(str(one) for one in _list(value, "payment_directories"))
    for one in listed:
        if not PAYMENT_DIRECTORY.fullmatch(one):
            raise BadRegistration(f"payment_directories: {one!r} is no http(s) URL that ends in /")
    if len(listed) > MAX_DIRECTORIES:
        raise BadRegistration(f"payment_directories: {MAX_DIRECTORIES} at most")
    return listed


def _seconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 3600:
        raise BadRegistration("reverse_after_s: whole seconds from 0 to 3600")
    return value


def _hosts(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(str(name).lower() for name in _list(value, "h5_domains"))


def _secrets(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadRegistration("app_secrets: an object of appid to its secret")
    return {str(appid): str(secret) for appid, secret in value.items()}


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadRegistration("name: a text")
    return value


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "api_v3_key": _api_v3_key,
    "key_mode": _key_mode,
    "notification_public_key_share": _share,
    "oauth_domains": _domains,
    "oauth_scopes": _scopes,
    "app_secrets": _secrets,
    "payment_directories": _directories,
    "h5_domains": _hosts,
    "codepay_enabled": lambda value: _boolean(value, "codepay_enabled"),
    "reverse_after_s": _seconds,
}


def _matching(value: Any, pattern: Any, name: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadRegistration(f"{name}: {value!r} does not look like one")
    return value


def _boolean(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise BadRegistration(f"{name}: true or false")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise BadRegistration(f"{name}: a list")
    return value


def _only(payload: dict[str, Any], allowed: frozenset[str], prefix: str) -> None:
    extra = sorted(set(payload) - allowed)
    if extra:
        raise BadRegistration(f"{prefix}{', '.join(extra)}: not known; known are {sorted(allowed)}")
