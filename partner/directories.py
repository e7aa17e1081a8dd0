"""Payment directories in force for all sub-merchants of a provider.

WeChat Pay has no call that sets or lists them: a person sets them on its platform and says so here.
The rule itself is in `directory_rule`, and its names are to be had from here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select

from config import audit
from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from partner.directory_rule import Miss as Miss
from partner.directory_rule import Verdict as Verdict
from partner.directory_rule import covers as covers
from partner.directory_rule import normalise_directory as normalise_directory
from partner.errors import DirectoryExists, DirectoryNotFound, TooManyDirectories
from partner.models import Partner, PartnerDirectory

MAX_DIRECTORIES: Final = 5
IN_FORCE_AFTER: Final = timedelta(minutes=5)


def in_force_at(set_at: datetime) -> datetime:
    """From when on WeChat Pay heeds a directory that was set at this moment."""
    return set_at + IN_FORCE_AFTER


def add_directory(*, partner: Partner, url: str) -> PartnerDirectory:
    """Say that a directory was set at WeChat Pay for the whole provider.

    Raises InvalidDirectory, DirectoryExists or TooManyDirectories.
    """
    normal = normalise_directory(url)
    with transaction():
        # Two at once take turns here, or both would see room for one more.
        db.session.execute(select(Partner.id).where(Partner.id == partner.id).with_for_update())
        mine = PartnerDirectory.partner_id == partner.id
        present = select(PartnerDirectory.id).where(mine, PartnerDirectory.url == normal)
        if db.session.scalar(present) is not None:
            raise DirectoryExists(normal)
        count = db.session.scalar(select(func.count()).select_from(PartnerDirectory).where(mine))
        if (count or 0) >= MAX_DIRECTORIES:
            raise TooManyDirectories(MAX_DIRECTORIES)
        row = PartnerDirectory(id=new_id("pdr"), partner_id=partner.id, url=normal, set_at=now())
        db.session.add(row)
        _record("partner.directory_added", partner, normal)
    return row


def remove_directory(*, partner: Partner, url: str) -> str:
    """Say that a directory was taken away; answers its normal form. Raises DirectoryNotFound."""
    normal = normalise_directory(url)
    here = delete(PartnerDirectory).where(
        PartnerDirectory.partner_id == partner.id, PartnerDirectory.url == normal
    )
    with transaction():
        if not changed_rows(here):
            raise DirectoryNotFound(normal)
        _record("partner.directory_removed", partner, normal)
    return normal


def list_directories(partner_id: str) -> Sequence[PartnerDirectory]:
    """A provider's directories, the oldest first."""
    here = select(PartnerDirectory).where(PartnerDirectory.partner_id == partner_id)
    return db.session.scalars(here.order_by(PartnerDirectory.set_at, PartnerDirectory.url)).all()


def _record(action: str, partner: Partner, url: str) -> None:
    audit.record(
        action,
        object_kind="partner",
        object_id=partner.id,
        sp_mchid=partner.sp_mchid,
        url=url,
    )
