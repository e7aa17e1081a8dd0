"""A sub-merchant's own payment directories; provider-wide ones are on the provider's floor."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier
from submerchants.tenancy import TenantOwned


class PaymentDirectory(TenantOwned, Base):
    """One directory as it stands at WeChat Pay for this sub-merchant."""

    __tablename__ = "payment_directories"
    __table_args__ = (UniqueConstraint("sub_merchant_id", "url"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    url: Mapped[str] = mapped_column(identifier(255))
    set_at: Mapped[datetime]  # in force five minutes later
