"""Issue an API key, shown once, and revoke it at once."""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, update

from config import audit
from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id, random_letters
from config.vault import Secret
from partner.numbers import name_fault
from submerchants.api_keys.models import ApiKey
from submerchants.api_keys.verify import PREFIX_LETTERS, hash_of
from submerchants.errors import ApiKeyNotFound, InvalidApiKeyRequest
from submerchants.permissions import DEFAULT_SCOPES, Permission
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant

SECRET_BYTES: Final = 32
MAX_LABEL: Final = 64
MAX_NETWORKS: Final = 10


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A fresh key; `key` cannot be had again."""

    row: ApiKey
    key: Secret


def issue_key(
    *,
    sub_merchant: SubMerchant,
    scopes: Collection[str] | None = None,
    expires_at: datetime | None = None,
    label: str = "",
    allowed_networks: Sequence[str] = (),
) -> IssuedKey:
    """A new key for this tenant; scopes not named are all but giving money back.

    Raises InvalidApiKeyRequest for an unknown scope, a past expiry or a network that is none.
    """
    granted = _checked_scopes(scopes)
    networks = _checked_networks(allowed_networks)
    if expires_at is not None and expires_at <= now():
        raise InvalidApiKeyRequest("The expiry lies in the past.", field="expires_at")
    if label and (len(label) > MAX_LABEL or name_fault(label)):
        problem = f"The label may have {MAX_LABEL} characters, and no control characters."
        raise InvalidApiKeyRequest(problem, field="label")
    prefix = random_letters(PREFIX_LETTERS)
    key = f"sk_{prefix}_{secrets.token_urlsafe(SECRET_BYTES)}"
    row = ApiKey(
        id=new_id("key"),
        sub_merchant_id=sub_merchant.id,
        prefix=prefix,
        key_hash=hash_of(key),
        label=label,
        scopes=" ".join(sorted(granted)),
        allowed_networks=" ".join(networks),
        created_at=now(),
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    with acting_for(sub_merchant.id), transaction():
        db.session.add(row)
        _record("api_key.issued", row, scopes=sorted(granted), expires_at=expires_at)
    return IssuedKey(row, Secret(key))


def revoke_key(key_id: str) -> ApiKey:
    """Stop a key counting, everywhere, from the next request on. Repeating changes nothing.

    Inside `acting_for` only that tenant's keys are found. Raises ApiKeyNotFound.
    """
    with transaction():
        here = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        revoked = changed_rows(here.values(revoked_at=now()))
        row = _get_key(key_id)
        if revoked:
            _record("api_key.revoked", row)
    return row


def list_keys(sub_merchant: SubMerchant) -> list[ApiKey]:
    """A tenant's keys, the newest first, revoked ones too."""
    with acting_for(sub_merchant.id):
        return list(db.session.scalars(select(ApiKey).order_by(ApiKey.created_at.desc())))


def revoke_key_as_provider(key_id: str) -> ApiKey:
    """Revoke any tenant's key by its id alone."""
    with across_tenants("the provider revokes a key by its id"):
        return revoke_key(key_id)


def _get_key(key_id: str) -> ApiKey:
    here = select(ApiKey).where(ApiKey.id == key_id)
    row = db.session.scalar(here, execution_options={"populate_existing": True})
    if row is None:
        raise ApiKeyNotFound(key_id)
    return row


def _checked_scopes(scopes: Collection[str] | None) -> frozenset[str]:
    if not scopes:
        return DEFAULT_SCOPES
    known = frozenset(str(each) for each in Permission)
    if unknown := sorted(frozenset(scopes) - known):
        raise InvalidApiKeyRequest(
            f"Unknown scope {', '.join(map(ascii, unknown))}. There are: "
            f"{', '.join(sorted(known))}.",
            field="scope",
        )
    return frozenset(scopes)


def _checked_networks(texts: Sequence[str]) -> list[str]:
    if len(texts) > MAX_NETWORKS:
        raise InvalidApiKeyRequest(f"A key takes {MAX_NETWORKS} networks.", field="allow_network")
    networks = []
    for text in texts:
        try:
            networks.append(str(ipaddress.ip_network(text.strip())))
        except ValueError as error:
            raise InvalidApiKeyRequest(
                f"{text!a} is not a network such as 203.0.113.0/24.", field="allow_network"
            ) from error
    return networks


def _record(action: str, row: ApiKey, **detail: object) -> None:
    audit.record(
        action,
        object_kind="api_key",
        object_id=row.id,
        tenant_id=row.sub_merchant_id,
        prefix=row.prefix,
        **detail,  # type: ignore[arg-type]
    )
