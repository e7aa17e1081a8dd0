"""What each kind of operator may do."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType


class OperatorPermission(enum.StrEnum):
    """One thing an operator may be allowed to do."""

    SEE_FIGURES = "figures:read"
    SEE_ORDERS = "orders:read"
    EXPORT_ORDERS = "orders:export"
    SEE_REFUNDS = "refunds:read"
    MAKE_REFUNDS = "refunds:write"
    SEE_NOTIFICATIONS = "notifications:read"
    REPLAY_NOTIFICATIONS = "notifications:replay"
    SEE_RECONCILIATIONS = "reconciliations:read"
    DECIDE_DISCREPANCIES = "reconciliations:write"
    SEE_SUB_MERCHANTS = "sub_merchants:read"
    DIAGNOSE = "sub_merchants:diagnose"
    SEE_WEBHOOKS = "webhooks:read"
    RESEND_WEBHOOKS = "webhooks:resend"
    SEE_AUDIT = "audit:read"


class OperatorRole(enum.StrEnum):
    """What an operator's work is."""

    ADMIN = "ADMIN"
    SUPPORT = "SUPPORT"
    FINANCE = "FINANCE"
    VIEWER = "VIEWER"


_READING = frozenset(
    {
        OperatorPermission.SEE_FIGURES,
        OperatorPermission.SEE_ORDERS,
        OperatorPermission.SEE_REFUNDS,
        OperatorPermission.SEE_NOTIFICATIONS,
        OperatorPermission.SEE_RECONCILIATIONS,
        OperatorPermission.SEE_SUB_MERCHANTS,
        OperatorPermission.SEE_WEBHOOKS,
    }
)

PERMISSIONS: Mapping[OperatorRole, frozenset[OperatorPermission]] = MappingProxyType(
    {
        OperatorRole.ADMIN: frozenset(OperatorPermission),
        OperatorRole.SUPPORT: _READING
        | {
            OperatorPermission.REPLAY_NOTIFICATIONS,
            OperatorPermission.DIAGNOSE,
            OperatorPermission.RESEND_WEBHOOKS,
        },
        OperatorRole.FINANCE: _READING
        | {
            OperatorPermission.EXPORT_ORDERS,
            OperatorPermission.MAKE_REFUNDS,
            OperatorPermission.DECIDE_DISCREPANCIES,
            OperatorPermission.SEE_AUDIT,
        },
        OperatorRole.VIEWER: _READING,
    }
)
