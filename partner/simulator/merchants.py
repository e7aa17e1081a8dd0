"""Who is registered: service providers with their credentials, and the sub-merchants they serve.

What WeChat Pay's merchant platform would hold: which keys a provider signs with, which appids are
bound to whom, and which products a sub-merchant has authorised. No rule of any API lives here.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from partner.simulator import keys
from partner.simulator.storage import Storage

PERMISSIONS: Final = frozenset(
    {"JSAPI", "APP", "H5", "NATIVE", "CODEPAY", "REFUND", "PROFITSHARING", "BILL"}
)
KEY_MODES: Final = ("certificate", "public_key", "both")
DEFAULT_FEE_RATE_PPM: Final = 6000  # 0.60 %


@dataclass(frozen=True)
class SubMerchant:
    """A sub-merchant under one provider. `related=False`: the relation existed and was ended.

    `payment_directories=None`: nobody looks where its pages are; an empty tuple: none is right.
    """

    sub_mchid: str
    name: str
    sub_appid: str | None = None
    sub_appids: tuple[str, ...] = ()
    permissions: frozenset[str] = PERMISSIONS
    related: bool = True
    restricted: bool = False
    fee_rate_ppm: int = DEFAULT_FEE_RATE_PPM
    payment_directories: tuple[str, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "sub_mchid": self.sub_mchid,
            "name": self.name,
            "sub_appid": self.sub_appid,
            "sub_appids": list(self.sub_appids),
            "permissions": sorted(self.permissions),
            "related": self.related,
            "restricted": self.restricted,
            "fee_rate_ppm": self.fee_rate_ppm,
            "payment_directories": _listed(self.payment_directories),
        }


@dataclass(frozen=True)
class Provider:
    """A service provider. `public_keys` maps a merchant certificate's serial to its public key in
    PEM."""

    sp_mchid: str
    name: str
    sp_appids: tuple[str, ...]
    api_v3_key: str = field(repr=False)
    public_keys: dict[str, str]
    key_mode: str = "both"
    notification_public_key_share: float | None = None
    oauth_domains: dict[str, tuple[str, ...]] = field(default_factory=dict)
    oauth_scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    app_secrets: dict[str, str] = field(default_factory=dict, repr=False)
    payment_directories: tuple[str, ...] | None = None
    h5_domains: tuple[str, ...] | None = None
    codepay_enabled: bool = True
    reverse_after_s: int = 0
    sub_merchants: dict[str, SubMerchant] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """What may be shown: neither the API v3 key nor app secrets."""
        return {
            "sp_mchid": self.sp_mchid,
            "name": self.name,
            "sp_appid": self.sp_appids[0],
            "sp_appids": list(self.sp_appids),
            "serial_nos": sorted(self.public_keys),
            "key_mode": self.key_mode,
            "notification_public_key_share": self.notification_public_key_share,
            "oauth_domains": {appid: list(names) for appid, names in self.oauth_domains.items()},
            "oauth_scopes": {appid: list(names) for appid, names in self.oauth_scopes.items()},
            "payment_directories": _listed(self.payment_directories),
            "h5_domains": _listed(self.h5_domains),
            "codepay_enabled": self.codepay_enabled,
            "reverse_after_s": self.reverse_after_s,
            "sub_merchants": [sub.as_dict() for sub in self.sub_merchants.values()],
        }

    def binds(self, appid: str) -> bool:
        """Whether the appid belongs to the provider or to one of its sub-merchants."""
        subs = self.sub_merchants.values()
        return appid in self.sp_appids or any(appid in sub.sub_appids for sub in subs)


class Merchants:
    """All providers, in memory for reading and in storage for the next start."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._providers: dict[str, Provider] = {}
        self._loaded_keys: dict[str, rsa.RSAPublicKey] = {}
        for row in storage.rows("SELECT document FROM merchants ORDER BY sp_mchid"):
            provider = _from_document(json.loads(row["document"]))
            self._providers[provider.sp_mchid] = provider

    def register(self, provider: Provider) -> None:
        """Add the provider or put it in place of what was known under its number."""
        with self._lock:
            self._storage.execute(
                "INSERT INTO merchants VALUES (?, ?)"
                " ON CONFLICT (sp_mchid) DO UPDATE SET document = excluded.document",
                (provider.sp_mchid, json.dumps(_document(provider), ensure_ascii=False)),
            )
            self._providers = {**self._providers, provider.sp_mchid: provider}

    def find(self, sp_mchid: str) -> Provider | None:
        return self._providers.get(sp_mchid)

    def all(self) -> list[Provider]:
        return list(self._providers.values())

    def knows_sub_mchid(self, sub_mchid: str) -> bool:
        """Whether any provider serves it: the number exists, if not for the one who asks."""
        return any(sub_mchid in provider.sub_merchants for provider in self._providers.values())

    def owner_of_appid(self, appid: str) -> Provider | None:
        owners = (one for one in self._providers.values() if one.binds(appid))
        return next(owners, None)

    def public_key(self, provider: Provider, serial_no: str) -> rsa.RSAPublicKey | None:
        """The provider's key under this serial, parsed once."""
        pem = provider.public_keys.get(serial_no)
        if pem is None:
            return None
        if pem not in self._loaded_keys:
            self._loaded_keys[pem] = keys.load_public_key(pem.encode())
        return self._loaded_keys[pem]


def with_sub_merchants(provider: Provider, subs: list[SubMerchant]) -> Provider:
    """The provider with these sub-merchants added, or in place of those with their numbers."""
    return replace(
        provider, sub_merchants={**provider.sub_merchants, **{sub.sub_mchid: sub for sub in subs}}
    )


def _listed(names: tuple[str, ...] | None) -> list[str] | None:
    return None if names is None else list(names)


def _kept(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


def _document(provider: Provider) -> dict[str, Any]:
    return {
        **provider.as_dict(),
        "api_v3_key": provider.api_v3_key,
        "public_keys": provider.public_keys,
        "app_secrets": provider.app_secrets,
    }


def _from_document(document: dict[str, Any]) -> Provider:
    return Provider(
        sp_mchid=document["sp_mchid"],
        name=document["name"],
        sp_appids=tuple(document["sp_appids"]),
        api_v3_key=document["api_v3_key"],
        public_keys=document["public_keys"],
        key_mode=document["key_mode"],
        notification_public_key_share=document["notification_public_key_share"],
        oauth_domains={appid: tuple(names) for appid, names in document["oauth_domains"].items()},
        oauth_scopes={
            appid: tuple(names) for appid, names in document.get("oauth_scopes", {}).items()
        },
        payment_directories=_kept(document.get("payment_directories")),
        h5_domains=_kept(document.get("h5_domains")),
        codepay_enabled=document.get("codepay_enabled", True),
        reverse_after_s=document.get("reverse_after_s", 0),
        app_secrets=document["app_secrets"],
        sub_merchants={sub["sub_mchid"]: _sub_merchant(sub) for sub in document["sub_merchants"]},
    )


def _sub_merchant(document: dict[str, Any]) -> SubMerchant:
    return SubMerchant(
        sub_mchid=document["sub_mchid"],
        name=document["name"],
        sub_appid=document["sub_appid"],
        sub_appids=tuple(document["sub_appids"]),
        permissions=frozenset(document["permissions"]),
        related=document["related"],
        restricted=document["restricted"],
        fee_rate_ppm=document["fee_rate_ppm"],
        payment_directories=_kept(document.get("payment_directories")),
    )
