"""The inbox: every genuine notification, once, with the verdict of each check.

Only verified notifications get a row. The body stays as it came, sealed by WeChat Pay with the API
v3 key; nothing of the payer is stored in the clear.
"""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text


class InboxState(enum.StrEnum):
    """What became of a notification."""

    APPLIED = "APPLIED"  # it moved something
    REDUNDANT = "REDUNDANT"  # true, and already known
    KEPT = "KEPT"  # our own code could not apply it yet; replay will
    QUARANTINED = "QUARANTINED"  # genuine, but it does not agree with our books
    IGNORED = "IGNORED"  # an event this platform has no use for


class InboxEntry(Base):
    """One notification. It names its tenant only once our own order row has."""

    __tablename__ = "inbox_entries"
    __table_args__ = (
        UniqueConstraint("partner_id", "notification_id"),
        Index("ix_inbox_entries_state_received", "state", "received_at"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    notification_id: Mapped[str] = mapped_column(identifier(64))
    event_type: Mapped[str] = mapped_column(String(64))
    serial: Mapped[str] = mapped_column(identifier(64))  # the key that proved it
    body: Mapped[str] = mapped_column(long_text())
    state: Mapped[InboxState]
    verdicts: Mapped[str] = mapped_column(long_text())  # JSON: each check, and both sides of a no
    reason: Mapped[str | None] = mapped_column(String(255))
    order_id: Mapped[str | None] = mapped_column(identifier(40), index=True)
    tenant_id: Mapped[str | None] = mapped_column(identifier(40), index=True)
    out_trade_no: Mapped[str | None] = mapped_column(identifier(32))
    received_at: Mapped[datetime] = mapped_column(index=True)
    settled_at: Mapped[datetime | None]
    attempts: Mapped[int]
