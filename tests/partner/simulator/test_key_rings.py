"""WeChat Pay's keys belong to a provider: what one gets is signed and opened with no other's."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests

from partner.simulator import Simulator
from tests.partner.simulator.conftest import BASE, Merchant, Receiver, is_signed, keys_told
from tests.partner.simulator.test_security import OAEP, certificates

CONTROL = f"{BASE}/_simulator"
ECHO = "/v3/security/echo"


def sealed(merchant: Merchant, serial: str) -> dict[str, str]:
    """A self-test with a field sealed for the key under this serial."""
    field = merchant.wechatpay_keys[serial].encrypt("悄悄话".encode(), OAEP)
    return {"echo_message": "x", "encrypted_echo_message": base64.b64encode(field).decode()}


def paid(merchant: Merchant, sim: Simulator) -> None:
    """The merchant's order, placed, paid and told of once."""
    assert merchant.place().status_code == 200
    sim.pay(merchant.order["out_trade_no"], sp_mchid=merchant.mchid)
    sim.notifier.deliver_due()


def refusal(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_no_key_of_one_provider_is_another_s(merchant: Merchant, other: Merchant) -> None:
    serials, others = merchant.wechatpay_keys.keys(), other.wechatpay_keys.keys()
    numbers = {key.public_numbers() for key in merchant.wechatpay_keys.values()}
    others_numbers = {key.public_numbers() for key in other.wechatpay_keys.values()}

    assert not serials & others
    assert not numbers & others_numbers
    assert any(serial.startswith("PUB_KEY_ID_01900000801") for serial in others)


def test_each_provider_s_answers_are_signed_with_its_own_keys(
    merchant: Merchant, other: Merchant
) -> None:
    by_certificate = other.place()
    other.public_key_id = next(one for one in other.wechatpay_keys if one.startswith("PUB"))
    by_public_key = other.place()

    assert by_public_key.headers["Wechatpay-Serial"] == other.public_key_id
    for answer in (by_certificate, by_public_key):
        assert other.is_genuine(answer)
        assert not merchant.is_genuine(answer)
    assert merchant.is_genuine(merchant.place())


def test_asking_for_another_provider_s_public_key_is_asking_for_none(
    merchant: Merchant, other: Merchant, sim: Simulator
) -> None:
    other.public_key_id = sim.facts["wechatpay_public_key_id"]

    answer = other.place()

    assert other.is_genuine(answer)
    assert not answer.headers["Wechatpay-Serial"].startswith("PUB_KEY_ID_")


def test_the_certificate_list_is_the_provider_s_own(
    merchant: Merchant, other: Merchant, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "api_v3_key").write_text("k" * 32)

    listed = certificates(tmp_path, other.call("GET", "/v3/certificates"))
    first = certificates(home, merchant.call("GET", "/v3/certificates"))

    assert listed.keys() <= other.wechatpay_keys.keys()
    assert not listed.keys() & first.keys()


def test_a_sealed_field_opens_with_the_provider_s_own_keys_alone(
    merchant: Merchant, other: Merchant
) -> None:
    answers = {}
    for whose in (merchant, other):
        for serial in whose.wechatpay_keys:
            headers: dict[str, str | None] = {"Wechatpay-Serial": serial}
            body = sealed(whose, serial)
            answers[whose.mchid, serial] = other.call("POST", ECHO, body, headers)

    for (mchid, _), answer in answers.items():
        if mchid == other.mchid:
            assert answer.status_code == 200
        else:
            assert refusal(answer) == (400, "PARAM_ERROR")


def test_each_provider_s_notifications_are_signed_with_its_own_keys(
    merchant: Merchant, other: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    paid(merchant, sim)
    paid(other, sim)

    first, second = receiver.received

    assert is_signed(merchant.wechatpay_keys, *first)
    assert is_signed(other.wechatpay_keys, *second)
    assert not is_signed(merchant.wechatpay_keys, *second)


def test_a_rotation_is_one_provider_s(
    merchant: Merchant, other: Merchant, web: requests.Session, sim: Simulator
) -> None:
    before = merchant.place().headers["Wechatpay-Serial"]
    rotate = f"{CONTROL}/platform-certificates/rotate"

    fresh = web.post(rotate, json={"sp_mchid": other.mchid}).json()["platform_serial_no"]
    nobody = web.post(rotate, json={"sp_mchid": "1900000999"})

    assert other.place().headers["Wechatpay-Serial"] == fresh
    assert merchant.place().headers["Wechatpay-Serial"] == before
    assert sim.home.joinpath("simulator.json").read_text().count(before) == 1
    assert nobody.status_code == 404


def registered(simulator: Simulator) -> dict[str, Any]:
    """What registering a further provider, or asking for it again, answers."""
    registration = {
        "sp_mchid": "1900000801",
        "sp_appid": "wx7a51c0ffee000801",
        "serial_no": "ABCDEF0123456789",
        "certificate_pem": (simulator.home / "apiclient_cert.pem").read_text(),
        "api_v3_key": "k" * 32,
    }
    answer = simulator.app.test_client().post("/_simulator/merchants", json=registration)
    told: dict[str, Any] = answer.get_json()
    return told


def files_in(home: Path) -> dict[str, bytes]:
    """The files in DIR itself and WeChat Pay's own for the first provider."""
    folders = (home, home / "wechatpay-private")
    found = (path for folder in folders for path in folder.iterdir() if path.is_file())
    return {path.name: path.read_bytes() for path in found if "sqlite3" not in path.name}


def test_a_restart_keeps_every_provider_s_keys_and_the_first_one_s_files(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path)
    files = files_in(tmp_path)
    told = registered(simulator)
    simulator.close()

    simulator = Simulator(tmp_path)

    again = registered(simulator)
    simulator.close()
    assert again == told
    assert again["platform_serial_no"] in keys_told(again)
    assert files_in(tmp_path) == files
    private = tmp_path / "wechatpay-private" / "1900000801"
    assert private.stat().st_mode & 0o777 == 0o700


def test_a_provider_from_before_keys_were_each_one_s_own_gets_them_at_the_start(
    tmp_path: Path,
) -> None:
    simulator = Simulator(tmp_path)
    registered(simulator)
    simulator.close()
    shutil.rmtree(tmp_path / "wechatpay-private" / "1900000801")

    simulator = Simulator(tmp_path)

    assert (tmp_path / "wechatpay-private" / "1900000801" / "public_key_id").exists()
    assert registered(simulator)["platform_serial_no"] != simulator.facts["platform_serial_no"]
    simulator.close()


@pytest.mark.parametrize("own_serial", [False, True])
def test_a_fault_signs_an_answer_with_another_provider_s_key(
    merchant: Merchant, other: Merchant, web: requests.Session, own_serial: bool
) -> None:
    web.post(f"{CONTROL}/faults", json={"kind": "foreign_key", "own_serial": own_serial})

    foreign, genuine = merchant.place(), merchant.place()

    assert foreign.status_code == 200
    assert not merchant.is_genuine(foreign)
    assert (foreign.headers["Wechatpay-Serial"] in merchant.wechatpay_keys) == own_serial
    assert other.is_genuine(foreign) != own_serial
    assert merchant.is_genuine(genuine)


@pytest.mark.parametrize("own_serial", [False, True])
def test_a_fault_signs_a_notification_with_another_provider_s_key_and_the_next_is_genuine(
    merchant: Merchant, other: Merchant, sim: Simulator, receiver: Receiver, own_serial: bool
) -> None:
    sim.faults.add("notification_foreign_key", own_serial=own_serial)
    receiver.statuses = [401, 204]
    paid(other, sim)
    sim.clock.advance(16)
    sim.notifier.deliver_due()

    foreign, genuine = receiver.received

    assert not is_signed(other.wechatpay_keys, *foreign)
    assert (foreign[0]["Wechatpay-Serial"] in other.wechatpay_keys) == own_serial
    assert is_signed(merchant.wechatpay_keys, *foreign) != own_serial
    assert is_signed(other.wechatpay_keys, *genuine)
    assert [one["signature"] for one in sim.outbox.listed()[0]["tries"]] == ["foreign", "genuine"]


@pytest.mark.parametrize("kind", ["foreign_key", "notification_foreign_key"])
def test_without_a_further_provider_there_is_no_foreign_key(
    web: requests.Session, sim: Simulator, kind: str
) -> None:
    answer = web.post(f"{CONTROL}/faults", json={"kind": kind})

    assert answer.status_code == 400
    assert "register another" in answer.json()["message"]
    assert sim.faults.active() == []


def test_own_serial_is_true_or_false(other: Merchant, web: requests.Session) -> None:
    answer = web.post(f"{CONTROL}/faults", json={"kind": "foreign_key", "own_serial": "no"})

    assert answer.status_code == 400
    assert "own_serial" in answer.json()["message"]
