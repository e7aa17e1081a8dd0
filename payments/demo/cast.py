"""Who appears in the demo: the simulator's provider, its sub-merchants, their people and keys.

Passwords and keys are made here and exist outside the database only in what `demo load` prints.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from config.vault import Secret
from partner import directories as provider_directories
from partner.credentials import add_partner
from partner.models import Partner
from partner.operators.add import add_operator
from partner.operators.roles import OperatorRole
from partner.platform_keys import refresh
from payments.demo.levers import Levers
from submerchants.api_keys.issue import issue_key
from submerchants.directories import configure as own_directories
from submerchants.permissions import Permission
from submerchants.staff.add import add_staff_member
from submerchants.staff.roles import StaffRole
from submerchants.tenants.bindings import Appid
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.register import register_sub_merchant

OPERATOR_EMAIL: Final = "operator@demo.example"
PROVIDER_NAME: Final = "云帆收银服务商"
PROVIDER_PAGES: Final = "https://pay.demo.example/checkout/"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A sub-merchant of the demo and what opens its doors."""

    sub_merchant: SubMerchant
    sub_appid: str
    api_key: str
    email: str
    password: str

    def as_dict(self) -> dict[str, object]:
        return {
            "sub_mchid": self.sub_merchant.sub_mchid,
            "sub_appid": self.sub_appid,
            "name": self.sub_merchant.name,
            "api_key": self.api_key,
            "staff": {"email": self.email, "password": self.password},
        }


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody."""

    partner: Partner
    tenants: tuple[Tenant, ...]
    operator: dict[str, str]


def assemble(levers: Levers) -> Cast:
    """Register everybody. Raises PartnerExists when the demo is already there."""
    facts = levers.facts
    partner = add_partner(
        sp_mchid=facts["sp_mchid"],
        name=PROVIDER_NAME,
        currency="CNY",
        sp_appids=[facts["sp_appid"]],
        private_key_pem=Secret(levers.file("apiclient_key.pem")),
        certificate_pem=levers.file("apiclient_cert.pem"),
        api_v3_key=Secret(levers.file("api_v3_key").strip()),
        wechatpay_public_key_pem=levers.file("wechatpay_public_key.pem"),
        wechatpay_public_key_id=facts["wechatpay_public_key_id"],
    )
    refresh(partner)
    provider_directories.add_directory(partner=partner, url=PROVIDER_PAGES)
    tenants = [
        _tenant(partner, number, **sub) for number, sub in enumerate(facts["sub_merchants"], 1)
    ]
    return Cast(partner, tuple(tenants), _operator())


def _tenant(partner: Partner, number: int, *, sub_mchid: str, sub_appid: str, name: str) -> Tenant:
    sub_merchant = register_sub_merchant(
        partner=partner, sub_mchid=sub_mchid, name=name, sub_appids=[Appid(sub_appid)]
    )
    pages = f"https://shop{number}.demo.example/pay/"
    own_directories.add_directory(sub_merchant=sub_merchant, url=pages)
    issued = issue_key(sub_merchant=sub_merchant, scopes=list(Permission), label="demo")
    email, password = f"shop{number}@demo.example", _password()
    add_staff_member(
        sub_merchant=sub_merchant, email=email, password=Secret(password), role=StaffRole.OWNER
    )
    return Tenant(sub_merchant, sub_appid, issued.key.reveal(), email, password)


def _operator() -> dict[str, str]:
    password = _password()
    new = add_operator(email=OPERATOR_EMAIL, password=Secret(password), role=OperatorRole.ADMIN)
    return {
        "email": OPERATOR_EMAIL,
        "password": password,
        "totp_secret": new.totp_secret.reveal(),
    }


def _password() -> str:
    return secrets.token_urlsafe(15)
