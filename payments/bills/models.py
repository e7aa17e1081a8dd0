"""Bills: what was downloaded, and each sub-merchant's share of it.

A download belongs to the provider and is kept as it came; nothing but the division reads it. The
share is the tenant's own, so that whatever shows or compares a bill cannot even see another's rows.
Files are kept in the database, in compressed parts, so that every process and machine reads them.
"""

from __future__ import annotations

import enum
from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text
from payments.bills.faults import StrayReason
from submerchants.tenancy import TenantOwned

ALL_TRADE = "ALL"  # payments and refunds: the bill_type that is fetched and reconciled
WHOLE_PROVIDER = ""  # the scope of a download that holds every sub-merchant of a provider

_part = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")


class DownloadState(enum.StrEnum):
    """How far the bill of one provider, or of one sub-merchant, and day has come."""

    WAITING = "WAITING"  # to be asked for, at once or at next_try_at
    NOT_READY = "NOT_READY"  # WeChat Pay is still writing it; asked again at next_try_at
    EMPTY = "EMPTY"  # WeChat Pay says that nothing was traded that day
    STORED = "STORED"  # here, and its digest is right; not divided yet
    DIVIDED = "DIVIDED"  # every sub-merchant has its share
    REFUSED = "REFUSED"  # the file contradicts itself; kept for a person
    FAILED = "FAILED"  # WeChat Pay will not hand it out; a person must look


class TradeBillState(enum.StrEnum):
    """What a sub-merchant has of a day."""

    NOT_READY = "NOT_READY"
    READY = "READY"
    EMPTY = "EMPTY"


class BillDownload(Base):
    """The bill of one day as WeChat Pay gave it, and the right to fetch it."""

    __tablename__ = "bill_downloads"
    __table_args__ = (
        UniqueConstraint("partner_id", "scope", "bill_date", "bill_type"),
        Index("ix_bill_downloads_date", "bill_date", "state"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    scope: Mapped[str] = mapped_column(identifier(32))  # a sub_mchid, or WHOLE_PROVIDER
    bill_date: Mapped[date]  # a Beijing day
    bill_type: Mapped[str] = mapped_column(String(16))
    state: Mapped[DownloadState]
    claim_token: Mapped[str | None] = mapped_column(identifier(40))  # who works on it
    claimed_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    hash_value: Mapped[str | None] = mapped_column(identifier(64))  # SHA1, as announced and counted
    parts_token: Mapped[str | None] = mapped_column(identifier(40))  # names the parts that count
    byte_count: Mapped[int] = mapped_column(default=0)
    row_count: Mapped[int] = mapped_column(default=0)
    stray_count: Mapped[int] = mapped_column(default=0)
    summary: Mapped[str | None] = mapped_column(long_text())  # JSON: the figures the file states
    refusal: Mapped[str | None] = mapped_column(long_text())  # why it is not used, or not here
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class BillDownloadPart(Base):
    """A piece of the original, compressed."""

    __tablename__ = "bill_download_parts"

    download_id: Mapped[str] = mapped_column(ForeignKey("bill_downloads.id"), primary_key=True)
    token: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    content: Mapped[bytes] = mapped_column(_part)


class BillStray(Base):
    """A line of a download that is no tenant's. Only operators see it."""

    __tablename__ = "bill_strays"
    __table_args__ = (
        UniqueConstraint("download_id", "line_no"),
        Index("ix_bill_strays_number", "number"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    download_id: Mapped[str] = mapped_column(ForeignKey("bill_downloads.id"))
    line_no: Mapped[int]  # counted from 1, after the header
    reason: Mapped[StrayReason]
    sub_mchid: Mapped[str] = mapped_column(String(64))  # as the line names it, when it can be read
    number: Mapped[str | None] = mapped_column(identifier(64))  # of the payment or refund
    line: Mapped[str] = mapped_column(long_text())
    created_at: Mapped[datetime]


class TradeBill(TenantOwned, Base):
    """One sub-merchant's share of one day's bill."""

    __tablename__ = "trade_bills"
    __table_args__ = (
        UniqueConstraint("sub_merchant_id", "bill_date", "bill_type"),
        Index("ix_trade_bills_partner_date", "partner_id", "bill_date"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    bill_date: Mapped[date]
    bill_type: Mapped[str] = mapped_column(String(16))
    state: Mapped[TradeBillState]
    token: Mapped[str | None] = mapped_column(identifier(40))  # the division whose parts count
    header: Mapped[str | None] = mapped_column(long_text())
    summary_header: Mapped[str | None] = mapped_column(long_text())
    row_count: Mapped[int] = mapped_column(default=0)
    settled_fen: Mapped[int] = mapped_column(default=0)
    refund_fen: Mapped[int] = mapped_column(default=0)
    voucher_refund_fen: Mapped[int] = mapped_column(default=0)
    fee_units: Mapped[int] = mapped_column(default=0)  # hundred-thousandths of a yuan, signed
    order_fen: Mapped[int] = mapped_column(default=0)
    requested_refund_fen: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    ready_at: Mapped[datetime | None]


class TradeBillPart(TenantOwned, Base):
    """Some of a share's lines, compressed twice over: to compare (`entries`), and to hand out."""

    __tablename__ = "trade_bill_parts"

    bill_id: Mapped[str] = mapped_column(ForeignKey("trade_bills.id"), primary_key=True)
    token: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    entries: Mapped[bytes] = mapped_column(_part)  # before the larger column: read far more often
    lines: Mapped[bytes] = mapped_column(_part)
