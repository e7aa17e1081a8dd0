"""Finding sub-merchants by number. They are how a tenant is known, so nothing here is scoped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from sqlalchemy import Dialect, bindparam, select

from config.database import db, dialect_here, read
from config.prepared import Prepared
from partner.models import Partner
from partner.numbers import printable
from submerchants.errors import SubMerchantAmbiguous, SubMerchantNotFound
from submerchants.tenants.models import AppidKind, Binding, SubMerchant, TenantState

_AS_IT_STANDS = {"populate_existing": True}


def get_sub_merchant(sub_mchid: str, sp_mchid: str | None = None) -> SubMerchant:
    """The one of this number; `sp_mchid` says under whom where several providers have it.

    Raises SubMerchantNotFound or SubMerchantAmbiguous.
    """
    query = (
        select(SubMerchant, Partner.sp_mchid)
        .join(Partner, Partner.id == SubMerchant.partner_id)
        .where(SubMerchant.sub_mchid == sub_mchid)
        .order_by(Partner.sp_mchid)
    )
    if sp_mchid is not None:
        query = query.where(Partner.sp_mchid == sp_mchid)
    found = db.session.execute(query, execution_options=_AS_IT_STANDS).all()
    if not found:
        raise SubMerchantNotFound(printable(sub_mchid))
    if len(found) > 1:
        raise SubMerchantAmbiguous(sub_mchid, [number for _, number in found])
    return found[0][0]


def list_sub_merchants(
    *, partner_id: str | None = None, state: TenantState | None = None
) -> list[SubMerchant]:
    """Sub-merchants by number, of one provider or of all."""
    query = select(SubMerchant).order_by(SubMerchant.sub_mchid, SubMerchant.id)
    if partner_id is not None:
        query = query.where(SubMerchant.partner_id == partner_id)
    if state is not None:
        query = query.where(SubMerchant.state == state)
    return list(db.session.scalars(query, execution_options=_AS_IT_STANDS))


def partner_of(sub_merchant: SubMerchant) -> Partner:
    """The provider the sub-merchant is under."""
    return db.session.get_one(Partner, sub_merchant.partner_id)


def bindings_of(sub_merchant_id: str) -> Sequence[Binding]:
    """The appids bound to a sub-merchant; the first is the default."""
    here = select(Binding).where(Binding.sub_merchant_id == sub_merchant_id)
    return db.session.scalars(here.order_by(Binding.position, Binding.id)).all()


def sub_appids_of(sub_merchant_id: str) -> Mapping[str, AppidKind]:
    """What each appid of a sub-merchant is, the default first; asked with every order."""
    found = read(_sub_appids(dialect_here()), {"of_sub_merchant": sub_merchant_id})
    return {row["sub_appid"]: row["kind"] for row in found}


@cache
def _sub_appids(dialect: Dialect) -> Prepared:
    here = select(Binding.sub_appid, Binding.kind).where(
        Binding.sub_merchant_id == bindparam("of_sub_merchant")
    )
    return Prepared(here.order_by(Binding.position, Binding.id), dialect)


def bindings_by_sub_merchant(partner_id: str | None = None) -> Mapping[str, Sequence[Binding]]:
    """Every sub-merchant's bindings by its id, in one query; for lists."""
    query = select(Binding).order_by(Binding.position, Binding.id)
    if partner_id is not None:
        theirs = SubMerchant.id == Binding.sub_merchant_id
        query = query.join(SubMerchant, theirs).where(SubMerchant.partner_id == partner_id)
    found: dict[str, list[Binding]] = {}
    for row in db.session.scalars(query):
        found.setdefault(row.sub_merchant_id, []).append(row)
    return found
