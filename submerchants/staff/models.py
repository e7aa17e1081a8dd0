"""Staff members of sub-merchants; operators of the provider are elsewhere."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier
from submerchants.staff.roles import StaffRole
from submerchants.tenancy import TenantOwned


class StaffMember(TenantOwned, Base):
    """Somebody who works for a sub-merchant. An e-mail address signs in to exactly one."""

    __tablename__ = "staff_members"
    __table_args__ = (Index("ix_staff_members_tenant", "sub_merchant_id", "id"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    email: Mapped[str] = mapped_column(identifier(254), unique=True)  # in lower case
    role: Mapped[StaffRole]
    password_hash: Mapped[str] = mapped_column(identifier(255))
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
