"""The sub-merchant's own reconciliation days."""

from __future__ import annotations

from datetime import date

from flask import render_template, request

from admin_ui.access import staff_page
from admin_ui.dashboard import blueprint
from admin_ui.reading import days
from admin_ui.reconciliation_pages import result_page
from config.errors import NotFound
from submerchants.staff.roles import StaffPermission


@blueprint.get("/reconciliation")
@staff_page(StaffPermission.SEE_RECONCILIATIONS)
def reconciliation() -> str:
    """A month, each day coloured by its result."""
    month = days.month_of(request.args.get("month"))
    return render_template("reconciliation/month.html", door="dashboard", month=month)


@blueprint.get("/reconciliation/<day>")
@staff_page(StaffPermission.SEE_RECONCILIATIONS)
def reconciliation_day(day: str) -> str:
    """One day: both totals, and both sides of whatever differs."""
    try:
        found = days.day_results(date.fromisoformat(day), None, None).rows
    except ValueError as error:
        raise NotFound("There is no such day.") from error
    if not found:
        raise NotFound("Nothing has been reconciled on that day.")
    return result_page("dashboard", found[0])
