"""Asking again who sits there, before money moves or a secret changes.

A session proves who signed in a while ago. An operator shows a fresh code of the authenticator app,
a staff member the password; both in the very form that asks for the deed, so that nothing is
remembered in between.
"""

from __future__ import annotations

from flask import request

from admin_ui.access import Person, origin
from config.database import db
from config.sessions import PersonKind
from config.sign_in import SignInRefused
from config.vault import Secret
from partner.operators.models import Operator
from partner.operators.sign_in import prove_again as operator_proves
from submerchants.staff.models import StaffMember
from submerchants.staff.sign_in import prove_again as member_proves

PROOF_FIELD = "proof"
_MAX_TYPED = 200


class CodeRefused(SignInRefused):
    """A code of the authenticator app is wrong, or it has been shown before."""

    code = "code_refused"


def require_proof(person: Person) -> None:
    """Judge the proof in the form that was sent. Raises SignInRefused, TooManyTries.

    Called inside the page's scope, outside any transaction.
    """
    typed = request.form.get(PROOF_FIELD, "")[:_MAX_TYPED]
    if person.kind is PersonKind.OPERATOR:
        operator = db.session.get_one(Operator, person.id)
        try:
            operator_proves(operator=operator, code=typed)
        except SignInRefused as refused:
            raise CodeRefused from refused
    else:
        member = db.session.get_one(StaffMember, person.id)
        member_proves(member=member, password=Secret(typed), origin=origin())
