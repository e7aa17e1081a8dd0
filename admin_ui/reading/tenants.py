"""Sub-merchants with what belongs to them: appids, payment directories, keys, staff."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Select, or_, select

from config.clock import now
from config.database import db
from config.errors import NotFound
from partner.models import Partner, PartnerDirectory
from submerchants.api_keys.models import ApiKey
from submerchants.directories.models import PaymentDirectory
from submerchants.staff.models import StaffMember
from submerchants.tenants.models import Binding, SubMerchant

ROWS_PER_PAGE = 50
MAX_BELONGINGS = 100  # of one kind, on one page

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class TenantRow:
    """One line of the list."""

    sub_merchant: SubMerchant
    sp_mchid: str
    appids: list[str]
    directories: list[str]


@dataclass(frozen=True, slots=True)
class TenantPage:
    """A stretch of the list by sub_mchid, and where the next begins."""

    rows: list[TenantRow]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Tenant:
    """One sub-merchant and all that is set up for it."""

    sub_merchant: SubMerchant
    partner: Partner
    bindings: list[Binding]
    directories: list[PaymentDirectory]
    provider_directories: list[PartnerDirectory]
    api_keys: list[ApiKey]
    staff: list[StaffMember]


def tenant_list(search: str, cursor: str | None) -> TenantPage:
    """Sub-merchants whose number begins with, or whose name holds, the search."""
    query = (
        select(SubMerchant, Partner.sp_mchid)
        .join(Partner, Partner.id == SubMerchant.partner_id)
        .order_by(SubMerchant.sub_mchid, SubMerchant.id)
        .limit(ROWS_PER_PAGE + 1)
    )
    if search:
        begins = SubMerchant.sub_mchid.startswith(search, autoescape=True)
        query = query.where(or_(begins, SubMerchant.name.contains(search, autoescape=True)))
    if cursor:
        query = query.where(SubMerchant.sub_mchid >= cursor)
    found = [(sub_merchant, sp_mchid) for sub_merchant, sp_mchid in db.session.execute(query)]
    shown = found[:ROWS_PER_PAGE]
    appids, directories = _belongings([sub_merchant.id for sub_merchant, _ in shown])
    rows = [
        TenantRow(one, sp_mchid, appids[one.id], directories[one.id]) for one, sp_mchid in shown
    ]
    more = found[ROWS_PER_PAGE][0].sub_mchid if len(found) > ROWS_PER_PAGE else None
    return TenantPage(rows, more)


def get_tenant(sub_merchant_id: str) -> Tenant:
    """One sub-merchant whole. Raises NotFound."""
    sub_merchant = db.session.get(SubMerchant, sub_merchant_id)
    if sub_merchant is None:
        raise NotFound("There is no such sub-merchant.")
    partner = db.session.get_one(Partner, sub_merchant.partner_id)
    bindings = select(Binding).where(Binding.sub_merchant_id == sub_merchant.id)
    own = select(PaymentDirectory).where(PaymentDirectory.sub_merchant_id == sub_merchant.id)
    provider_wide = select(PartnerDirectory).where(PartnerDirectory.partner_id == partner.id)
    keys = select(ApiKey).where(ApiKey.sub_merchant_id == sub_merchant.id)
    staff = select(StaffMember).where(StaffMember.sub_merchant_id == sub_merchant.id)
    return Tenant(
        sub_merchant=sub_merchant,
        partner=partner,
        bindings=_some(bindings.order_by(Binding.position)),
        directories=_some(own.order_by(PaymentDirectory.url)),
        provider_directories=_some(provider_wide.order_by(PartnerDirectory.url)),
        api_keys=_some(keys.order_by(ApiKey.created_at.desc())),
        staff=_some(staff.order_by(StaffMember.email)),
    )


def key_state(key: ApiKey) -> str:
    """Whether a key opens the API now: IN_FORCE, EXPIRED or REVOKED."""
    if key.revoked_at is not None:
        return "REVOKED"
    return "EXPIRED" if key.expires_at is not None and key.expires_at <= now() else "IN_FORCE"


def _some(query: Select[Row]) -> list[Row]:
    return list(db.session.scalars(query.limit(MAX_BELONGINGS)))


def _belongings(ids: list[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    appids: dict[str, list[str]] = defaultdict(list)
    for tenant, sub_appid in db.session.execute(
        select(Binding.sub_merchant_id, Binding.sub_appid)
        .where(Binding.sub_merchant_id.in_(ids))
        .order_by(Binding.position)
    ):
        appids[tenant].append(sub_appid)
    directories: dict[str, list[str]] = defaultdict(list)
    for tenant, url in db.session.execute(
        select(PaymentDirectory.sub_merchant_id, PaymentDirectory.url)
        .where(PaymentDirectory.sub_merchant_id.in_(ids))
        .order_by(PaymentDirectory.url)
    ):
        directories[tenant].append(url)
    return appids, directories
