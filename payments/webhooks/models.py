"""Events: what happened to a tenant's object, as the API shows it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text
from submerchants.tenancy import TenantOwned


class WebhookEvent(TenantOwned, Base):
    """One thing a tenant will want to know; `event_key` makes it happen once."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        UniqueConstraint("sub_merchant_id", "event_key"),
        Index("ix_webhook_events_tenant_created", "sub_merchant_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    event_key: Mapped[str] = mapped_column(identifier(96))  # e.g. order.paid:ord_…
    type: Mapped[str] = mapped_column(String(48))
    object_id: Mapped[str] = mapped_column(identifier(40))
    data: Mapped[str] = mapped_column(long_text())  # JSON, as the API showed it then
    created_at: Mapped[datetime]
