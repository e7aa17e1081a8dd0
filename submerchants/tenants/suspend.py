"""Suspend a sub-merchant, and let it trade again. Money already under way is not stopped."""

from __future__ import annotations

from sqlalchemy import update

from config import audit
from config.database import changed_rows, db, transaction
from submerchants.tenants.models import SubMerchant, TenantState


def suspend(*, sub_merchant: SubMerchant) -> SubMerchant:
    """From the next request on, nothing new. Repeating changes nothing."""
    return _move(sub_merchant, TenantState.SUSPENDED, "sub_merchant.suspended")


def resume(*, sub_merchant: SubMerchant) -> SubMerchant:
    """Trade as before. Repeating changes nothing."""
    return _move(sub_merchant, TenantState.ACTIVE, "sub_merchant.resumed")


def _move(sub_merchant: SubMerchant, to: TenantState, action: str) -> SubMerchant:
    elsewhere = SubMerchant.id == sub_merchant.id, SubMerchant.state != to
    with transaction():
        if changed_rows(update(SubMerchant).where(*elsewhere).values(state=to)):
            audit.record(
                action,
                object_kind="sub_merchant",
                object_id=sub_merchant.id,
                tenant_id=sub_merchant.id,
                sub_mchid=sub_merchant.sub_mchid,
            )
        db.session.refresh(sub_merchant)
    return sub_merchant
