"""Events, the endpoints that hear of them, and each delivery with its tries."""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text
from config.vault import Sealed
from submerchants.tenancy import TenantOwned


class WebhookEvent(TenantOwned, Base):
    """One thing a tenant will want to know; `event_key` makes it happen once."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        UniqueConstraint("sub_merchant_id", "event_key"),
        Index("ix_webhook_events_tenant_created", "sub_merchant_id", "created_at", "id"),
        Index("ix_webhook_events_undivided", "divided_at", "created_at"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    event_key: Mapped[str] = mapped_column(identifier(96))  # e.g. order.paid:ord_…
    type: Mapped[str] = mapped_column(String(48))
    object_id: Mapped[str] = mapped_column(identifier(40))
    data: Mapped[str] = mapped_column(long_text())  # JSON, as the API showed it then
    created_at: Mapped[datetime]
    divided_at: Mapped[datetime | None]  # when it got a delivery for each endpoint that wants it


class EndpointState(enum.StrEnum):
    """Whether deliveries go out."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"


class WebhookEndpoint(TenantOwned, Base):
    """An address of the tenant's that is told of events."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        Index("ix_webhook_endpoints_tenant_created", "sub_merchant_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    url: Mapped[str] = mapped_column(identifier(512))
    description: Mapped[str | None] = mapped_column(String(127))
    event_types: Mapped[str] = mapped_column(long_text())  # JSON list; an empty one means all
    state: Mapped[EndpointState]
    disabled_reason: Mapped[str | None] = mapped_column(String(255))
    disabled_at: Mapped[datetime | None]
    secret_sealed: Mapped[str | None] = mapped_column(long_text())
    previous_secret_sealed: Mapped[str | None] = mapped_column(long_text())
    previous_secret_until: Mapped[datetime | None]  # both sign until then
    failing_since: Mapped[datetime | None]  # the first failure since the last receipt
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]  # its deliveries stay readable

    secret = Sealed("secret_sealed")
    previous_secret = Sealed("previous_secret_sealed")


class DeliveryState(enum.StrEnum):
    """What became of one event at one endpoint."""

    DUE = "DUE"
    DELIVERED = "DELIVERED"  # a 2xx was recorded
    GIVEN_UP = "GIVEN_UP"  # every try failed, or the receiver is gone


class WebhookDelivery(TenantOwned, Base):
    """One event on its way to one endpoint; claimed by exact id, with a lease."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        Index("ix_webhook_deliveries_due", "state", "next_try_at"),
        Index("ix_webhook_deliveries_lane", "endpoint_id", "state", "next_try_at"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id"))
    event_id: Mapped[str] = mapped_column(ForeignKey("webhook_events.id"), index=True)
    state: Mapped[DeliveryState]
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    claim_token: Mapped[str | None] = mapped_column(identifier(40))
    claimed_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]


class WebhookAttempt(TenantOwned, Base):
    """One try and what the receiver said: the delivery log."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (Index("ix_webhook_attempts_delivery_tried", "delivery_id", "tried_at"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("webhook_deliveries.id"))
    tried_at: Mapped[datetime]
    took_ms: Mapped[int]
    status: Mapped[int | None]  # of HTTP; NULL when no answer came
    problem: Mapped[str | None] = mapped_column(String(255))  # in words, for the tenant
    reply: Mapped[str | None] = mapped_column(long_text())  # plain text, cut short
