"""Rows found by one of their numbers, each form looked up by its own key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from config.database import db
from submerchants.tenancy import TenantOwned
from submerchants.tenants.models import SubMerchant

MAX_FOUND = 20
PROBED_AT_ONCE = 500
_NUMBER = re.compile(r"[0-9A-Za-z_|*@-]{1,64}")

Found = TypeVar("Found", bound=TenantOwned)


def find_by_number(
    model: type[Found],
    number: str,
    *,
    unique: Sequence[InstrumentedAttribute[Any]],
    tenants_own: InstrumentedAttribute[Any],
) -> list[Found]:
    """Rows that carry the number in one of the unique columns, else as the tenants' own."""
    if not _NUMBER.fullmatch(number):
        return []
    for column in unique:
        row = db.session.scalars(select(model).where(column == number)).one_or_none()
        if row is not None:
            return [row]
    return list(_by_tenants_own(model, number, tenants_own))


def _by_tenants_own(
    model: type[Found], number: str, column: InstrumentedAttribute[Any]
) -> Iterator[Found]:
    # Unique within the sub-merchant, so its key begins with the tenant: one probe for each.
    tenants = db.session.scalars(select(SubMerchant.id).order_by(SubMerchant.id)).all()
    found = 0
    for start in range(0, len(tenants), PROBED_AT_ONCE):
        some = tenants[start : start + PROBED_AT_ONCE]
        for row in db.session.scalars(
            select(model)
            .where(model.sub_merchant_id.in_(some), column == number)
            .limit(MAX_FOUND - found)
        ):
            found += 1
            yield row
        if found >= MAX_FOUND:
            return
