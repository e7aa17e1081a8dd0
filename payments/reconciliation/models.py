"""Reconciliations: one sub-merchant's day held against WeChat Pay's bill, and what differed.

A discrepancy is kept for good with both sides as they were found. It is known by what it is about,
not by the run that found it, so a second run neither doubles it nor opens again what a person has
dealt with.
"""

from __future__ import annotations

import enum
from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text
from payments.bills.entries import EntryKind
from submerchants.tenancy import TenantOwned


class ReconciliationState(enum.StrEnum):
    """Where the comparison of one day stands."""

    WAITING_FOR_BILL = "WAITING_FOR_BILL"
    RUNNING = "RUNNING"
    MATCHED = "MATCHED"  # both sides agree to the fen
    DISCREPANT = "DISCREPANT"  # something differs that nobody has dealt with
    RESOLVED = "RESOLVED"  # what differs has been dealt with by a person


class DiscrepancyKind(enum.StrEnum):
    """How two sides differ, seen from our books."""

    MISSING_HERE = "MISSING_HERE"  # 长款: on the bill, not in our books
    MISSING_THERE = "MISSING_THERE"  # 短款: in our books, not on the bill
    AMOUNT_DIFFERS = "AMOUNT_DIFFERS"
    STATE_DIFFERS = "STATE_DIFFERS"  # on the bill, and here not paid
    DAY_DIFFERS = "DAY_DIFFERS"  # on both sides, booked on different days
    NUMBER_DIFFERS = "NUMBER_DIFFERS"  # one number agrees, the other does not
    TENANT_DIFFERS = "TENANT_DIFFERS"  # the bill books it under another sub-merchant than we do
    DUPLICATE_ROW = "DUPLICATE_ROW"  # the bill has it more than once


class DiscrepancyState(enum.StrEnum):
    """What has become of a discrepancy."""

    OPEN = "OPEN"
    HEALED = "HEALED"  # a later run no longer found it
    HANDLED = "HANDLED"  # a person decided; no run opens it again


class Reconciliation(TenantOwned, Base):
    """One tenant's day, and the right to compare it."""

    __tablename__ = "reconciliations"
    __table_args__ = (
        UniqueConstraint("sub_merchant_id", "bill_date", "bill_type"),
        Index("ix_reconciliations_partner_date", "partner_id", "bill_date"),
        Index("ix_reconciliations_due", "next_run_at"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    bill_date: Mapped[date]
    bill_type: Mapped[str] = mapped_column(String(16))
    state: Mapped[ReconciliationState]
    bill_token: Mapped[str | None] = mapped_column(identifier(40))  # the share it last compared
    matched_count: Mapped[int] = mapped_column(default=0)
    ours_count: Mapped[int] = mapped_column(default=0)
    ours_amount_fen: Mapped[int] = mapped_column(default=0)  # payments less refunds
    theirs_count: Mapped[int] = mapped_column(default=0)
    theirs_amount_fen: Mapped[int] = mapped_column(default=0)
    open_count: Mapped[int] = mapped_column(default=0)
    runs: Mapped[int] = mapped_column(default=0)
    next_run_at: Mapped[datetime | None]  # when what may have healed is looked at again
    claim_token: Mapped[str | None] = mapped_column(identifier(40))
    claimed_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class Discrepancy(TenantOwned, Base):
    """One difference, with both sides."""

    __tablename__ = "discrepancies"
    __table_args__ = (
        UniqueConstraint("reconciliation_id", "entry_kind", "number", "ordinal"),
        Index("ix_discrepancies_tenant_state", "sub_merchant_id", "state", "created_at"),
        Index("ix_discrepancies_number", "number"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    reconciliation_id: Mapped[str] = mapped_column(ForeignKey("reconciliations.id"))
    entry_kind: Mapped[EntryKind]
    number: Mapped[str] = mapped_column(identifier(64))
    ordinal: Mapped[int] = mapped_column(Integer)  # 0, and on for further rows of the same number
    kind: Mapped[DiscrepancyKind]
    state: Mapped[DiscrepancyState]
    out_trade_no: Mapped[str | None] = mapped_column(identifier(64))
    transaction_id: Mapped[str | None] = mapped_column(identifier(64))
    ours: Mapped[str | None] = mapped_column(long_text())  # JSON
    theirs: Mapped[str | None] = mapped_column(long_text())  # JSON
    explanation: Mapped[str] = mapped_column(String(512))  # English, as the API tells it
    explanation_zh: Mapped[str | None] = mapped_column(String(512))  # NULL before it was kept
    seen_by: Mapped[str] = mapped_column(identifier(40))  # the claim of the run that saw it last
    handled_by: Mapped[str | None] = mapped_column(String(128))
    handled_at: Mapped[datetime | None]
    decision: Mapped[str | None] = mapped_column(String(512))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
