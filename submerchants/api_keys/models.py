"""API keys, by public prefix and hash: the key itself is never stored."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier
from submerchants.tenancy import TenantOwned


class ApiKey(TenantOwned, Base):
    """A key a tenant's system presents; `prefix` finds it, `key_hash` proves it."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    prefix: Mapped[str] = mapped_column(identifier(24), unique=True)
    key_hash: Mapped[str] = mapped_column(identifier(64))
    label: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(512))  # blank-separated
    allowed_networks: Mapped[str] = mapped_column(String(512))  # blank-separated; "" is anywhere
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
