"""What a staff member sees first: how their own shop does today."""

from __future__ import annotations

from flask import current_app, render_template

from admin_ui.access import staff_page
from admin_ui.dashboard import blueprint
from admin_ui.reading import days, figures
from admin_ui.reading.chosen import Chosen
from admin_ui.reading.order_list import listed
from submerchants.staff.roles import StaffPermission

SHOWN_ORDERS = 8


@blueprint.get("/")
@staff_page(StaffPermission.SEE_FIGURES)
def overview() -> str:
    """Today's figures of this sub-merchant."""
    return render_template(
        "dashboard/overview.html",
        today=figures.today(),
        days=figures.last_days(),
        order_shares=figures.orders_today_by_state(),
        week=days.last_week(),
        newest=listed(Chosen()).orders[:SHOWN_ORDERS],
        public_base_url=current_app.config["PUBLIC_BASE_URL"],
    )
