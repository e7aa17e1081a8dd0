"""Signatures we make, checked with the public key as WeChat Pay would."""

import base64
import re

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from partner.wechatpay.signing import Signer, new_nonce
from tests.partner.wechatpay.conftest import SERIAL_NO, SP_MCHID

VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60)
FIELDS = re.compile(r'(\w+)="([^"]*)"')


def is_signed_by(key: RSAPrivateKey, signature: str, message: bytes) -> bool:
    try:
        key.public_key().verify(base64.b64decode(signature), message, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


@settings(max_examples=50, deadline=None)
@given(method=st.sampled_from(["GET", "POST"]), target=VISIBLE, body=st.binary(max_size=200))
def test_every_authorization_verifies_over_the_documented_five_lines(
    merchant_key: RSAPrivateKey, method: str, target: str, body: bytes
) -> None:
    signer = Signer(SP_MCHID, SERIAL_NO, merchant_key, now=lambda: 1772337600.9)

    header = signer.authorization(method, "/" + target, body)

    scheme, _, rest = header.partition(" ")
    said = dict(FIELDS.findall(rest))
    lines = f"{method}\n/{target}\n1772337600\n{said['nonce_str']}\n".encode() + body + b"\n"
    assert scheme == "WECHATPAY2-SHA256-RSA2048"
    assert said["mchid"] == SP_MCHID
    assert said["serial_no"] == SERIAL_NO
    assert said["timestamp"] == "1772337600"
    assert is_signed_by(merchant_key, said["signature"], lines)


def test_no_two_signatures_share_a_nonce(merchant_key: RSAPrivateKey) -> None:
    signer = Signer(SP_MCHID, SERIAL_NO, merchant_key)

    headers = {signer.authorization("GET", "/v3/certificates", b"") for _ in range(20)}

    nonces = {dict(FIELDS.findall(header))["nonce_str"] for header in headers}
    assert len(nonces) == 20
    assert all(re.fullmatch(r"[0-9A-Za-z]{32}", nonce) for nonce in nonces)


def test_cashier_parameters_are_fresh_text_that_verifies(merchant_key: RSAPrivateKey) -> None:
    signer = Signer(SP_MCHID, SERIAL_NO, merchant_key, now=lambda: 1772337600.2)

    first = signer.pay_params("wxaaaa0000bbbb1111", "wx01")
    second = signer.pay_params("wxaaaa0000bbbb1111", "wx01")

    message = f"wxaaaa0000bbbb1111\n1772337600\n{first.nonceStr}\nprepay_id=wx01\n".encode()
    assert first.timeStamp == "1772337600"
    assert is_signed_by(merchant_key, first.paySign, message)
    assert first.nonceStr != second.nonceStr


def test_an_app_signs_the_bare_prepay_id_for_our_merchant_number(
    merchant_key: RSAPrivateKey,
) -> None:
    signer = Signer(SP_MCHID, SERIAL_NO, merchant_key, now=lambda: 1772337600.2)

    params = signer.app_pay_params("wxaaaa0000bbbb1111", "wx01")

    message = f"wxaaaa0000bbbb1111\n1772337600\n{params.noncestr}\nwx01\n".encode()
    assert is_signed_by(merchant_key, params.sign, message)
    assert params.as_dict() == {
        "appid": "wxaaaa0000bbbb1111",
        "partnerid": SP_MCHID,
        "prepayid": "wx01",
        "package": "Sign=WXPay",
        "noncestr": params.noncestr,
        "timestamp": "1772337600",
        "sign": params.sign,
    }


@pytest.mark.parametrize("mchid", ["", "16 00", 'x",serial_no="y', "1" * 33, "一"])
def test_a_merchant_number_that_would_break_the_header_is_refused(
    merchant_key: RSAPrivateKey, mchid: str
) -> None:
    with pytest.raises(ValueError, match="mchid"):
        Signer(mchid, SERIAL_NO, merchant_key)


@pytest.mark.parametrize("serial_no", ["", "AB:CD:EF:01", "A" * 41, "1234567\n"])
def test_a_serial_number_that_would_break_the_header_is_refused(
    merchant_key: RSAPrivateKey, serial_no: str
) -> None:
    with pytest.raises(ValueError, match="serial_no"):
        Signer(SP_MCHID, serial_no, merchant_key)


def test_nonces_do_not_repeat() -> None:
    assert len({new_nonce() for _ in range(1000)}) == 1000
