"""Let somebody in to the operator console: an account with a password and a second factor."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from config import audit
from config.clock import now
from config.database import db, transaction
from config.errors import Conflict, NotFound
from config.identifiers import new_id
from config.inserts import insert_new
from config.passwords import check_new_password, hash_password
from config.second_factor import new_totp_secret, provisioning_uri
from config.sign_in import normalise_email
from config.vault import Secret
from partner.operators.models import Operator
from partner.operators.roles import OperatorRole


class OperatorExists(Conflict):
    """This e-mail address already signs in to the console."""

    code = "operator_exists"


@dataclass(frozen=True, slots=True)
class NewOperator:
    """The account, and its second factor: this is the one time it is shown."""

    operator: Operator
    totp_secret: Secret

    @property
    def totp_uri(self) -> str:
        return provisioning_uri(self.totp_secret, self.operator.email)


def add_operator(*, email: str, password: Secret, role: OperatorRole) -> NewOperator:
    """Add an operator. Raises InvalidEmail, PasswordRefused, OperatorExists."""
    address = normalise_email(email)
    check_new_password(password, email=address)
    operator = Operator(
        id=new_id("opr"),
        email=address,
        role=role,
        password_hash=hash_password(password),
        last_totp_step=0,
        created_at=now(),
        disabled_at=None,
    )
    secret = new_totp_secret()
    operator.totp_secret = secret
    with transaction():
        values = {
            column.key: getattr(operator, column.key) for column in Operator.__table__.columns
        }
        if not insert_new(Operator, values, unique=("email",)):
            raise OperatorExists(f"{address} is already an operator.")
        audit.record(
            "operator.added",
            object_kind="operator",
            object_id=operator.id,
            email=address,
            role=role,
        )
    return NewOperator(get_operator(address), secret)


def get_operator(email: str) -> Operator:
    """The operator with this address. Raises NotFound."""
    operator = db.session.scalar(select(Operator).where(Operator.email == email.strip().lower()))
    if operator is None:
        raise NotFound(f"There is no operator {email}.")
    return operator
