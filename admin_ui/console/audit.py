"""The audit trail of all tenants and of the platform itself, and how its chain stands."""

from __future__ import annotations

from admin_ui.access import operator_page
from admin_ui.audit_pages import audit_page
from admin_ui.console import blueprint
from admin_ui.reading.chosen import sub_merchant_choices
from config.audit import chain_end
from partner.operators.roles import OperatorPermission


@blueprint.get("/audit")
@operator_page(OperatorPermission.SEE_AUDIT)
def audit() -> str:
    """Who did what to which thing, newest first."""
    return audit_page("console", sub_merchant_choices(), chain_end())
