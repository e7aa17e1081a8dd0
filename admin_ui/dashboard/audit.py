"""What was done in the sub-merchant's name and to what is its own, by whomever."""

from __future__ import annotations

from admin_ui.access import staff_page
from admin_ui.audit_pages import audit_page
from admin_ui.dashboard import blueprint
from submerchants.staff.roles import StaffPermission


@blueprint.get("/activity")
@staff_page(StaffPermission.SEE_AUDIT)
def audit() -> str:
    """The provider's operators, own staff and keys, and the platform, newest first."""
    return audit_page("dashboard")
