"""Providers: a dull one, and the one the simulator knows."""

from __future__ import annotations

import itertools
import secrets
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from config.clock import now
from config.database import transaction
from config.identifiers import new_id
from config.vault import Secret
from partner.models import (
    ApiV3Key,
    BillScope,
    KeyState,
    MerchantKey,
    Partner,
    PartnerAppid,
    WeChatPayKey,
    WeChatPayKeyKind,
)
from partner.refresh_requests import new_refresh_row
from partner.simulator.simulator import Simulator

_numbers = itertools.count(1)


@cache
def private_key_pem() -> str:
    """A real key, made once: making one costs more than most tests."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


@cache
def public_key_pem() -> str:
    """The public half of another real key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def make_partner(
    *,
    sp_mchid: str | None = None,
    sp_appid: str | None = None,
    serial_no: str | None = None,
    private_key: str | None = None,
    api_v3_key: str | None = None,
    wechatpay_keys: dict[str, str] | None = None,
    **fields: Any,
) -> Partner:
    """A saved provider that can sign and open; `wechatpay_keys` maps serials to PEM texts."""
    number = next(_numbers)
    partner = Partner(
        **{
            "id": new_id("prt"),
            "sp_mchid": sp_mchid or f"19{number:08}",
            "name": f"服务商{number}",
            "currency": "CNY",
            "bill_scope": BillScope.PROVIDER,
            "appid_limit": 3,
            "key_revision": 1,
            "created_at": now(),
            **fields,
        }
    )
    children = [
        PartnerAppid(
            id=new_id("pap"),
            partner_id=partner.id,
            sp_appid=sp_appid or f"wx{number:016}",
            position=0,
        ),
        _merchant_key(partner, serial_no or secrets.token_hex(20).upper(), private_key),
        _api_v3_key(partner, api_v3_key),
        new_refresh_row(partner.id),
        *(
            _wechatpay_key(partner, serial, pem)
            for serial, pem in (wechatpay_keys or {"PUB_KEY_ID_1": public_key_pem()}).items()
        ),
    ]
    with transaction() as session:
        session.add(partner)
        session.flush()
        session.add_all(children)
    return partner


class WeChatPaySide(Protocol):
    """A simulator, in this process or in another: what it told of itself, and its folder."""

    @property
    def facts(self) -> dict[str, Any]: ...

    @property
    def home(self) -> Path: ...


def make_partner_of(simulator: WeChatPaySide, **fields: Any) -> Partner:
    """The provider this simulator knows, with both kinds of WeChat Pay's keys."""
    facts, home = simulator.facts, simulator.home
    return make_partner(
        sp_mchid=facts["sp_mchid"],
        sp_appid=facts["sp_appid"],
        serial_no=facts["serial_no"],
        private_key=(home / "apiclient_key.pem").read_text(),
        api_v3_key=(home / "api_v3_key").read_text(),
        wechatpay_keys={
            facts["platform_serial_no"]: (home / "platform_cert.pem").read_text(),
            facts["wechatpay_public_key_id"]: (home / "wechatpay_public_key.pem").read_text(),
        },
        **fields,
    )


def make_further_partner(simulator: Simulator) -> Partner:
    """A second provider, known to the simulator too, with WeChat Pay's keys for it alone."""
    serial_no, api_v3_key = secrets.token_hex(20).upper(), secrets.token_hex(16)
    told = simulator.register(
        sp_mchid="1900000801",
        sp_appid="wx7a51c0ffee000801",
        serial_no=serial_no,
        public_key_pem=_public_pem(private_key_pem()),
        api_v3_key=api_v3_key,
    ).told()
    return make_partner(
        sp_mchid="1900000801",
        sp_appid="wx7a51c0ffee000801",
        serial_no=serial_no,
        api_v3_key=api_v3_key,
        wechatpay_keys={
            told["platform_serial_no"]: told["platform_certificate_pem"],
            told["wechatpay_public_key_id"]: told["wechatpay_public_key_pem"],
        },
    )


def _public_pem(private_pem: str) -> str:
    key = serialization.load_pem_private_key(private_pem.encode(), None).public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def _merchant_key(partner: Partner, serial_no: str, pem: str | None) -> MerchantKey:
    row = MerchantKey(
        id=new_id("mky"),
        partner_id=partner.id,
        serial_no=serial_no,
        certificate_pem=None,
        expires_at=None,
        state=KeyState.ACTIVE,
        created_at=now(),
    )
    row.private_key = Secret(pem or private_key_pem())
    return row


def _api_v3_key(partner: Partner, text: str | None) -> ApiV3Key:
    row = ApiV3Key(id=new_id("av3"), partner_id=partner.id, state=KeyState.ACTIVE, created_at=now())
    row.key = Secret(text or secrets.token_hex(16))
    return row


def _wechatpay_key(partner: Partner, serial: str, pem: str) -> WeChatPayKey:
    is_public_key = serial.startswith("PUB_KEY_ID_")
    return WeChatPayKey(
        id=new_id("wpk"),
        partner_id=partner.id,
        kind=WeChatPayKeyKind.PUBLIC_KEY if is_public_key else WeChatPayKeyKind.CERTIFICATE,
        serial=serial,
        pem=pem,
        effective_at=None,
        expires_at=None,
        created_at=now(),
    )
