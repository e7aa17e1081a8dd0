"""Platform certificates, and the self-test of signing and encryption.

`GET /v3/certificates` and `POST /v3/security/echo`: what a merchant needs to check its own keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from partner.simulator import keys
from partner.simulator.clock import rfc3339
from partner.simulator.fields import Object, Text, parse_body
from partner.simulator.home import KeyRing
from partner.simulator.key_rings import KeyRings
from partner.simulator.merchants import Merchants, Provider
from partner.simulator.notifier import Notifier
from partner.simulator.order_fields import NOTIFY_URL
from partner.simulator.refusals import invalid_request, no_platform_certificate, param_error

ALGORITHM_TYPES: Final = ("RSA", "SM2", "ALL")
ECHO_BODY: Final = Object(
    {
        "echo_message": Text(1024, required=True),
        "notify_url": Text(255, pattern=NOTIFY_URL),
        "encrypted_echo_message": Text(1024),
    }
)


def certificates(ring: KeyRing, provider: Provider, query: dict[str, str]) -> dict[str, Any]:
    """Every platform certificate in force, sealed with the provider's API v3 key."""
    algorithm_type = query.get("algorithm_type", "RSA")
    if algorithm_type not in ALGORITHM_TYPES:
        message = "algorithm_type取值须为RSA、SM2、ALL"
        raise param_error(message, field="algorithm_type", value=algorithm_type, location="query")
    if provider.key_mode == "public_key" or algorithm_type == "SM2":
        raise no_platform_certificate()
    return {
        "data": [
            {
                "serial_no": one.serial,
                "effective_time": rfc3339(one.effective_at),
                "expire_time": rfc3339(one.expires_at),
                "encrypt_certificate": keys.seal_resource(
                    provider.api_v3_key, keys.certificate_pem(one.certificate), "certificate"
                ),
            }
            for one in ring.certificates
        ]
    }


def opened_field(ring: KeyRing, sealed: str, asked_serial: str | None, field: str) -> str:
    """A sensitive field's text; `asked_serial` is the Wechatpay-Serial it was sealed for. Refusal
    when it does not open."""
    if not asked_serial:
        raise invalid_request("请求中含有加密信息时，Http头Wechatpay-Serial为必填项")
    key = ring.by_serial(asked_serial)
    if key is None:
        raise param_error("平台证书序列号Wechatpay-Serial错误")
    try:
        return keys.open_field(key.private_key, sealed)
    except ValueError:
        raise param_error("平台私钥解密失败", field=field, value=sealed[:32]) from None


@dataclass(frozen=True)
class Echo:
    """The self-test: says back what it was told, sealed if it came sealed, and calls back if asked
    to."""

    rings: KeyRings
    merchants: Merchants
    notifier: Notifier

    def answer(
        self, provider: Provider, serial_no: str, asked: str | None, raw: bytes
    ) -> dict[str, Any]:
        """`serial_no` is the merchant certificate's, `asked` the request's Wechatpay-Serial."""
        body = parse_body(raw, ECHO_BODY)
        said = {"echo_message": body["echo_message"]}
        if "encrypted_echo_message" in body:
            sealed = body["encrypted_echo_message"]
            ring = self.rings.of(provider.sp_mchid)
            text = opened_field(ring, sealed, asked, "/encrypted_echo_message")
            key = self.merchants.public_key(provider, serial_no)
            if key is not None:
                said["encrypted_echo_message"] = keys.seal_field(key, text)
        if "notify_url" in body:
            self._call_back(provider, body, asked)
        return said

    def _call_back(self, provider: Provider, body: dict[str, Any], asked: str | None) -> None:
        self.notifier.announce(
            sp_mchid=provider.sp_mchid,
            sub_mchid=None,
            out_trade_no=None,
            event_type="SECURITY_ECHO.SUCCESS",
            original_type="security",
            summary="测试成功",
            notify_url=body["notify_url"],
            content={"mchid": provider.sp_mchid, "echo_message": body["echo_message"]},
            wants_public_key=asked == self.rings.of(provider.sp_mchid).public_key.serial,
        )
        self.notifier.wake()
