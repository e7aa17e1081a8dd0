"""How values look on a page: amounts, counts, moments in Beijing time, names of states.

The only place where fen become yuan for the eye.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from flask import Flask
from flask_babel import format_date
from flask_babel import lazy_gettext as _l

from config.clock import BEIJING, beijing_date, now
from partner.operators.roles import OperatorRole
from payments.notifications.models import InboxState
from payments.orders.models import OrderState, TradeType
from payments.reconciliation.models import DiscrepancyState, ReconciliationState
from payments.refunds.models import RefundState
from payments.webhooks.models import DeliveryState
from submerchants.staff.roles import StaffRole
from submerchants.tenants.models import TenantState

# The second word is a tone: how the state is coloured, whatever the theme.
STATES: dict[str, tuple[Any, str]] = {
    OrderState.CREATED: (_l("Created"), "idle"),
    OrderState.PENDING: (_l("Pending"), "info"),
    OrderState.PAID: (_l("Paid"), "good"),
    OrderState.CLOSED: (_l("Closed"), "idle"),
    RefundState.REQUESTED: (_l("Asked for"), "info"),
    RefundState.PROCESSING: (_l("On its way"), "info"),
    RefundState.SUCCEEDED: (_l("Given back"), "good"),
    RefundState.ABNORMAL: (_l("Stuck"), "bad"),
    InboxState.APPLIED: (_l("Applied"), "good"),
    InboxState.REDUNDANT: (_l("Already known"), "idle"),
    InboxState.KEPT: (_l("Kept for replay"), "warn"),
    InboxState.QUARANTINED: (_l("Quarantined"), "bad"),
    InboxState.IGNORED: (_l("Not used here"), "idle"),
    ReconciliationState.MATCHED: (_l("Matched"), "good"),
    ReconciliationState.DISCREPANT: (_l("Differs"), "bad"),
    ReconciliationState.RESOLVED: (_l("Dealt with"), "info"),
    ReconciliationState.WAITING_FOR_BILL: (_l("Waiting for the bill"), "idle"),
    ReconciliationState.RUNNING: (_l("Comparing"), "warn"),
    DiscrepancyState.OPEN: (_l("Open"), "bad"),
    DiscrepancyState.HEALED: (_l("Healed by itself"), "good"),
    DiscrepancyState.HANDLED: (_l("Decided"), "info"),
    DeliveryState.DUE: (_l("To be sent"), "info"),
    DeliveryState.DELIVERED: (_l("Delivered"), "good"),
    DeliveryState.GIVEN_UP: (_l("Given up"), "bad"),
    "HEALTHY": (_l("Healthy"), "good"),
    "FAILING": (_l("Failing"), "bad"),
    "QUIET": (_l("Nothing sent yet"), "idle"),
    "ENABLED": (_l("Enabled"), "good"),
    "DISABLED": (_l("Disabled"), "warn"),
    "LINK_OPEN": (_l("Waiting for a payer"), "info"),
    "LINK_PENDING": (_l("Somebody is paying"), "warn"),
    "LINK_PAID": (_l("Paid"), "good"),
    "LINK_CANCELLED": (_l("Cancelled"), "idle"),
    "LINK_EXPIRED": (_l("Past its time"), "idle"),
    "IN_FORCE": (_l("In force"), "good"),
    "EXPIRED": (_l("Expired"), "idle"),
    "REVOKED": (_l("Revoked"), "idle"),
    TenantState.ACTIVE: (_l("Trading"), "good"),
    TenantState.SUSPENDED: (_l("Suspended"), "warn"),
}
ROLES: dict[str, Any] = {
    OperatorRole.ADMIN: _l("Administrator"),
    OperatorRole.SUPPORT: _l("Support"),
    OperatorRole.FINANCE: _l("Finance"),
    OperatorRole.VIEWER: _l("Viewer"),
    StaffRole.OWNER: _l("Owner"),
    StaffRole.CLERK: _l("Clerk"),
}
WAYS_TO_PAY: dict[str, Any] = {
    TradeType.JSAPI: _l("In WeChat (JSAPI)"),
    TradeType.NATIVE: _l("Scanned QR code (Native)"),
    TradeType.MWEB: _l("Phone browser (H5)"),
    TradeType.APP: _l("App"),
    TradeType.MICROPAY: _l("Payment code"),
}
_VISIBLE_ENDS = 4


def yuan(amount_fen: int | None) -> str:
    """¥1,234.56 out of 123456 fen."""
    if amount_fen is None:
        return "–"
    whole, cents = divmod(abs(amount_fen), 100)
    return f"{'-' if amount_fen < 0 else ''}¥{whole:,}.{cents:02d}"


def plain_yuan(amount_fen: int) -> str:
    """1234.56, for spreadsheets."""
    whole, cents = divmod(abs(amount_fen), 100)
    return f"{'-' if amount_fen < 0 else ''}{whole}.{cents:02d}"


def count(number: int | None) -> str:
    """1,234"""
    return "–" if number is None else f"{number:,}"


def beijing(moment: datetime | None, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """A moment as a clock in Beijing shows it."""
    return "–" if moment is None else moment.astimezone(BEIJING).strftime(form)


def moment_short(moment: datetime | None) -> str:
    """The time of day for today, the day as well for other days."""
    if moment is None:
        return "–"
    age = beijing_date(now()) - beijing_date(moment)
    if age == timedelta(0):
        return beijing(moment, "%H:%M:%S")
    same_year = moment.astimezone(BEIJING).year == now().astimezone(BEIJING).year
    return beijing(moment, "%m-%d %H:%M" if same_year else "%Y-%m-%d")


def day(value: date, form: str = "d MMM") -> str:
    """A day in the reader's language."""
    return str(format_date(value, form))


def state_label(state: str) -> Any:
    """The name of a state in the reader's language; an unknown one stands for itself."""
    return STATES.get(state, (state, "idle"))[0]


def state_tone(state: str) -> str:
    """good, info, warn, bad or idle."""
    return STATES.get(state, (state, "idle"))[1]


def role_label(role: str) -> Any:
    """The name of a role in the reader's language."""
    return ROLES.get(role, role)


def way_to_pay(trade_type: str) -> Any:
    """How the payer reached the cashier, in the reader's language."""
    return WAYS_TO_PAY.get(trade_type, trade_type)


def masked(text: str | None) -> str:
    """Both ends of a payer's id: enough to compare, too little to copy."""
    if not text:
        return "–"
    if len(text) <= 3 * _VISIBLE_ENDS:
        return "****"
    return f"{text[:_VISIBLE_ENDS]}****{text[-_VISIBLE_ENDS:]}"


def init_formatting(app: Flask) -> None:
    """Give templates the filters under the names of these functions."""
    for function in (
        yuan,
        count,
        beijing,
        moment_short,
        day,
        state_label,
        state_tone,
        role_label,
        way_to_pay,
        masked,
    ):
        app.add_template_filter(function)
