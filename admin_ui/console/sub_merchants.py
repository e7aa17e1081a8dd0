"""Sub-merchants and what is set up for each, to read."""

from __future__ import annotations

from flask import render_template, request

from admin_ui.access import operator_page
from admin_ui.console import blueprint
from admin_ui.reading.tenants import get_tenant, key_state, tenant_list
from partner.operators.roles import OperatorPermission


@blueprint.get("/sub-merchants")
@operator_page(OperatorPermission.SEE_SUB_MERCHANTS)
def sub_merchants() -> str:
    """The list, by sub_mchid."""
    search = request.args.get("q", "").strip()[:64]
    page = tenant_list(search, request.args.get("cursor"))
    return render_template("sub_merchants/list.html", page=page, search=search)


@blueprint.get("/sub-merchants/<sub_merchant_id>")
@operator_page(OperatorPermission.SEE_SUB_MERCHANTS)
def sub_merchants_one(sub_merchant_id: str) -> str:
    """One sub-merchant: its appids, directories, keys and staff."""
    return render_template(
        "sub_merchants/tenant.html", tenant=get_tenant(sub_merchant_id), key_state=key_state
    )
