"""Register a sub-merchant under a provider."""

from __future__ import annotations

from collections.abc import Sequence

from config import audit
from config.clock import now
from config.database import db, transaction
from config.identifiers import new_id
from config.inserts import insert_new
from partner.models import Partner
from partner.numbers import mchid_fault, name_fault
from submerchants.errors import InvalidSubMerchant, SubMerchantExists
from submerchants.tenants.bindings import Appid, appid_faults, new_binding
from submerchants.tenants.models import SubMerchant, TenantState


def register_sub_merchant(
    *, partner: Partner, sub_mchid: str, name: str, sub_appids: Sequence[Appid] = ()
) -> SubMerchant:
    """A new tenant; the first appid is its default, none means the provider's own is used.

    Raises InvalidSubMerchant naming every fault, or SubMerchantExists.
    """
    faults = _identity_faults(partner, sub_mchid, name) + appid_faults(sub_appids)
    if faults:
        raise InvalidSubMerchant(faults)
    row = SubMerchant(
        id=new_id("sub"),
        partner_id=partner.id,
        sub_mchid=sub_mchid,
        name=name.strip(),
        state=TenantState.ACTIVE,
        created_at=now(),
    )
    values = {column.key: getattr(row, column.key) for column in SubMerchant.__table__.columns}
    with transaction():
        if not insert_new(SubMerchant, values, unique=("partner_id", "sub_mchid")):
            raise SubMerchantExists(sub_mchid, partner.sp_mchid)
        db.session.add_all(
            new_binding(row.id, appid, position) for position, appid in enumerate(sub_appids)
        )
        audit.record(
            "sub_merchant.registered",
            object_kind="sub_merchant",
            object_id=row.id,
            tenant_id=row.id,
            sp_mchid=partner.sp_mchid,
            sub_mchid=sub_mchid,
            sub_appids=[appid.sub_appid for appid in sub_appids],
        )
    return db.session.get_one(SubMerchant, row.id)


def _identity_faults(partner: Partner, sub_mchid: str, name: str) -> list[tuple[str, str]]:
    judged = {"sub_mchid": mchid_fault(sub_mchid), "name": name_fault(name)}
    faults = [(field, problem) for field, problem in judged.items() if problem]
    if sub_mchid == partner.sp_mchid:
        faults.append(
            ("sub_mchid", "is the provider's own number, which cannot receive money; use its own")
        )
    return faults
