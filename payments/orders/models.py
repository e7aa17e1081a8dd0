"""Orders.

`out_trade_no` is minted here before WeChat Pay hears of the order and never changes: every repeat
of a call is the same order there. `place_body` is the exact request, because WeChat Pay takes a
repeat only when nothing in it differs.
"""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, column
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text
from submerchants.tenancy import TenantOwned


class OrderState(enum.StrEnum):
    """Our view of an order; WeChat Pay's own word is `trade_state`."""

    CREATED = "CREATED"  # recorded; WeChat Pay may or may not have heard of it
    PENDING = "PENDING"  # WeChat Pay holds it open for the payer
    PAID = "PAID"
    CLOSED = "CLOSED"


class TradeType(enum.StrEnum):
    """How the payer reaches the cashier, in WeChat Pay's words."""

    JSAPI = "JSAPI"  # a page or a mini program inside WeChat
    NATIVE = "NATIVE"  # a QR code the payer scans
    MWEB = "MWEB"  # H5: a page in another browser, which calls WeChat up
    APP = "APP"
    MICROPAY = "MICROPAY"  # payment code: the shop scans the payer


def _of_those_with(moment: str, name: str, *columns: str) -> Index:
    """An index without the orders that have no such moment, where a database can leave them out.

    Each index that an order is not in makes writing it cheaper.
    """
    is_there = column(moment).is_not(None)
    return Index(name, *columns, sqlite_where=is_there, postgresql_where=is_there)


class Order(TenantOwned, Base):
    """One thing a sub-merchant asks to be paid for."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("sub_merchant_id", "merchant_order_no"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        CheckConstraint(
            "refunded_fen >= 0 AND refunded_fen <= amount_fen", name="refunded_within_amount"
        ),
        # Lists are filtered by state within the index, and a day is summed from it alone.
        Index("ix_orders_tenant_created", "sub_merchant_id", "created_at", "id", "state"),
        Index("ix_orders_created", "created_at", "id"),
        Index("ix_orders_state_created", "state", "created_at", "id"),
        _of_those_with(
            "paid_at", "ix_orders_tenant_paid", "sub_merchant_id", "paid_at", "amount_fen"
        ),
        _of_those_with("paid_at", "ix_orders_paid", "paid_at", "amount_fen"),
        _of_those_with("next_check_at", "ix_orders_due", "next_check_at"),
        _of_those_with("reversed_at", "ix_orders_reversed", "reversed_at"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    merchant_order_no: Mapped[str] = mapped_column(identifier(64))  # the sub-merchant's number
    out_trade_no: Mapped[str] = mapped_column(identifier(32), unique=True)  # ours, sent upstream
    transaction_id: Mapped[str | None] = mapped_column(identifier(32), unique=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    sp_mchid: Mapped[str] = mapped_column(identifier(32))
    sub_mchid: Mapped[str] = mapped_column(identifier(32))
    sp_appid: Mapped[str] = mapped_column(identifier(32))
    sub_appid: Mapped[str | None] = mapped_column(identifier(32))
    trade_type: Mapped[TradeType]
    state: Mapped[OrderState]
    trade_state: Mapped[str | None] = mapped_column(String(32))  # WeChat Pay's word
    description: Mapped[str] = mapped_column(String(127))
    amount_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(identifier(3))
    payer_total_fen: Mapped[int | None]
    refunded_fen: Mapped[int] = mapped_column(default=0)  # what refunds have given back
    # All that is asked for, under way, given back or stuck: what no further refund may take.
    refund_reserved_fen: Mapped[int] = mapped_column(default=0, server_default="0")
    refund_count: Mapped[int] = mapped_column(default=0, server_default="0")
    last_refund_at: Mapped[datetime | None]  # when the newest one may go to WeChat Pay
    sp_openid: Mapped[str | None] = mapped_column(identifier(128))
    sub_openid: Mapped[str | None] = mapped_column(identifier(128))
    bank_type: Mapped[str | None] = mapped_column(String(32))
    attach: Mapped[str | None] = mapped_column(String(128))
    request_hash: Mapped[str] = mapped_column(identifier(64))  # what makes two requests the same
    place_body: Mapped[str] = mapped_column(long_text())
    prepay_id: Mapped[str | None] = mapped_column(identifier(64))
    code_url: Mapped[str | None] = mapped_column(String(512))  # NATIVE: what the QR code says
    h5_url: Mapped[str | None] = mapped_column(String(512))  # MWEB: where the browser goes
    redirect_url: Mapped[str | None] = mapped_column(String(512))  # MWEB: where it comes back to
    prepaid_at: Mapped[datetime | None]  # how long each of them lives is counted from here
    last_refusal: Mapped[str | None] = mapped_column(long_text())  # WeChat Pay's last no, as JSON
    expires_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]  # WeChat Pay's success_time; NULL until it said so
    closed_at: Mapped[datetime | None]
    reversal_asked_at: Mapped[datetime | None]  # MICROPAY: a paid order is being given back since
    reversed_at: Mapped[datetime | None]  # and when WeChat Pay had agreed to it
    created_at: Mapped[datetime]
    next_check_at: Mapped[datetime | None]  # when the sweep asks next; NULL when nothing is open
    checks: Mapped[int] = mapped_column(default=0)
