"""Reconciliations over HTTP: how a day compared, and what differed."""

from __future__ import annotations

from flask import Response

from payments.api.answers import DiscrepancyPage, ReconciliationPage
from payments.api.answers import Reconciliation as ReconciliationShape
from payments.api.binding import answer, bound
from payments.api.describe import refusals, tenant_blueprint
from payments.api.schemas import DayQuery, DiscrepancyQuery, ReconciliationPath
from payments.reconciliation.presenter import present_discrepancy, present_reconciliation
from payments.reconciliation.queries import get_reconciliation
from payments.reconciliation.queries import list_discrepancies as discrepancies_of
from payments.reconciliation.queries import list_reconciliations as reconciliations_of
from submerchants.access import Permission, tenant_api

blueprint = tenant_blueprint(
    "Reconciliations", meaning="Your orders of a day, held against WeChat Pay's bill."
)


@blueprint.get("/reconciliations", responses={200: ReconciliationPage, **refusals()})
@tenant_api(Permission.RECONCILIATIONS_READ)
@bound
def list_reconciliations(query: DayQuery) -> Response:
    """List the days that were compared, newest first."""
    page = reconciliations_of(query.date, limit=query.limit, cursor=query.cursor)
    shown = [present_reconciliation(row) for row in page.rows]
    return answer({"data": shown, "next_cursor": page.next_cursor})


@blueprint.get(
    "/reconciliations/<reconciliation_id>", responses={200: ReconciliationShape, **refusals(404)}
)
@tenant_api(Permission.RECONCILIATIONS_READ)
@bound
def show_reconciliation(path: ReconciliationPath) -> Response:
    """Show how one day compared."""
    return answer(present_reconciliation(get_reconciliation(path.reconciliation_id)))


@blueprint.get(
    "/reconciliations/<reconciliation_id>/discrepancies",
    responses={200: DiscrepancyPage, **refusals(404)},
)
@tenant_api(Permission.RECONCILIATIONS_READ)
@bound
def list_discrepancies(path: ReconciliationPath, query: DiscrepancyQuery) -> Response:
    """List what differed on one day, with both sides as they were found."""
    page = discrepancies_of(
        path.reconciliation_id, state=query.state, limit=query.limit, cursor=query.cursor
    )
    shown = [present_discrepancy(row) for row in page.rows]
    return answer({"data": shown, "next_cursor": page.next_cursor})
