"""Reconciliation of all sub-merchants: the month, a day, one result and who decides about it."""

from __future__ import annotations

from datetime import date

from flask import render_template, request
from flask.typing import ResponseReturnValue

from admin_ui.access import operator_here, operator_page
from admin_ui.console import blueprint
from admin_ui.reading import days
from admin_ui.reconciliation_pages import decide, result_page
from config.errors import NotFound
from partner.operators.roles import OperatorPermission
from payments.reconciliation.models import ReconciliationState


@blueprint.get("/reconciliation")
@operator_page(OperatorPermission.SEE_RECONCILIATIONS)
def reconciliation() -> str:
    """A month, each day coloured by its worst result."""
    month = days.month_of(request.args.get("month"))
    return render_template("reconciliation/month.html", door="console", month=month)


@blueprint.get("/reconciliation/<day>")
@operator_page(OperatorPermission.SEE_RECONCILIATIONS)
def reconciliation_day(day: str) -> str:
    """Every sub-merchant's result of one day."""
    name = request.args.get("state", "")
    state = ReconciliationState(name) if name in ReconciliationState.__members__ else None
    found = days.day_results(named_day(day), state, request.args.get("cursor"))
    return render_template(
        "reconciliation/day.html", found=found, state=state, states=list(ReconciliationState)
    )


@blueprint.get("/reconciliation/<day>/<reconciliation_id>")
@operator_page(OperatorPermission.SEE_RECONCILIATIONS)
def reconciliation_one(day: str, reconciliation_id: str) -> str:
    """One sub-merchant's day: both totals, and both sides of whatever differs."""
    return result_page("console", named_result(day, reconciliation_id))


@blueprint.post("/reconciliation/<day>/<reconciliation_id>/<discrepancy_id>")
@operator_page(OperatorPermission.DECIDE_DISCREPANCIES)
def reconciliation_decide(
    day: str, reconciliation_id: str, discrepancy_id: str
) -> ResponseReturnValue:
    """Say what was decided about an open difference."""
    return decide(operator_here(), named_result(day, reconciliation_id), discrepancy_id)


def named_result(day: str, reconciliation_id: str) -> days.Result:
    """The result that an address names. Raises NotFound."""
    result = days.get_result(reconciliation_id)
    if result.reconciliation.bill_date != named_day(day):
        raise NotFound("There is no such reconciliation on that day.")
    return result


def named_day(text: str) -> date:
    """The day in an address. Raises NotFound."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise NotFound("There is no such day.") from error
