"""The words the doctor speaks: the links of the chain, who mends them, and what is missing.

Everything a person reads is there in Chinese and in English, side by side: the API answers in
English, pages and commands in the language of whoever reads them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from config.words import Words as Words


class Link(enum.StrEnum):
    """What must hold for a payment to come about, in the order in which it is needed."""

    PUBLIC_ADDRESS = "public_address"  # where WeChat Pay and payers reach us
    KEYS = "keys"
    CLOCK = "clock"
    CONNECTION = "connection"
    SP_MCHID = "sp_mchid"
    SP_APPID = "sp_appid"
    SUB_MCHID = "sub_mchid"  # the number, its standing and its relation to the provider
    SUB_APPID = "sub_appid"
    OPENID = "openid"
    OAUTH_DOMAIN = "oauth_domain"
    DIRECTORY = "directory"
    H5_DOMAIN = "h5_domain"
    PRODUCT = "product"  # the permission for a way to pay, for refunds or for bills
    RISK_CONTROL = "risk_control"
    RATE = "rate"
    # What is no part of the binding, and stops one order or refund only.
    REQUEST = "request"
    ORDER = "order"
    PAY_PARAMS = "pay_params"
    ENVIRONMENT = "environment"  # where the payer opened the page
    PAYER = "payer"
    BALANCE = "balance"
    BILL = "bill"
    WECHATPAY = "wechatpay"  # its own trouble, or a refusal nobody here knows yet


class Who(enum.StrEnum):
    """Who can mend it."""

    SERVICE_PROVIDER = "service_provider"
    SUB_MERCHANT = "sub_merchant"
    DEVELOPER = "developer"
    WECHATPAY_SUPPORT = "wechatpay_support"
    PAYER = "payer"

    @property
    def words(self) -> Words:
        """The same for people."""
        return _WHO[self]


_WHO = {
    Who.SERVICE_PROVIDER: Words("服务商的运营人员", "the service provider's operator"),
    Who.SUB_MERCHANT: Words("特约商户的超级管理员", "the sub-merchant's administrator"),
    Who.DEVELOPER: Words("接入的开发人员", "the developer of the integration"),
    Who.WECHATPAY_SUPPORT: Words("微信支付客服", "WeChat Pay's support"),
    Who.PAYER: Words("付款人", "the payer"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is missing: which link, in one sentence, who mends it, where, in how long."""

    name: str  # stable, one per row of the tables
    link: Link
    missing: Words
    who: Who
    where: Words
    how_long: Words

    def as_dict(self, language: str = "en") -> dict[str, str]:
        """What an API answer carries as `finding`; pages pass their own language."""
        return {
            "link": self.link.value,
            "missing": self.missing.in_language(language),
            "who": self.who.value,
            "where": self.where.in_language(language),
            "how_long": self.how_long.in_language(language),
        }
