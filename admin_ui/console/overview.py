"""What an operator sees first: how today goes, and what needs a person."""

from __future__ import annotations

from flask import current_app, render_template

from admin_ui.access import operator_page
from admin_ui.console import blueprint
from admin_ui.reading import days, figures, inbox
from admin_ui.reading.chosen import Chosen
from admin_ui.reading.endpoints import in_trouble
from admin_ui.reading.order_list import listed
from admin_ui.reading.refund_list import waiting_tasks
from partner.operators.roles import OperatorPermission
from payments.notifications.models import InboxState

SHOWN_WAITING = 5
SHOWN_ORDERS = 8


@blueprint.get("/")
@operator_page(OperatorPermission.SEE_FIGURES)
def overview() -> str:
    """Today's figures; the page asks for them again every half a minute."""
    newest = listed(Chosen())
    return render_template(
        "console/overview.html",
        today=figures.today(),
        days=figures.last_days(),
        order_shares=figures.orders_today_by_state(),
        notification_shares=figures.notifications_today_by_state(),
        quarantined=figures.notifications_waiting(InboxState.QUARANTINED),
        kept=figures.notifications_waiting(InboxState.KEPT),
        waiting=inbox.latest_waiting(SHOWN_WAITING),
        differing=days.open_differences(),
        keys=figures.expiring_keys(),
        stuck_refunds=waiting_tasks(),
        endpoints=in_trouble(),
        week=days.last_week(),
        newest=newest.orders[:SHOWN_ORDERS],
        names=newest.names,
        public_base_url=current_app.config["PUBLIC_BASE_URL"],
    )
