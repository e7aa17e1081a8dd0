"""The inbox of WeChat Pay's notifications, the verdict of each check, and a second try."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin_ui import wording
from admin_ui.access import operator_page
from admin_ui.console import blueprint
from admin_ui.formatting import state_label
from admin_ui.reading.inbox import described, inbox
from config.errors import AppError
from partner.operators.roles import OperatorPermission
from payments.notifications.models import InboxState
from payments.notifications.replay import get_entry, replay


@blueprint.get("/notifications")
@operator_page(OperatorPermission.SEE_NOTIFICATIONS)
def notifications() -> str:
    """The list, newest first."""
    name = request.args.get("state", "")
    state = InboxState(name) if name in InboxState.__members__ else None
    is_more = request.headers.get("HX-Target") == "more"
    return render_template(
        "notifications/rows.html" if is_more else "notifications/list.html",
        page=inbox(state, request.args.get("cursor")),
        state=state,
        states=list(InboxState),
    )


@blueprint.get("/notifications/<entry_id>")
@operator_page(OperatorPermission.SEE_NOTIFICATIONS)
def notifications_one(entry_id: str) -> str:
    """One notification and how each check came out."""
    return render_template(
        "notifications/entry.html",
        notification=described(get_entry(entry_id)),
        fact_name=wording.fact_name,
    )


@blueprint.post("/notifications/<entry_id>/replay")
@operator_page(OperatorPermission.REPLAY_NOTIFICATIONS)
def notifications_replay(entry_id: str) -> ResponseReturnValue:
    """Work it again, through the same checks as the first time."""
    try:
        entry = replay(entry_id)
    except AppError as refusal:
        if refusal.status == 404:
            raise
        flash(_("It was not replayed: it is settled, or cannot be read."), "warn")
    else:
        flash(_("Replayed. It now stands at: %(state)s", state=state_label(entry.state)), "good")
    return redirect(url_for("console.notifications_one", entry_id=entry_id), code=303)
