"""One sub-merchant's day at both doors, and a person's decision about a difference in it."""

from __future__ import annotations

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from admin_ui import audit_words, wording
from admin_ui.access import Person
from admin_ui.asking_again import require_proof
from admin_ui.reading import days
from admin_ui.refusals import in_words
from config.errors import AppError, NotFound
from payments.reconciliation.models import Discrepancy
from payments.reconciliation.resolve import (
    MAX_DECISION_LENGTH,
    get_open_discrepancy,
    read_decision,
    resolve_discrepancy,
)
from submerchants.tenancy import acting_for


def result_page(
    door: str, result: days.Result, refused_id: str = "", refusal: AppError | None = None
) -> str:
    """Both totals, both sides of whatever differs, and what was decided about it."""
    return render_template(
        "reconciliation/result.html",
        door=door,
        result=result,
        differences=days.differences(result.reconciliation),
        shown_at_most=days.MAX_DIFFERENCES,
        longest_decision=MAX_DECISION_LENGTH,
        refused_id=refused_id,
        refusal=in_words(refusal) if refusal else None,
        who=audit_words.who,
        kind_name=wording.kind_name,
        kind_meaning=wording.kind_meaning,
        fact_name=wording.fact_name,
        fact_value=wording.fact_value,
    )


def decide(person: Person, result: days.Result, discrepancy_id: str) -> ResponseReturnValue:
    """Take the decision of the form that was sent. Raises NotFound."""
    try:
        _decided(person, result, discrepancy_id)
    except AppError as refusal:
        if refusal.status == 404:
            raise
        return result_page("console", result, discrepancy_id, refusal), refusal.status
    flash(_("The decision is recorded. No later comparison opens this difference again."), "good")
    one = result.reconciliation
    back = url_for(
        "console.reconciliation_one",
        day=one.bill_date,
        reconciliation_id=one.id,
        _anchor="top",  # without one a browser keeps the form's, and the notice is out of sight
    )
    return redirect(back, code=303)


def _decided(person: Person, result: days.Result, discrepancy_id: str) -> Discrepancy:
    # Whatever can be refused is, before a code is used up for it.
    with acting_for(result.sub_merchant.id):
        found = get_open_discrepancy(discrepancy_id)
        if found.reconciliation_id != result.reconciliation.id:
            raise NotFound("There is no such difference on that day.")
        decision = read_decision(request.form.get("decision", ""))
        require_proof(person)
        return resolve_discrepancy(discrepancy_id=found.id, decision=decision)
