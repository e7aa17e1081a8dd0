"""Platform certificates, key modes, and the self-test."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509 import Certificate, load_pem_x509_certificate

from partner.simulator import Simulator
from tests.partner.simulator.conftest import BASE, RECEIVER, Merchant, Receiver, is_signed

OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


def certificates(home: Path, answer: requests.Response) -> dict[str, Certificate]:
    key = AESGCM((home / "api_v3_key").read_bytes())
    found = {}
    for one in answer.json()["data"]:
        sealed = one["encrypt_certificate"]
        pem = key.decrypt(
            sealed["nonce"].encode(),
            base64.b64decode(sealed["ciphertext"]),
            sealed["associated_data"].encode(),
        )
        found[one["serial_no"]] = load_pem_x509_certificate(pem)
    return found


def test_the_downloaded_certificate_verifies_the_answer_that_brought_it(
    merchant: Merchant, home: Path
) -> None:
    answer = merchant.call("GET", "/v3/certificates")

    found = certificates(home, answer)
    certificate = found[answer.headers["Wechatpay-Serial"]]
    assert f"{certificate.serial_number:X}" == answer.headers["Wechatpay-Serial"]
    assert len(answer.headers["Wechatpay-Serial"]) == 40
    assert merchant.is_genuine(answer)
    assert answer.json()["data"][0]["effective_time"].endswith("+08:00")


def test_after_a_rotation_both_are_in_force_and_the_new_one_signs(
    merchant: Merchant, sim: Simulator, home: Path, web: requests.Session
) -> None:
    old = merchant.call("GET", "/v3/certificates").headers["Wechatpay-Serial"]

    fresh = web.post(f"{BASE}/_simulator/platform-certificates/rotate").json()

    answer = merchant.call("GET", "/v3/certificates")
    assert answer.headers["Wechatpay-Serial"] == fresh["platform_serial_no"] != old
    assert list(certificates(home, answer))[-2:] == [old, fresh["platform_serial_no"]]
    told = json.loads((home / "simulator.json").read_text())
    assert told["platform_serial_no"] == fresh["platform_serial_no"]


@pytest.mark.parametrize(
    ("mode", "asks_public_key", "signed_by"),
    [
        ("both", False, "platform_serial_no"),
        ("both", True, "wechatpay_public_key_id"),
        ("certificate", True, "platform_serial_no"),
        ("public_key", False, "wechatpay_public_key_id"),
    ],
)
def test_which_key_signs_answers_depends_on_the_request_and_the_mode(
    merchant: Merchant, sim: Simulator, mode: str, asks_public_key: bool, signed_by: str
) -> None:
    sim.register(key_mode=mode)
    merchant.public_key_id = sim.facts["wechatpay_public_key_id"] if asks_public_key else None

    answer = merchant.place()

    assert answer.headers["Wechatpay-Serial"] == sim.facts[signed_by]
    assert merchant.is_genuine(answer)


def test_with_the_public_key_only_there_are_no_certificates(
    merchant: Merchant, sim: Simulator
) -> None:
    sim.register(key_mode="public_key")

    answer = merchant.call("GET", "/v3/certificates")

    assert (answer.status_code, answer.json()["code"]) == (404, "RESOURCE_NOT_EXISTS")


def test_the_echo_opens_seals_and_calls_back(
    merchant: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    key_id = sim.facts["wechatpay_public_key_id"]
    sealed = merchant.wechatpay_keys[key_id].encrypt("悄悄话".encode(), OAEP)
    merchant.public_key_id = key_id
    body = {
        "echo_message": "hello",
        "encrypted_echo_message": base64.b64encode(sealed).decode(),
        "notify_url": RECEIVER,
    }

    answer = merchant.call("POST", "/v3/security/echo", body)
    sim.notifier.deliver_due()

    back = base64.b64decode(answer.json()["encrypted_echo_message"])
    assert answer.json()["echo_message"] == "hello"
    assert merchant.key.decrypt(back, OAEP).decode() == "悄悄话"
    [(headers, raw)] = receiver.received
    assert is_signed(merchant.wechatpay_keys, headers, raw)
    assert json.loads(raw)["event_type"] == "SECURITY_ECHO.SUCCESS"
    assert json.loads(raw)["resource"]["original_type"] == "security"


@pytest.mark.parametrize(
    ("serial", "code"), [(None, "INVALID_REQUEST"), ("F" * 40, "PARAM_ERROR"), ("", "PARAM_ERROR")]
)
def test_a_sealed_field_needs_the_serial_of_its_key(
    merchant: Merchant, sim: Simulator, serial: str | None, code: str
) -> None:
    if serial == "":  # the right serial, sealed for somebody else
        serial = sim.facts["platform_serial_no"]
    body = {"echo_message": "x", "encrypted_echo_message": base64.b64encode(b"x" * 256).decode()}

    answer = merchant.call("POST", "/v3/security/echo", body, {"Wechatpay-Serial": serial})

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_private_files_are_private_and_complete(home: Path, sim: Simulator) -> None:
    private = {"apiclient_key.pem", "api_v3_key"}
    public = {"apiclient_cert.pem", "wechatpay_public_key.pem", "platform_cert.pem"}

    modes = {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()}

    assert private | public | {"simulator.json"} <= modes.keys()
    assert {modes[name] for name in private} == {0o600}
    assert modes["wechatpay-private"] == 0o700
    assert len((home / "api_v3_key").read_bytes()) == 32
    assert (home / "apiclient_key.pem").read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert (home / "wechatpay_public_key.pem").read_text().startswith("-----BEGIN PUBLIC KEY-----")
    assert json.loads((home / "simulator.json").read_text())["base_url"] == BASE
