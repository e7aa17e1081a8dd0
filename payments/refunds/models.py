"""Refunds, and the tasks they leave to people.

`out_refund_no` is minted here before WeChat Pay hears of the refund and never changes: WeChat Pay
pays one number back once, so a repeat is safe and a new number is a second refund.
"""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text
from submerchants.tenancy import TenantOwned


class RefundState(enum.StrEnum):
    """Our view of a refund; WeChat Pay's own word is `status`."""

    REQUESTED = "REQUESTED"  # reserved; WeChat Pay may or may not have heard of it
    PROCESSING = "PROCESSING"
    SUCCEEDED = "SUCCEEDED"
    ABNORMAL = "ABNORMAL"  # the payer's card takes no money; somebody must say where it goes
    CLOSED = "CLOSED"  # nothing was given back, and the reserve is free again


class RefundOrigin(enum.StrEnum):
    """Who asked for it."""

    HERE = "HERE"
    ELSEWHERE = "ELSEWHERE"  # the merchant platform, or another system; WeChat Pay told us of it


class Waiting(enum.StrEnum):
    """Why a requested refund has not gone to WeChat Pay, or has to go again."""

    MINUTE = "MINUTE"  # refunds of one order lie a minute apart
    FUNDS = "FUNDS"  # the sub-merchant's balance is short
    ANSWER = "ANSWER"  # the outcome of the last call is unknown
    PACE = "PACE"  # WeChat Pay takes no more requests just now


class Refund(TenantOwned, Base):
    """Money of one order on its way back to the payer."""

    __tablename__ = "refunds"
    __table_args__ = (
        UniqueConstraint("sub_merchant_id", "merchant_refund_no"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        Index("ix_refunds_tenant_created", "sub_merchant_id", "created_at", "id", "state"),
        Index("ix_refunds_created", "created_at", "id"),
        Index("ix_refunds_state_created", "state", "created_at", "id"),
        Index("ix_refunds_tenant_accepted", "sub_merchant_id", "accepted_at"),
        Index("ix_refunds_due", "next_check_at"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"), index=True)
    # The sub-merchant's number. One that was made elsewhere has none of ours: it carries its
    # `out_refund_no` here too.
    merchant_refund_no: Mapped[str] = mapped_column(identifier(64))
    out_refund_no: Mapped[str] = mapped_column(identifier(64), unique=True)  # sent upstream
    refund_id: Mapped[str | None] = mapped_column(identifier(32), unique=True)
    origin: Mapped[RefundOrigin]
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    sp_mchid: Mapped[str] = mapped_column(identifier(32))
    sub_mchid: Mapped[str] = mapped_column(identifier(32))
    out_trade_no: Mapped[str] = mapped_column(identifier(32))
    transaction_id: Mapped[str | None] = mapped_column(identifier(32))
    state: Mapped[RefundState]
    status: Mapped[str | None] = mapped_column(String(32))  # WeChat Pay's word
    waiting: Mapped[Waiting | None]
    amount_fen: Mapped[int]
    total_fen: Mapped[int]  # of the order
    currency: Mapped[str] = mapped_column(identifier(3))
    payer_refund_fen: Mapped[int | None]  # less than `amount_fen` where coupons paid a part
    reason: Mapped[str | None] = mapped_column(String(80))
    received_by: Mapped[str | None] = mapped_column(String(64))  # WeChat Pay's text on the account
    request_hash: Mapped[str] = mapped_column(identifier(64))  # what makes two requests the same
    request_body: Mapped[str | None] = mapped_column(long_text())  # exactly as it is sent
    last_refusal: Mapped[str | None] = mapped_column(long_text())  # WeChat Pay's last no, as JSON
    asked_at: Mapped[datetime | None]  # when WeChat Pay was last asked to give the money back
    # The newest request that never got an answer. It may have arrived, or still be on its way.
    unanswered_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]  # WeChat Pay's create_time: the day of its bill row
    succeeded_at: Mapped[datetime | None]  # WeChat Pay's success_time
    closed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    next_check_at: Mapped[datetime | None]  # when the sweep asks next
    checks: Mapped[int] = mapped_column(default=0)  # only grows: whoever raises it may send


class RefundTask(TenantOwned, Base):
    """An abnormal refund that waits for a person to say where the money goes."""

    __tablename__ = "refund_tasks"
    __table_args__ = (Index("ix_refund_tasks_settled_opened", "settled_at", "opened_at"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    refund_id: Mapped[str] = mapped_column(ForeignKey("refunds.id"), index=True)
    opened_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]  # when somebody last asked WeChat Pay to send it elsewhere
    applied_type: Mapped[str | None] = mapped_column(String(32))  # WeChat Pay's word for where to
    settled_at: Mapped[datetime | None]
