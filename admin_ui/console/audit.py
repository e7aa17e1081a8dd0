"""The audit trail, to read."""

from __future__ import annotations

from flask import render_template, request

from admin_ui.access import operator_page
from admin_ui.console import blueprint
from admin_ui.reading.trail import trail
from admin_ui.wording import actor_name
from partner.operators.roles import OperatorPermission


@blueprint.get("/audit")
@operator_page(OperatorPermission.SEE_AUDIT)
def audit() -> str:
    """Who did what to which thing, newest first."""
    object_id = request.args.get("object", "").strip()[:64]
    page = trail(object_id, request.args.get("cursor", type=int))
    return render_template("audit/list.html", page=page, object_id=object_id, actor_name=actor_name)
