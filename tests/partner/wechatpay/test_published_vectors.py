"""Every published sample that concerns the client, through the code that serves."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from partner.wechatpay import signing
from partner.wechatpay.ciphers import open_field, open_resource, seal_field
from partner.wechatpay.errors import Undecryptable, Untrusted
from partner.wechatpay.notifications import read_envelope
from partner.wechatpay.resources.certificates import read_certificates
from partner.wechatpay.signing import Signer
from partner.wechatpay.verification import Verifier, signed_message

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors" / "public_vectors.json").read_text(encoding="utf-8")
)
KEYS = VECTORS["keys"]
NOT_THE_CLIENTS = {"jssdk_signature"}


def of_kind(kind: str) -> Sequence[Any]:
    found = [
        pytest.param(each, id=each["id"]) for each in VECTORS["vectors"] if each["kind"] == kind
    ]
    _seen.update({kind} if found else set())
    return found


_seen: set[str] = set()


def private_key(name: str) -> RSAPrivateKey:
    key = load_pem_private_key(KEYS[name]["pem"].encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    return key


def public_key(name: str) -> RSAPublicKey:
    pem = KEYS[name]["pem"].encode()
    if KEYS[name]["type"] == "x509_pem":
        key: object = x509.load_pem_x509_certificate(pem).public_key()
    else:
        key = load_pem_public_key(pem)
    assert isinstance(key, RSAPublicKey)
    return key


def fixed_signer(vector: dict[str, str]) -> Signer:
    return Signer(
        vector.get("mchid", "1900007291"),
        vector.get("serial_no", "408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB"),
        private_key(vector["private_key"]),
        now=lambda: float(vector["timestamp"]),
        nonce=lambda: vector["nonce"],
    )


@pytest.mark.parametrize("vector", of_kind("request_signature"))
def test_a_request_is_signed_byte_for_byte_as_published(vector: dict[str, str]) -> None:
    signer, body = fixed_signer(vector), vector["body"].encode()

    header = signer.authorization(vector["method"], vector["url"], body)

    message = signing.request_message(
        vector["method"], vector["url"], vector["timestamp"], vector["nonce"], body
    )
    assert message == vector["message"].encode()
    assert header == vector["authorization"]
    assert f'signature="{vector["signature"]}"' in header


@pytest.mark.parametrize("vector", of_kind("invoke_signature"))
def test_cashier_parameters_are_signed_byte_for_byte_as_published(vector: dict[str, str]) -> None:
    signer = fixed_signer(vector)

    params = signer.pay_params(vector["appid"], vector["prepay_id"])

    message = signing.invoke_message(
        params.appId, params.timeStamp, params.nonceStr, params.package
    )
    assert message == vector["message"].encode()
    assert params.as_dict() == {
        "appId": vector["appid"],
        "timeStamp": vector["timestamp"],
        "nonceStr": vector["nonce"],
        "package": f"prepay_id={vector['prepay_id']}",
        "signType": "RSA",
        "paySign": vector["signature"],
    }


@pytest.mark.parametrize("vector", of_kind("rsa_sha256_sign"))
def test_plain_signatures_are_as_published(vector: dict[str, str]) -> None:
    key = private_key(vector["private_key"])

    signature = signing.sign(key, vector["message"].encode())

    assert signature == vector["signature"]


@pytest.mark.parametrize("vector", of_kind("response_signature"))
def test_published_replies_verify_exactly_when_they_should(vector: dict[str, Any]) -> None:
    verifier = Verifier(
        {"PUB_KEY_ID_1": public_key(vector["public_key"])}, now=lambda: float(vector["timestamp"])
    )
    headers = {
        "Wechatpay-Timestamp": vector["timestamp"],
        "Wechatpay-Nonce": vector["nonce"],
        "Wechatpay-Signature": vector["signature"],
        "Wechatpay-Serial": "PUB_KEY_ID_1",
    }
    body = vector["body"].encode()

    verified = _is_trusted(verifier, headers, body)

    assert signed_message(vector["timestamp"], vector["nonce"], body) == vector["message"].encode()
    assert verified is vector["expect"]


@pytest.mark.parametrize("vector", of_kind("notification"))
def test_published_notifications_open_to_the_published_text(vector: dict[str, Any]) -> None:
    serial = vector["headers"]["Wechatpay-Serial"]
    verifier = Verifier(
        {serial: public_key(vector["certificate"])}, now=lambda: float(vector["now"])
    )

    body = vector["body"].encode()

    proof = verifier.verify(vector["headers"], body)
    envelope = read_envelope(body)
    plaintext = envelope.decrypted([vector["apiv3_key"].encode()])

    assert proof.serial == serial
    assert envelope.id == json.loads(vector["body"])["id"]
    assert plaintext == vector["plaintext"].encode()


@pytest.mark.parametrize("vector", of_kind("aes_gcm"))
def test_published_ciphertexts_open_exactly_when_they_should(vector: dict[str, Any]) -> None:
    sealed = (vector["nonce"], vector["associated_data"], vector["ciphertext"])

    if vector.get("expect_error"):
        with pytest.raises(Undecryptable):
            open_resource([vector["apiv3_key"].encode()], *sealed)
        return
    opened = open_resource([vector["apiv3_key"].encode()], *sealed)

    assert opened == vector["plaintext"].encode()


@pytest.mark.parametrize("vector", of_kind("certificates_response"))
def test_the_published_certificate_list_opens_to_its_certificate(vector: dict[str, str]) -> None:
    (certificate,) = read_certificates(vector["body"].encode(), [vector["apiv3_key"].encode()])

    assert certificate.serial_no == vector["expect_serial"]
    assert certificate.pem.decode() == vector["certificate_pem"]
    assert certificate.effective_at < certificate.expires_at


@pytest.mark.parametrize("vector", of_kind("rsa_oaep_sha1_decrypt"))
def test_the_published_sealed_field_opens(vector: dict[str, str]) -> None:
    key = private_key(vector["private_key"])

    opened = open_field(key, vector["ciphertext"])

    assert opened == vector["plaintext"]
    assert open_field(key, seal_field(key.public_key(), opened)) == opened
    assert len(base64.b64decode(vector["ciphertext"])) == key.key_size // 8


def test_no_published_kind_that_concerns_the_client_is_left_out() -> None:
    published = {each["kind"] for each in VECTORS["vectors"]}

    assert published - NOT_THE_CLIENTS == _seen


def _is_trusted(verifier: Verifier, headers: dict[str, str], body: bytes) -> bool:
    try:
        verifier.verify(headers, body)
    except Untrusted:
        return False
    return True
