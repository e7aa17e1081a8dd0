"""What each kind of staff member may do, always within their own sub-merchant."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class StaffPermission(enum.StrEnum):
    """One thing a staff member may be allowed to do."""

    SEE_FIGURES = "figures:read"
    SEE_ORDERS = "orders:read"
    EXPORT_ORDERS = "orders:export"
    SEE_REFUNDS = "refunds:read"
    MAKE_REFUNDS = "refunds:write"
    USE_CHECKOUT = "checkout:write"
    SEE_WEBHOOKS = "webhooks:read"
    CHANGE_WEBHOOKS = "webhooks:write"
    DIAGNOSE = "binding:diagnose"
    SEE_RECONCILIATIONS = "reconciliations:read"
    SEE_AUDIT = "audit:read"


class StaffRole(enum.StrEnum):
    """What a staff member's work is."""

    OWNER = "OWNER"
    FINANCE = "FINANCE"
    CLERK = "CLERK"


PERMISSIONS: Mapping[StaffRole, frozenset[StaffPermission]] = MappingProxyType(
    {
        StaffRole.OWNER: frozenset(StaffPermission),
        StaffRole.FINANCE: frozenset(StaffPermission) - {StaffPermission.CHANGE_WEBHOOKS},
        StaffRole.CLERK: frozenset(
            {
                StaffPermission.SEE_FIGURES,
                StaffPermission.SEE_ORDERS,
                StaffPermission.SEE_REFUNDS,
                StaffPermission.USE_CHECKOUT,
            }
        ),
    }
)
