"""Checkout links: what a sub-merchant hands to a payer, before it is known who pays."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text
from config.vault import Sealed
from submerchants.tenancy import TenantOwned


class CheckoutLink(TenantOwned, Base):
    """One thing to be paid for through a page of ours; its order is placed once the payer is known.

    A payer cannot take over what was opened for another, so a link may come to several orders one
    after the other. Only the newest is ever payable, and the first one paid ends the link.
    """

    __tablename__ = "checkout_links"
    __table_args__ = (
        UniqueConstraint("sub_merchant_id", "merchant_order_no"),
        CheckConstraint("amount_fen > 0", name="amount_positive"),
        Index("ix_checkout_links_tenant_created", "sub_merchant_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    token_hash: Mapped[str] = mapped_column(identifier(64), unique=True)  # found by this
    token_sealed: Mapped[str | None] = mapped_column(long_text())  # shown again from this
    merchant_order_no: Mapped[str] = mapped_column(identifier(64))
    request_hash: Mapped[str] = mapped_column(identifier(64))
    description: Mapped[str] = mapped_column(String(127))
    amount_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(identifier(3))
    attach: Mapped[str | None] = mapped_column(String(128))
    profit_sharing: Mapped[bool | None]
    appid: Mapped[str] = mapped_column(identifier(32))  # whose openid pays
    is_sub_appid: Mapped[bool]
    order_id: Mapped[str | None] = mapped_column(ForeignKey("orders.id"))  # the newest one
    attempts: Mapped[int] = mapped_column(default=0)  # orders placed for it
    asked_at: Mapped[datetime | None]  # when WeChat Pay was last asked for a waiting page
    problem: Mapped[str | None] = mapped_column(long_text())  # why nobody could pay, as JSON
    expires_at: Mapped[datetime]
    cancelled_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

    token = Sealed("token_sealed")


class CheckoutAttempt(TenantOwned, Base):
    """One payer's turn at a link, with a number of its own; the highest one is in force."""

    __tablename__ = "checkout_attempts"
    __table_args__ = (UniqueConstraint("link_id", "number"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    link_id: Mapped[str] = mapped_column(ForeignKey("checkout_links.id"))
    number: Mapped[int]  # 1 for the first payer
    openid: Mapped[str] = mapped_column(identifier(128))
    order_id: Mapped[str | None] = mapped_column(ForeignKey("orders.id"), unique=True)
    superseded_at: Mapped[datetime | None]  # another payer asked for the turn; its order goes
    created_at: Mapped[datetime]


class CheckoutVisit(TenantOwned, Base):
    """A payer who came back from WeChat's sign-in: each answer of it counts once."""

    __tablename__ = "checkout_visits"
    __table_args__ = (Index("ix_checkout_visits_browser", "link_id", "browser_hash"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    link_id: Mapped[str] = mapped_column(ForeignKey("checkout_links.id"))
    state_hash: Mapped[str] = mapped_column(identifier(64), unique=True)
    browser_hash: Mapped[str] = mapped_column(identifier(64))
    openid: Mapped[str | None] = mapped_column(identifier(128))  # NULL until WeChat named it
    ends_at: Mapped[datetime] = mapped_column(index=True)  # who it was is forgotten then
    created_at: Mapped[datetime]
