"""From the text a caller presents to the key it is, in one query.

The public prefix finds the row, the hash proves the rest in constant time. Why a key does not count
is never told: unknown, wrong, expired and revoked are one answer to whoever asks.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Dialect, bindparam, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from config.clock import now
from config.database import changed_rows, dialect_here, read, transaction
from config.logs import get_logger
from config.pacing import OnceEvery
from config.prepared import Prepared
from partner.models import Partner
from submerchants.api_keys.models import ApiKey
from submerchants.tenancy import across_tenants
from submerchants.tenants.models import AppidKind, Binding, SubMerchant

PREFIX_LETTERS: Final = 12
NOTE_USE_EVERY: Final = timedelta(minutes=1)

_KEY: Final = re.compile(r"sk_([0-9a-z]{12})_[A-Za-z0-9_-]{43}")

log = get_logger(__name__)

_noted = OnceEvery(NOTE_USE_EVERY)  # by key id: one try a minute and process


def hash_of(key: str) -> str:
    """What is stored of a key. It has 256 random bits, so a fast hash gives nothing away."""
    return hashlib.sha256(key.encode()).hexdigest()


class FoundKey(NamedTuple):
    """A key that counts, and whose it is."""

    key: ApiKey
    sub_merchant: SubMerchant
    partner: Partner
    sub_appids: Mapping[str, AppidKind]  # bound to the sub-merchant, the default first


def find_key(presented: str) -> FoundKey | None:
    """The key and its sub-merchant; None when it does not count now."""
    form = _KEY.fullmatch(presented)
    if form is None:
        return None
    with across_tenants("whose key it is shows only once it is found"):
        rows = read(_lookup(dialect_here()), {"presented_prefix": form[1]})
    if not rows:
        return None
    key, sub_merchant, partner = (
        _copy(model, tuple(rows[0][f"{model.__tablename__}_{name}"] for name in names))
        for model, names in _COLUMNS.items()
    )
    is_right = hmac.compare_digest(key.key_hash, hash_of(presented))
    if not is_right or not counts_now(key):
        return None
    sub_appids = {row["sub_appid"]: row["kind"] for row in rows if row["sub_appid"] is not None}
    return FoundKey(key, sub_merchant, partner, sub_appids)


_COLUMNS: Final[dict[Any, tuple[str, ...]]] = {
    model: tuple(column.key for column in model.__table__.columns)
    for model in (ApiKey, SubMerchant, Partner)
}


@cache
def _lookup(dialect: Dialect) -> Prepared:
    columns = {
        f"{model.__tablename__}_{name}": model.__table__.columns[name]
        for model, names in _COLUMNS.items()
        for name in names
    }
    query = (
        select(
            *(column.label(name) for name, column in columns.items()),
            Binding.sub_appid,
            Binding.kind,
        )
        .join(SubMerchant, SubMerchant.id == ApiKey.sub_merchant_id)
        .join(Partner, Partner.id == SubMerchant.partner_id)
        .outerjoin(Binding, Binding.sub_merchant_id == SubMerchant.id)
        .where(ApiKey.prefix == bindparam("presented_prefix"))
        .order_by(Binding.position, Binding.id)
    )
    return Prepared(query, dialect)


@lru_cache(maxsize=4_096)
def _copy(model: Any, values: tuple[Any, ...]) -> Any:
    # In no session: whatever becomes of one, the request keeps its caller. Nobody writes to these,
    # so requests share a copy for as long as the row reads the same.
    return model(**dict(zip(_COLUMNS[model], values, strict=True)))


def counts_now(key: ApiKey) -> bool:
    """Whether the key is neither revoked nor expired."""
    return key.revoked_at is None and (key.expires_at is None or now() < key.expires_at)


def may_come_from(key: ApiKey, address: str | None) -> bool:
    """Whether the key's address list, if it has one, holds the caller's address."""
    if not key.allowed_networks:
        return True
    try:
        caller = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(caller, "ipv4_mapped", None)
    networks = map(ipaddress.ip_network, key.allowed_networks.split())
    return any((mapped or caller) in network for network in networks)


def note_use(key: ApiKey) -> None:
    """Remember that the key was used, once a minute at most and after the answer is made.

    Nothing depends on it: a database that is busy just then is left alone.
    """
    moment = now()
    if key.last_used_at is not None and moment - key.last_used_at < NOTE_USE_EVERY:
        return
    if not _noted.is_due(key.id):
        return
    long_ago = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < moment - NOTE_USE_EVERY)
    here = update(ApiKey).where(ApiKey.id == key.id, long_ago)
    try:
        with across_tenants("noting that a key was used"), transaction():
            changed_rows(here.values(last_used_at=moment))
    except SQLAlchemyError as error:
        log.warning("use of an API key was not noted", api_key_id=key.id, exc_info=error)
