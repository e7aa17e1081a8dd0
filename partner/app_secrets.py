"""The secrets of a provider's appids: with one, a payer's openid under that appid can be learnt.

Handed in by file, kept sealed, and shown only as set or not set.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from sqlalchemy import Select, select

from config import audit
from config.database import db, transaction
from config.vault import Secret
from partner.errors import AppidUnknown, InvalidAppSecret
from partner.models import Partner, PartnerAppid

MAX_FILE_BYTES: Final = 1_024

_APP_SECRET: Final = re.compile(r"[0-9A-Za-z]{32}")  # as the official account's platform shows it


def read_app_secret(path: Path) -> Secret:
    """The app secret that stands in a file, blanks around it aside. Raises InvalidAppSecret."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES).decode("utf-8-sig").strip()
    except OSError as error:
        raise InvalidAppSecret(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidAppSecret(f"{path} is not a text file") from error
    if not _APP_SECRET.fullmatch(text):
        raise InvalidAppSecret(f"{path} does not hold an app secret of 32 letters and digits")
    return Secret(text)


def set_app_secret(*, partner: Partner, sp_appid: str, secret: Secret) -> None:
    """Keep the secret of one of the provider's appids. Raises AppidUnknown."""
    with transaction():
        row = db.session.scalar(_of(partner.id, sp_appid).with_for_update())
        if row is None:
            raise AppidUnknown(sp_appid)
        row.app_secret = secret
        audit.record(
            "partner.app_secret_set",
            object_kind="partner",
            object_id=partner.id,
            sp_mchid=partner.sp_mchid,
            sp_appid=sp_appid,
        )


def find_app_secret(partner_id: str, sp_appid: str) -> Secret | None:
    """The secret of a provider's appid; None when it is not set, or the appid not bound."""
    row = db.session.scalar(
        _of(partner_id, sp_appid), execution_options={"populate_existing": True}
    )
    return None if row is None or row.app_secret_sealed is None else row.app_secret


def appids_with_secret(partner_id: str) -> list[str]:
    """The provider's appids whose secret is set."""
    here = select(PartnerAppid.sp_appid).where(
        PartnerAppid.partner_id == partner_id, PartnerAppid.app_secret_sealed.is_not(None)
    )
    return list(db.session.scalars(here.order_by(PartnerAppid.position)))


def _of(partner_id: str, sp_appid: str) -> Select[PartnerAppid]:
    return select(PartnerAppid).where(
        PartnerAppid.partner_id == partner_id, PartnerAppid.sp_appid == sp_appid
    )
