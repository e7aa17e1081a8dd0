"""Sub-merchants, their keys and their people."""

from __future__ import annotations

import itertools
from typing import Any

from config.clock import now
from config.database import transaction
from config.identifiers import new_id
from partner.models import Partner
from submerchants.api_keys.issue import issue_key
from submerchants.permissions import Permission
from submerchants.tenants.bindings import Appid, new_binding
from submerchants.tenants.models import SubMerchant, TenantState
from tests.factories.partner import make_partner

_numbers = itertools.count(1)


def make_sub_merchant(
    *, partner: Partner | None = None, sub_appid: str | None = "", **fields: Any
) -> SubMerchant:
    """A saved sub-merchant with one appid bound; `sub_appid=None` binds none."""
    number = next(_numbers)
    sub_merchant = SubMerchant(
        **{
            "id": new_id("sub"),
            "partner_id": (partner or make_partner()).id,
            "sub_mchid": f"16{number:08}",
            "name": f"子商户{number}",
            "state": TenantState.ACTIVE,
            "created_at": now(),
            **fields,
        }
    )
    with transaction() as session:
        session.add(sub_merchant)
        session.flush()
        if sub_appid is not None:
            appid = Appid(sub_appid or f"wx{number:08x}{number:08x}")
            session.add(new_binding(sub_merchant.id, appid, 0))
    return sub_merchant


def make_api_key(sub_merchant: SubMerchant, *scopes: Permission, **fields: Any) -> str:
    """The text of a new key of this tenant; without scopes it may do everything."""
    granted = scopes or tuple(Permission)
    return issue_key(sub_merchant=sub_merchant, scopes=granted, **fields).key.reveal()


def bearer(key: str) -> dict[str, str]:
    """The header that presents a key."""
    return {"Authorization": f"Bearer {key}"}
