"""Sub-merchants and the appids bound to them.

These two tables are how a tenant is found, so they are not tenant-owned themselves.
"""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text
from config.vault import Sealed


class TenantState(enum.StrEnum):
    """Whether a sub-merchant may trade through us."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"  # reads, and money already under way; nothing new


class AppidKind(enum.StrEnum):
    """What an appid is; WeChat Pay cannot tell by its text, and each way to pay needs its own."""

    OFFICIAL_ACCOUNT = "OFFICIAL_ACCOUNT"
    MINI_PROGRAM = "MINI_PROGRAM"
    APP = "APP"


class SubMerchant(Base):
    """A tenant: one sub_mchid under one provider."""

    __tablename__ = "sub_merchants"
    __table_args__ = (UniqueConstraint("partner_id", "sub_mchid"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    sub_mchid: Mapped[str] = mapped_column(identifier(32), index=True)
    name: Mapped[str] = mapped_column(String(128))
    state: Mapped[TenantState]
    created_at: Mapped[datetime]


class Binding(Base):
    """An appid bound to a sub-merchant; the first one is the default."""

    __tablename__ = "bindings"
    __table_args__ = (UniqueConstraint("sub_merchant_id", "sub_appid"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    sub_merchant_id: Mapped[str] = mapped_column(ForeignKey("sub_merchants.id"))
    sub_appid: Mapped[str] = mapped_column(identifier(32))
    kind: Mapped[AppidKind]
    position: Mapped[int]
    app_secret_sealed: Mapped[str | None] = mapped_column(long_text())  # to learn openids with

    app_secret = Sealed("app_secret_sealed")
