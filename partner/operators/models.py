"""Operators; they are never in the tenants' table of staff."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text
from config.vault import Sealed
from partner.operators.roles import OperatorRole


class Operator(Base):
    """Somebody who works for the service provider."""

    __tablename__ = "operators"

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    email: Mapped[str] = mapped_column(identifier(254), unique=True)  # in lower case
    role: Mapped[OperatorRole]
    password_hash: Mapped[str] = mapped_column(identifier(255))
    totp_secret_sealed: Mapped[str | None] = mapped_column(long_text())
    last_totp_step: Mapped[int]  # codes of this step and before are used up
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]

    totp_secret = Sealed("totp_secret_sealed")
