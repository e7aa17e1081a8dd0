"""Let somebody in to a sub-merchant's dashboard."""

from __future__ import annotations

from sqlalchemy import select

from config import audit
from config.clock import now
from config.database import db, transaction
from config.errors import Conflict, NotFound
from config.identifiers import new_id
from config.inserts import insert_new
from config.passwords import check_new_password, hash_password
from config.sign_in import normalise_email
from config.vault import Secret
from submerchants.staff.models import StaffMember
from submerchants.staff.roles import StaffRole
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant


class StaffMemberExists(Conflict):
    """This e-mail address already signs in to a dashboard."""

    code = "staff_member_exists"


def add_staff_member(
    *, sub_merchant: SubMerchant, email: str, password: Secret, role: StaffRole
) -> StaffMember:
    """Add a staff member. Raises InvalidEmail, PasswordRefused, StaffMemberExists."""
    address = normalise_email(email)
    check_new_password(password, email=address)
    values = {
        "id": new_id("stf"),
        "sub_merchant_id": sub_merchant.id,
        "email": address,
        "role": role,
        "password_hash": hash_password(password),
        "created_at": now(),
        "disabled_at": None,
    }
    # An address is unique over all tenants, because it alone says whose dashboard to open.
    with across_tenants("adding staff: is the address free anywhere"), transaction():
        if not insert_new(StaffMember, values, unique=("email",)):
            raise StaffMemberExists(f"{address} already signs in to a dashboard.")
        audit.record(
            "staff.added",
            object_kind="staff",
            object_id=str(values["id"]),
            tenant_id=sub_merchant.id,
            email=address,
            role=role,
        )
    with acting_for(sub_merchant.id):
        return get_staff_member(address)


def get_staff_member(email: str) -> StaffMember:
    """The member with this address, within the acting tenant. Raises NotFound."""
    member = db.session.scalar(
        select(StaffMember).where(StaffMember.email == email.strip().lower())
    )
    if member is None:
        raise NotFound(f"There is no staff member {email}.")
    return member
