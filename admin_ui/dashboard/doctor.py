"""The doctor for a sub-merchant's own staff."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from admin_ui.access import member_here, staff_page
from admin_ui.dashboard import blueprint
from admin_ui.doctor_pages import doctor_page, walk
from config.database import db
from submerchants.staff.roles import StaffPermission
from submerchants.tenants.models import SubMerchant


@blueprint.get("/doctor")
@staff_page(StaffPermission.DIAGNOSE)
def doctor() -> str:
    """Where the walk is asked for, and the verdict over a page's address."""
    return doctor_page("dashboard", _own())


@blueprint.post("/doctor")
@staff_page(StaffPermission.DIAGNOSE)
def doctor_walk() -> ResponseReturnValue:
    """Walk the whole chain now."""
    return walk("dashboard", _own())


def _own() -> SubMerchant:
    return db.session.get_one(SubMerchant, member_here().tenant_id)
