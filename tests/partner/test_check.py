"""`partner check` asks WeChat Pay for real and blames exactly the input that is wrong."""

from __future__ import annotations

import pytest
import requests
from flask import Flask
from requests.adapters import BaseAdapter

from config.database import db, transaction
from config.settings import Settings
from config.vault import Secret
from partner.check import CheckReport, check_partner
from partner.credentials import add_partner, rotate_api_v3_key
from partner.gateway import init_gateway
from partner.models import Partner
from partner.simulator.simulator import Simulator
from tests.factories.partner import make_partner, make_partner_of, private_key_pem, public_key_pem
from tests.partner import material as m
from tests.partner.test_platform_keys import key_mode


def wrong(report: CheckReport) -> set[str]:
    """The inputs that are blamed."""
    return {check.check for check in report.checks if not check.ok}


def right(report: CheckReport) -> set[str]:
    return {check.check for check in report.checks if check.ok}


def provider(simulator: Simulator, **changes: object) -> Partner:
    """The simulator's provider as a person would add it, but for the changes."""
    facts, home = simulator.facts, simulator.home
    given: dict[str, object] = {
        "sp_mchid": facts["sp_mchid"],
        "name": "云帆收银",
        "currency": "CNY",
        "sp_appids": [facts["sp_appid"]],
        "private_key_pem": Secret((home / "apiclient_key.pem").read_text()),
        "serial_no": facts["serial_no"],
        "api_v3_key": Secret((home / "api_v3_key").read_text()),
        "wechatpay_public_key_pem": (home / "wechatpay_public_key.pem").read_text(),
        "wechatpay_public_key_id": facts["wechatpay_public_key_id"],
    }
    return add_partner(**{**given, **changes})  # type: ignore[arg-type]


def test_a_right_provider_passes_with_every_input_proven(app: Flask, simulator: Simulator) -> None:
    certificate = (simulator.home / "apiclient_cert.pem").read_text()

    report = check_partner(provider(simulator, certificate_pem=certificate))

    assert report.ok
    assert right(report) == {
        "merchant_certificate",
        "host",
        "clock",
        "sp_mchid",
        "serial_no",
        "private_key",
        "api_v3_key",
        "platform_certificates",
        "wechatpay_public_key",
    }


def test_the_check_needs_no_key_of_wechat_pays_beforehand(app: Flask, simulator: Simulator) -> None:
    without = {"wechatpay_public_key_pem": None, "wechatpay_public_key_id": None}

    assert check_partner(provider(simulator, **without)).ok


def test_a_wrong_private_key_is_blamed_alone(app: Flask, simulator: Simulator) -> None:
    report = check_partner(provider(simulator, private_key_pem=Secret(private_key_pem())))

    assert wrong(report) == {"private_key"}
    assert "clock" in right(report)


def test_a_wrong_serial_number_is_blamed_and_the_number_beside_it(
    app: Flask, simulator: Simulator
) -> None:
    report = check_partner(provider(simulator, serial_no="ABCDEF0123456789"))

    assert wrong(report) == {"serial_no", "sp_mchid"}


def test_a_wrong_number_is_blamed(app: Flask, simulator: Simulator) -> None:
    report = check_partner(provider(simulator, sp_mchid="1900000909"))

    assert "sp_mchid" in wrong(report)


def test_a_certificate_that_names_the_number_leaves_only_the_serial_to_blame(
    app: Flask, simulator: Simulator
) -> None:
    key = m.rsa_key("never registered")
    report = check_partner(
        provider(
            simulator,
            private_key_pem=Secret(m.pkcs8(key)),
            certificate_pem=m.certificate(key, subject=simulator.facts["sp_mchid"]),
            serial_no=None,
        )
    )

    assert wrong(report) == {"serial_no"}


def test_a_wrong_api_v3_key_is_blamed_alone(app: Flask, simulator: Simulator) -> None:
    report = check_partner(provider(simulator, api_v3_key=Secret(m.API_V3_KEY)))

    assert wrong(report) == {"api_v3_key"}


def test_the_previous_api_v3_key_does_not_hide_that_the_current_one_is_wrong(
    app: Flask, simulator: Simulator
) -> None:
    partner = provider(simulator)
    rotate_api_v3_key(partner=partner, api_v3_key=Secret(m.API_V3_KEY))

    assert wrong(check_partner(partner)) == {"api_v3_key"}


@pytest.mark.parametrize("mode", ["both", "public_key"])
def test_a_wrong_public_key_is_blamed_alone(app: Flask, simulator: Simulator, mode: str) -> None:
    key_mode(simulator, mode)
    partner = provider(simulator, wechatpay_public_key_pem=public_key_pem())

    assert wrong(check_partner(partner)) == {"wechatpay_public_key"}


@pytest.mark.parametrize("mode", ["both", "public_key"])
def test_a_wrong_public_key_id_is_blamed_alone(app: Flask, simulator: Simulator, mode: str) -> None:
    key_mode(simulator, mode)
    partner = provider(simulator, wechatpay_public_key_id=m.PUBLIC_KEY_ID)

    assert wrong(check_partner(partner)) == {"wechatpay_public_key_id"}


def test_a_public_key_only_provider_passes(app: Flask, simulator: Simulator) -> None:
    key_mode(simulator, "public_key")

    assert check_partner(provider(simulator)).ok


@pytest.mark.parametrize(
    ("kind", "blamed"),
    [
        ("stale_timestamp", "clock"),
        ("unsigned", "host"),
        ("http_500", "host"),
        ("bad_signature", "platform_certificates"),
    ],
)
def test_what_comes_back_wrong_is_blamed_on_the_right_thing(
    app: Flask, simulator: Simulator, kind: str, blamed: str
) -> None:
    simulator.faults.add(kind, path="/v3/certificates", times=10)

    assert wrong(check_partner(make_partner_of(simulator))) == {blamed}


class Unplugged(BaseAdapter):
    """A network without WeChat Pay on it."""

    def send(self, *_args: object, **_kwargs: object) -> requests.Response:
        raise requests.ConnectionError("name resolution failed")

    def close(self) -> None:
        return None


def test_no_connection_is_blamed_on_the_host(app: Flask, settings: Settings) -> None:
    init_gateway(app, settings, Unplugged())

    report = check_partner(make_partner())

    assert wrong(report) == {"host"}
    assert right(report) == set()


def test_a_provider_without_a_key_is_told_so_without_a_call(app: Flask) -> None:
    partner = make_partner()
    with transaction():
        db.session.execute(db.text("DELETE FROM api_v3_keys"))

    assert wrong(check_partner(partner)) == {"stored_keys"}


def test_the_report_has_the_agreed_shape(app: Flask, simulator: Simulator) -> None:
    document = check_partner(make_partner_of(simulator)).as_dict()

    assert set(document) == {"sp_mchid", "ok", "checks"}
    checks = document["checks"]
    assert isinstance(checks, list)
    assert all(set(each) == {"check", "ok", "explanation"} for each in checks)
