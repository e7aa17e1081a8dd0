"""Menus, made out of what a person may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from flask_babel import lazy_gettext as _l

from admin_ui.access import Person
from config.sessions import PersonKind
from partner.operators.roles import OperatorPermission
from submerchants.staff.roles import StaffPermission


@dataclass(frozen=True, slots=True)
class Place:
    """One entry of a menu."""

    endpoint: str
    label: Any
    icon: str
    permission: str
    short: Any = None  # for the tabs of a phone, where the label is too long

    @property
    def url(self) -> str:
        return url_for(self.endpoint)

    @property
    def is_here(self) -> bool:
        return request.endpoint == self.endpoint or (request.endpoint or "").startswith(
            f"{self.endpoint}_"
        )


_CONSOLE = (
    Place("console.overview", _l("Overview"), "layout-dashboard", OperatorPermission.SEE_FIGURES),
    Place("console.orders", _l("Orders"), "receipt", OperatorPermission.SEE_ORDERS),
    Place("console.refunds", _l("Refunds"), "receipt-refund", OperatorPermission.SEE_REFUNDS),
    Place(
        "console.notifications",
        _l("Notifications"),
        "bell-ringing",
        OperatorPermission.SEE_NOTIFICATIONS,
    ),
    Place(
        "console.reconciliation",
        _l("Reconciliation"),
        "scale",
        OperatorPermission.SEE_RECONCILIATIONS,
        _l("Reconcile"),
    ),
    Place(
        "console.sub_merchants",
        _l("Sub-merchants"),
        "building-store",
        OperatorPermission.SEE_SUB_MERCHANTS,
    ),
    Place("console.webhooks", _l("Webhooks"), "webhook", OperatorPermission.SEE_WEBHOOKS),
    Place("console.audit", _l("Audit trail"), "history", OperatorPermission.SEE_AUDIT),
)
_DASHBOARD = (
    Place("dashboard.overview", _l("Overview"), "layout-dashboard", StaffPermission.SEE_FIGURES),
    Place("dashboard.orders", _l("Orders"), "receipt", StaffPermission.SEE_ORDERS),
    Place(
        "dashboard.checkout",
        _l("Checkout links"),
        "qrcode",
        StaffPermission.USE_CHECKOUT,
        _l("Checkout"),
    ),
    Place("dashboard.refunds", _l("Refunds"), "receipt-refund", StaffPermission.SEE_REFUNDS),
    Place(
        "dashboard.reconciliation",
        _l("Reconciliation"),
        "scale",
        StaffPermission.SEE_RECONCILIATIONS,
        _l("Reconcile"),
    ),
    Place("dashboard.webhooks", _l("Webhooks"), "webhook", StaffPermission.SEE_WEBHOOKS),
    Place("dashboard.doctor", _l("Doctor"), "stethoscope", StaffPermission.DIAGNOSE),
    Place("dashboard.audit", _l("Activity"), "history", StaffPermission.SEE_AUDIT),
)


def menu(person: Person) -> list[Place]:
    """The places this person may go to, in order."""
    places = _CONSOLE if person.kind is PersonKind.OPERATOR else _DASHBOARD
    return [place for place in places if place.permission in person.permissions]
