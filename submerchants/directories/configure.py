"""A sub-merchant's own payment directories: what was set at WeChat Pay, said here as well."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select

from config import audit
from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from partner.directories import MAX_DIRECTORIES, normalise_directory
from partner.errors import DirectoryExists, DirectoryNotFound, TooManyDirectories
from submerchants.directories.models import PaymentDirectory
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant


def add_directory(*, sub_merchant: SubMerchant, url: str) -> PaymentDirectory:
    """Say that a directory was set at WeChat Pay for this sub-merchant.

    Raises InvalidDirectory, DirectoryExists or TooManyDirectories.
    """
    normal = normalise_directory(url)
    with acting_for(sub_merchant.id), transaction():
        # Two at once take turns here, or both would see room for one more.
        mine = select(SubMerchant.id).where(SubMerchant.id == sub_merchant.id)
        db.session.execute(mine.with_for_update())
        present = select(PaymentDirectory.id).where(PaymentDirectory.url == normal)
        if db.session.scalar(present) is not None:
            raise DirectoryExists(normal)
        if (db.session.scalar(select(func.count(PaymentDirectory.id))) or 0) >= MAX_DIRECTORIES:
            raise TooManyDirectories(MAX_DIRECTORIES)
        row = PaymentDirectory(
            id=new_id("dir"), sub_merchant_id=sub_merchant.id, url=normal, set_at=now()
        )
        db.session.add(row)
        _record("directory.added", sub_merchant, normal)
    return row


def remove_directory(*, sub_merchant: SubMerchant, url: str) -> str:
    """Say that a directory was taken away; answers its normal form. Raises DirectoryNotFound."""
    normal = normalise_directory(url)
    with acting_for(sub_merchant.id), transaction():
        if not changed_rows(delete(PaymentDirectory).where(PaymentDirectory.url == normal)):
            raise DirectoryNotFound(normal)
        _record("directory.removed", sub_merchant, normal)
    return normal


def list_directories(sub_merchant: SubMerchant) -> Sequence[PaymentDirectory]:
    """The sub-merchant's own directories, the oldest first."""
    with acting_for(sub_merchant.id):
        return db.session.scalars(
            select(PaymentDirectory).order_by(PaymentDirectory.set_at, PaymentDirectory.url)
        ).all()


def _record(action: str, sub_merchant: SubMerchant, url: str) -> None:
    audit.record(
        action,
        object_kind="sub_merchant",
        object_id=sub_merchant.id,
        tenant_id=sub_merchant.id,
        sub_mchid=sub_merchant.sub_mchid,
        url=url,
    )
