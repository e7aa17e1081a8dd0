"""A provider as commands and pages show it: every key by name and date, none by content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from config.clock import now
from config.database import db
from partner.app_secrets import appids_with_secret
from partner.credentials import appids_of
from partner.directories import in_force_at, list_directories
from partner.models import (
    ApiV3Key,
    KeyState,
    MerchantKey,
    Partner,
    PartnerDirectory,
    RefreshState,
    WeChatPayKey,
    WeChatPayKeyKind,
)
from partner.platform_keys import last_refresh, wechatpay_keys

EXPIRY_NOTICE: Final = timedelta(days=30)
_AS_IT_STANDS: Final = {"populate_existing": True}


@dataclass(frozen=True, slots=True)
class ExpiringKey:
    """A key in use that runs out."""

    kind: str  # merchant_certificate or platform_certificate
    serial: str
    expires_at: datetime


def present_summary(partner: Partner) -> dict[str, Any]:
    """One line of the list of providers."""
    return {
        "sp_mchid": partner.sp_mchid,
        "name": partner.name,
        "currency": partner.currency,
        "sp_appids": appids_of(partner.id),
        "created_at": partner.created_at,
    }


def present_partner(partner: Partner) -> dict[str, Any]:
    """Everything about a provider that may be shown."""
    return {
        **present_summary(partner),
        "appids_with_secret": appids_with_secret(partner.id),
        "appid_limit": partner.appid_limit,
        "bill_scope": partner.bill_scope,
        "merchant_keys": [_merchant_key(row) for row in _merchant_keys(partner.id)],
        "api_v3_keys": [
            {"state": row.state, "created_at": row.created_at} for row in _api_v3_keys(partner.id)
        ],
        "wechatpay_keys": [_wechatpay_key(row) for row in wechatpay_keys(partner.id)],
        "certificates": _refresh_state(partner.id),
        "directories": [present_directory(row) for row in list_directories(partner.id)],
        "warnings": list(_warnings(partner.id)),
    }


def present_directory(row: PartnerDirectory) -> dict[str, Any]:
    """A provider-wide directory."""
    return {"url": row.url, "set_at": row.set_at, "in_force_at": in_force_at(row.set_at)}


def expiring_keys(partner_id: str, until: datetime) -> Iterator[ExpiringKey]:
    """The provider's keys in use that run out before `until`, or have run out."""
    for row in _merchant_keys(partner_id):
        if row.state is KeyState.ACTIVE and row.expires_at and row.expires_at <= until:
            yield ExpiringKey("merchant_certificate", row.serial_no, row.expires_at)
    for key in wechatpay_keys(partner_id):
        if key.expires_at and key.expires_at <= until:
            yield ExpiringKey("platform_certificate", key.serial, key.expires_at)


def _warnings(partner_id: str) -> Iterator[str]:
    moment = now()
    for key in expiring_keys(partner_id, moment + EXPIRY_NOTICE):
        verb = "ran out" if key.expires_at <= moment else "runs out"
        yield f"{key.kind} {key.serial} {verb} on {key.expires_at:%Y-%m-%d}"
    if not wechatpay_keys(partner_id):
        yield (
            "no key of WeChat Pay's is held: run `partner refresh-certificates`, or store its "
            "public key"
        )
    refresh = last_refresh(partner_id)
    if refresh is not None and refresh.state is RefreshState.FAILED:
        yield f"the last refresh of certificates failed: {refresh.problem}"


def _merchant_keys(partner_id: str) -> list[MerchantKey]:
    here = select(MerchantKey).where(MerchantKey.partner_id == partner_id)
    newest_first = here.order_by(MerchantKey.created_at.desc(), MerchantKey.id)
    return list(db.session.scalars(newest_first, execution_options=_AS_IT_STANDS))


def _api_v3_keys(partner_id: str) -> list[ApiV3Key]:
    here = select(ApiV3Key).where(ApiV3Key.partner_id == partner_id)
    newest_first = here.order_by(ApiV3Key.created_at.desc(), ApiV3Key.id.desc())
    return list(db.session.scalars(newest_first, execution_options=_AS_IT_STANDS))


def _merchant_key(row: MerchantKey) -> dict[str, Any]:
    return {
        "serial_no": row.serial_no,
        "state": row.state,
        "expires_at": row.expires_at,
        "created_at": row.created_at,
    }


def _wechatpay_key(row: WeChatPayKey) -> dict[str, Any]:
    is_public_key = row.kind is WeChatPayKeyKind.PUBLIC_KEY
    return {
        "kind": "public_key" if is_public_key else "certificate",
        "serial": row.serial,
        "effective_at": row.effective_at,
        "expires_at": row.expires_at,
    }


def _refresh_state(partner_id: str) -> dict[str, Any]:
    row = last_refresh(partner_id)
    return {
        "state": row.state if row else RefreshState.NEVER,
        "tried_at": row.tried_at if row else None,
        "refreshed_at": row.refreshed_at if row else None,
        "problem": row.problem if row else "",
    }
