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
    SEE_RECONCILIATIONS = "reconciliations:read"


class StaffRole(enum.StrEnum):
    """What a staff member's work is."""

    OWNER = "OWNER"
    FINANCE = "FINANCE"
    CLERK = "CLERK"


PERMISSIONS: Mapping[StaffRole, frozenset[StaffPermission]] = MappingProxyType(
    {
        StaffRole.OWNER: frozenset(StaffPermission),
        StaffRole.FINANCE: frozenset(StaffPermission),
        StaffRole.CLERK: frozenset({StaffPermission.SEE_FIGURES, StaffPermission.SEE_ORDERS}),
    }
)
