"""Which appids belong to a sub-merchant, and what kind each one is.

WeChat Pay cannot be asked about bindings, and an appid's text does not say what it is, so a person
says both here. An appid may be bound to any number of sub-merchants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select

from config import audit
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from partner.numbers import appid_fault
from submerchants.errors import InvalidSubMerchant
from submerchants.tenants.models import AppidKind, Binding, SubMerchant
from submerchants.tenants.queries import bindings_of

MAX_BINDINGS: Final = 5  # WeChat Pay's limit for one sub-merchant


@dataclass(frozen=True, slots=True)
class Appid:
    """An appid and what it is."""

    sub_appid: str
    kind: AppidKind = AppidKind.OFFICIAL_ACCOUNT


def parse_appid(text: str) -> Appid:
    """Read `wx…` or `wx…:mini_program`; without a kind it is an official account.

    Raises InvalidSubMerchant.
    """
    sub_appid, separator, kind = text.partition(":")
    kinds = {each.value.lower(): each for each in AppidKind}
    if separator and kind.lower() not in kinds:
        problem = f"{kind!a} is not a kind of appid; there are {', '.join(sorted(kinds))}"
        raise InvalidSubMerchant([("sub_appid", problem)])
    return Appid(sub_appid, kinds.get(kind.lower(), AppidKind.OFFICIAL_ACCOUNT))


def appid_faults(appids: Sequence[Appid]) -> list[tuple[str, str]]:
    """Every fault in a sub-merchant's set of appids."""
    found = [appid_fault(each.sub_appid) for each in appids]
    faults = [("sub_appid", problem) for problem in found if problem]
    if len({each.sub_appid for each in appids}) != len(appids):
        faults.append(("sub_appid", "the same appid is given twice"))
    if len(appids) > MAX_BINDINGS:
        faults.append(("sub_appid", f"WeChat Pay binds at most {MAX_BINDINGS} to a sub-merchant"))
    return faults


def bind_appid(*, sub_merchant: SubMerchant, appid: Appid) -> Binding:
    """Bind one more appid, after those there are. Raises InvalidSubMerchant."""
    with transaction():
        _lock(sub_merchant)
        present = [Appid(row.sub_appid, row.kind) for row in bindings_of(sub_merchant.id)]
        if faults := appid_faults([*present, appid]):
            raise InvalidSubMerchant(faults)
        row = new_binding(sub_merchant.id, appid, len(present))
        db.session.add(row)
        _record("sub_merchant.appid_bound", sub_merchant, appid.sub_appid)
    return row


def unbind_appid(*, sub_merchant: SubMerchant, sub_appid: str) -> None:
    """Let go of an appid; orders already placed keep theirs. Raises InvalidSubMerchant."""
    with transaction():
        _lock(sub_merchant)
        here = (Binding.sub_merchant_id == sub_merchant.id, Binding.sub_appid == sub_appid)
        if not changed_rows(delete(Binding).where(*here)):
            raise InvalidSubMerchant([("sub_appid", f"{sub_appid!a} is not bound here")])
        for position, row in enumerate(bindings_of(sub_merchant.id)):
            row.position = position
        _record("sub_merchant.appid_unbound", sub_merchant, sub_appid)


def new_binding(sub_merchant_id: str, appid: Appid, position: int) -> Binding:
    """An unsaved binding."""
    return Binding(
        id=new_id("bnd"),
        sub_merchant_id=sub_merchant_id,
        sub_appid=appid.sub_appid,
        kind=appid.kind,
        position=position,
    )


def _lock(sub_merchant: SubMerchant) -> None:
    mine = select(SubMerchant.id).where(SubMerchant.id == sub_merchant.id)
    db.session.execute(mine.with_for_update())


def _record(action: str, sub_merchant: SubMerchant, sub_appid: str) -> None:
    audit.record(
        action,
        object_kind="sub_merchant",
        object_id=sub_merchant.id,
        tenant_id=sub_merchant.id,
        sub_mchid=sub_merchant.sub_mchid,
        sub_appid=sub_appid,
    )
