"""Opening and sealing beyond what the published samples show."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from partner.wechatpay.ciphers import open_field, open_resource, seal_field
from partner.wechatpay.errors import Undecryptable
from tests.partner.wechatpay.conftest import API_V3_KEY
from tests.partner.wechatpay.sealing import sealed


@settings(max_examples=50, deadline=None)
@given(plaintext=st.binary(max_size=300))
def test_what_wechat_pay_seals_with_our_key_opens(plaintext: bytes) -> None:
    resource = sealed(plaintext)

    opened = open_resource(
        [b"x" * 32, API_V3_KEY],
        resource["nonce"],
        resource["associated_data"],
        resource["ciphertext"],
    )

    assert opened == plaintext


@pytest.mark.parametrize("keys", [[], [b"short"], [b"x" * 32]])
def test_without_the_right_key_nothing_opens(keys: list[bytes]) -> None:
    resource = sealed(b"secret")

    with pytest.raises(Undecryptable):
        open_resource(keys, resource["nonce"], "transaction", resource["ciphertext"])


@settings(max_examples=20, deadline=None)
@given(text=st.text(max_size=50))
def test_a_sealed_field_opens_for_its_owner_only(
    merchant_key: RSAPrivateKey, strange_key: RSAPrivateKey, text: str
) -> None:
    ciphertext = seal_field(merchant_key.public_key(), text)

    assert open_field(merchant_key, ciphertext) == text
    with pytest.raises(Undecryptable):
        open_field(strange_key, ciphertext)


def test_a_field_longer_than_the_key_can_take_is_refused(merchant_key: RSAPrivateKey) -> None:
    assert seal_field(merchant_key.public_key(), "x" * 214)

    with pytest.raises(ValueError, match=r".+"):
        seal_field(merchant_key.public_key(), "x" * 215)


@pytest.mark.parametrize("ciphertext", ["", "!", "密", base64.b64encode(b"x" * 256).decode()])
def test_a_field_that_was_never_sealed_does_not_open(
    merchant_key: RSAPrivateKey, ciphertext: str
) -> None:
    with pytest.raises(Undecryptable):
        open_field(merchant_key, ciphertext)
