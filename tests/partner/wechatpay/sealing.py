"""WeChat Pay's pen: signed headers and encrypted resources, made without the client's code."""

import base64
import json
import secrets

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from tests.partner.wechatpay.conftest import API_V3_KEY, PLATFORM_SERIAL

NOW = 1772337600
PAID = {
    "sp_appid": "wxaaaa0000bbbb1111",
    "sp_mchid": "1600000001",
    "sub_mchid": "1600000777",
    "out_trade_no": "T20260301-000042",
    "transaction_id": "4200000000202603010000000001",
    "trade_type": "JSAPI",
    "trade_state": "SUCCESS",
    "trade_state_desc": "支付成功",
    "bank_type": "OTHERS",
    "attach": "tenant=7",
    "success_time": "2026-03-01T12:01:02+08:00",
    "payer": {"sp_openid": "oAAAAbbbbCCCCddddEEEEffff0001"},
    "amount": {"total": 1880, "payer_total": 1780, "currency": "CNY", "payer_currency": "CNY"},
    "promotion_detail": [{"coupon_id": "100001", "amount": 100}],
}


def json_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(key: RSAPrivateKey, body: bytes, timestamp: int = NOW) -> dict[str, str]:
    nonce = secrets.token_hex(16)
    message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
    return {
        "Wechatpay-Timestamp": str(timestamp),
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Signature": base64.b64encode(key.sign(message, PKCS1v15(), SHA256())).decode(),
        "Wechatpay-Serial": PLATFORM_SERIAL,
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def sealed(
    plaintext: bytes, *, key: bytes = API_V3_KEY, associated_data: str | None = "transaction"
) -> dict[str, str]:
    nonce = secrets.token_hex(6)
    additional = associated_data.encode() if associated_data else None
    ciphertext = AESGCM(key).encrypt(nonce.encode(), plaintext, additional)
    resource = {
        "algorithm": "AEAD_AES_256_GCM",
        "ciphertext": base64.b64encode(ciphertext).decode(),
        "nonce": nonce,
    }
    return resource if associated_data is None else resource | {"associated_data": associated_data}


def envelope(sealed_resource: dict[str, str], /, **changes: object) -> bytes:
    return json_bytes(
        {
            "id": "5f3c0000-0000-5000-8000-000000000001",
            "create_time": "2026-03-01T12:01:03+08:00",
            "resource_type": "encrypt-resource",
            "event_type": "TRANSACTION.SUCCESS",
            "summary": "支付成功",
            "resource": {"original_type": "transaction", **sealed_resource},
        }
        | changes
    )
