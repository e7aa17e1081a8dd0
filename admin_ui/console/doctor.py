"""The doctor for operators: one sub-merchant's chain, walked on their behalf."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from admin_ui.access import operator_page
from admin_ui.console import blueprint
from admin_ui.doctor_pages import doctor_page, walk
from admin_ui.reading.tenants import get_tenant
from partner.operators.roles import OperatorPermission


@blueprint.get("/sub-merchants/<sub_merchant_id>/doctor")
@operator_page(OperatorPermission.DIAGNOSE)
def sub_merchants_doctor(sub_merchant_id: str) -> str:
    """Where the walk is asked for, and the verdict over a page's address."""
    return doctor_page("console", get_tenant(sub_merchant_id).sub_merchant)


@blueprint.post("/sub-merchants/<sub_merchant_id>/doctor")
@operator_page(OperatorPermission.DIAGNOSE)
def sub_merchants_walk(sub_merchant_id: str) -> ResponseReturnValue:
    """Walk the whole chain now."""
    return walk("console", get_tenant(sub_merchant_id).sub_merchant)
