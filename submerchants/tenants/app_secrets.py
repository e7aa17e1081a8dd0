"""The secrets of a sub-merchant's appids: with one, a payer's openid under it can be learnt."""

from __future__ import annotations

from sqlalchemy import select

from config import audit
from config.database import db, transaction
from config.vault import Secret
from partner.errors import AppidUnknown
from submerchants.tenants.models import AppidKind, Binding, SubMerchant

_AS_IT_STANDS = {"populate_existing": True}


def set_app_secret(*, sub_merchant: SubMerchant, sub_appid: str, secret: Secret) -> None:
    """Keep the secret of one of the sub-merchant's appids. Raises AppidUnknown."""
    here = select(Binding).where(
        Binding.sub_merchant_id == sub_merchant.id, Binding.sub_appid == sub_appid
    )
    with transaction():
        row = db.session.scalar(here.with_for_update())
        if row is None:
            raise AppidUnknown(sub_appid)
        row.app_secret = secret
        audit.record(
            "sub_merchant.app_secret_set",
            object_kind="sub_merchant",
            object_id=sub_merchant.id,
            tenant_id=sub_merchant.id,
            sub_mchid=sub_merchant.sub_mchid,
            sub_appid=sub_appid,
        )


def accounts_with_secret(sub_merchant_id: str) -> list[str]:
    """The sub-merchant's official accounts on whose pages payers can become known, in order."""
    here = select(Binding.sub_appid).where(
        Binding.sub_merchant_id == sub_merchant_id,
        Binding.kind == AppidKind.OFFICIAL_ACCOUNT,
        Binding.app_secret_sealed.is_not(None),
    )
    return list(db.session.scalars(here.order_by(Binding.position, Binding.id)))


def find_app_secret(sub_merchant_id: str, sub_appid: str) -> Secret | None:
    """The secret of a sub-merchant's appid; None when it is not set, or the appid not bound."""
    here = select(Binding).where(
        Binding.sub_merchant_id == sub_merchant_id, Binding.sub_appid == sub_appid
    )
    row = db.session.scalar(here, execution_options=_AS_IT_STANDS)
    return None if row is None or row.app_secret_sealed is None else row.app_secret
