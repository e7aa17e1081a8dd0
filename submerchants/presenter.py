"""A sub-merchant and what belongs to it, as commands and pages show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.clock import now
from partner.directories import in_force_at
from submerchants.api_keys.models import ApiKey
from submerchants.directories.configure import list_directories
from submerchants.directories.models import PaymentDirectory
from submerchants.tenants.models import Binding, SubMerchant
from submerchants.tenants.queries import bindings_of, partner_of


def present_sub_merchant(
    row: SubMerchant, bindings: Sequence[Binding] | None = None
) -> dict[str, Any]:
    """A sub-merchant with its appids; a list hands them over instead of asking for each."""
    if bindings is None:
        bindings = bindings_of(row.id)
    return {
        "id": row.id,
        "sp_mchid": partner_of(row).sp_mchid,
        "sub_mchid": row.sub_mchid,
        "name": row.name,
        "state": row.state,
        "sub_appids": [present_binding(binding) for binding in bindings],
        "created_at": row.created_at,
    }


def present_with_directories(row: SubMerchant) -> dict[str, Any]:
    """A sub-merchant with its appids and its own directories."""
    directories = [present_directory(each) for each in list_directories(row)]
    return {**present_sub_merchant(row), "directories": directories}


def present_binding(row: Binding) -> dict[str, Any]:
    """An appid and what it is; of its secret only whether it is set."""
    return {
        "sub_appid": row.sub_appid,
        "kind": row.kind.lower(),
        "is_default": row.position == 0,
        "has_app_secret": row.app_secret_sealed is not None,
    }


def present_directory(row: PaymentDirectory) -> dict[str, Any]:
    """A sub-merchant's own directory."""
    return {"url": row.url, "set_at": row.set_at, "in_force_at": in_force_at(row.set_at)}


def present_api_key(row: ApiKey) -> dict[str, Any]:
    """A key by what may be shown of it: never the key, never its hash."""
    return {
        "id": row.id,
        "prefix": f"sk_{row.prefix}",
        "label": row.label,
        "scopes": row.scopes.split(),
        "allowed_networks": row.allowed_networks.split(),
        "state": _state(row),
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": row.last_used_at,
    }


def _state(row: ApiKey) -> str:
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now() else "active"
