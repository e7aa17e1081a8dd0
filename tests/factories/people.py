"""Operators and staff, and browsers they have signed in with."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from datetime import timedelta

import pyotp
from flask.testing import FlaskClient

from config.clock import now
from config.database import transaction
from config.sessions import PersonKind, begin_session
from config.vault import Secret
from partner.operators.add import add_operator
from partner.operators.models import Operator
from partner.operators.roles import OperatorRole
from submerchants.staff.add import add_staff_member
from submerchants.staff.models import StaffMember
from submerchants.staff.roles import StaffRole
from submerchants.tenants.models import SubMerchant

PASSWORD = "seven green kettles"
OPERATOR_COOKIE = "__Host-operator"
STAFF_COOKIE = "__Host-staff"

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class KnownOperator:
    """An operator and what only they know."""

    operator: Operator
    totp_secret: str

    def code(self, steps_ahead: int = 0) -> str:
        """What the authenticator app shows now, or some half minutes later."""
        moment = now() + timedelta(seconds=30 * steps_ahead)
        return pyotp.TOTP(self.totp_secret).at(moment)


def make_operator(
    *, role: OperatorRole = OperatorRole.ADMIN, email: str | None = None
) -> KnownOperator:
    """A saved operator with the usual password."""
    address = email or f"operator{next(_numbers)}@example.test"
    added = add_operator(email=address, password=Secret(PASSWORD), role=role)
    return KnownOperator(added.operator, added.totp_secret.reveal())


def make_staff_member(
    *, sub_merchant: SubMerchant, role: StaffRole = StaffRole.OWNER, email: str | None = None
) -> StaffMember:
    """A saved staff member with the usual password."""
    return add_staff_member(
        sub_merchant=sub_merchant,
        email=email or f"staff{next(_numbers)}@example.test",
        password=Secret(PASSWORD),
        role=role,
    )


def sign_in_operator(client: FlaskClient, known: KnownOperator | None = None) -> KnownOperator:
    """Give the client a full session of an operator, without walking through the door."""
    known = known or make_operator()
    with transaction():
        token = begin_session(PersonKind.OPERATOR, known.operator.id, is_proven=True, origin="t")
    _put(client, OPERATOR_COOKIE, token)
    return known


def sign_in_staff(client: FlaskClient, member: StaffMember) -> StaffMember:
    """Give the client a full session of a staff member, without walking through the door."""
    with transaction():
        token = begin_session(PersonKind.STAFF, member.id, is_proven=True, origin="t")
    _put(client, STAFF_COOKIE, token)
    return member


def form_token(client: FlaskClient, path: str) -> str:
    """The token of the first form on a page."""
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found, f"{path} holds no form"
    return found.group(1)


def _put(client: FlaskClient, name: str, token: Secret) -> None:
    client.set_cookie(name, token.reveal(), domain="pay.example.test", secure=True)
