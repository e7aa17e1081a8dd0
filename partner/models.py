"""Who we are to WeChat Pay: provider accounts, their appids, keys and provider-wide directories.

Everything that can be replaced is versioned: a new key is added beside the old one, and the old one
stays readable until what was sealed or signed with it has run out.
"""

from __future__ import annotations

import enum
from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from config.database import Base, identifier, long_text
from config.vault import Sealed


class BillScope(enum.StrEnum):
    """How a provider's trade bills are fetched."""

    PROVIDER = "PROVIDER"  # one download a day, split by sub_mchid here
    SUB_MERCHANT = "SUB_MERCHANT"  # one download a day for each sub-merchant


class KeyState(enum.StrEnum):
    """Whether a credential is in use."""

    ACTIVE = "ACTIVE"  # signs, or decrypts first
    PREVIOUS = "PREVIOUS"  # still opens what was sealed before the change
    RETIRED = "RETIRED"  # kept for the record only


class WeChatPayKeyKind(enum.StrEnum):
    """The two ways WeChat Pay identifies itself, side by side while it switches."""

    PUBLIC_KEY = "PUBLIC_KEY"  # named by a PUB_KEY_ID_…, without expiry
    CERTIFICATE = "CERTIFICATE"  # named by its serial number, rotated by WeChat Pay


class Partner(Base):
    """One service provider number and its settlement currency."""

    __tablename__ = "partners"

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    sp_mchid: Mapped[str] = mapped_column(identifier(32), unique=True)
    name: Mapped[str] = mapped_column(String(128))
    currency: Mapped[str] = mapped_column(identifier(3))
    bill_scope: Mapped[BillScope]
    appid_limit: Mapped[int]  # how many appids WeChat Pay lets this number bind
    key_revision: Mapped[int]  # grows with every change of keys, so that processes notice
    created_at: Mapped[datetime]


class PartnerAppid(Base):
    """An appid bound to a provider number; the first one is the default."""

    __tablename__ = "partner_appids"
    __table_args__ = (UniqueConstraint("partner_id", "sp_appid"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    sp_appid: Mapped[str] = mapped_column(identifier(32))
    position: Mapped[int]
    app_secret_sealed: Mapped[str | None] = mapped_column(long_text())  # to learn openids with

    app_secret = Sealed("app_secret_sealed")


class MerchantKey(Base):
    """A merchant API private key and the serial number of its certificate."""

    __tablename__ = "merchant_keys"
    __table_args__ = (UniqueConstraint("partner_id", "serial_no"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    serial_no: Mapped[str] = mapped_column(identifier(40))
    private_key_sealed: Mapped[str | None] = mapped_column(long_text())
    certificate_pem: Mapped[str | None] = mapped_column(long_text())
    expires_at: Mapped[datetime | None]
    state: Mapped[KeyState]
    created_at: Mapped[datetime]

    private_key = Sealed("private_key_sealed")


class ApiV3Key(Base):
    """A 32-character API v3 key; the previous one still opens what is on its way."""

    __tablename__ = "api_v3_keys"

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"), index=True)
    key_sealed: Mapped[str | None] = mapped_column(long_text())
    state: Mapped[KeyState]
    created_at: Mapped[datetime]

    key = Sealed("key_sealed")


class WeChatPayKey(Base):
    """A key WeChat Pay signs with: its public key, or one of its platform certificates."""

    __tablename__ = "wechatpay_keys"
    __table_args__ = (UniqueConstraint("partner_id", "serial"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    kind: Mapped[WeChatPayKeyKind]
    serial: Mapped[str] = mapped_column(identifier(64))  # what Wechatpay-Serial says
    pem: Mapped[str] = mapped_column(long_text())
    effective_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class RefreshState(enum.StrEnum):
    """What the last download of a provider's platform certificates came to."""

    NEVER = "NEVER"
    DONE = "DONE"
    PUBLIC_KEY_ONLY = "PUBLIC_KEY_ONLY"  # WeChat Pay keeps no certificates for this number
    FAILED = "FAILED"  # the set from before is still in use


class PlatformKeyRefresh(Base):
    """When a provider's platform certificates were last asked for; one row a provider."""

    __tablename__ = "platform_key_refreshes"

    id: Mapped[str] = mapped_column(ForeignKey("partners.id"), primary_key=True)
    asked_at: Mapped[datetime | None]  # a message named a key we do not hold
    tried_at: Mapped[datetime | None]
    refreshed_at: Mapped[datetime | None]  # the last download that went well
    state: Mapped[RefreshState]
    problem: Mapped[str] = mapped_column(String(255))


class PartnerDirectory(Base):
    """A payment directory in force for all sub-merchants of a provider."""

    __tablename__ = "partner_directories"
    __table_args__ = (UniqueConstraint("partner_id", "url"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    partner_id: Mapped[str] = mapped_column(ForeignKey("partners.id"))
    url: Mapped[str] = mapped_column(identifier(255))
    set_at: Mapped[datetime]
