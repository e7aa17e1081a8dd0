"""`flask partner …`: one JSON document on standard output, one clear line on standard error."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from config.audit import AuditEntry
from config.database import db
from partner.credentials import list_partners
from partner.models import BillScope
from partner.simulator.simulator import Simulator
from tests.factories.partner import make_partner
from tests.partner import material as m


@pytest.fixture
def run(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


def document(result: Result) -> Any:
    """What the command printed, which must be one JSON document and nothing else."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def arguments(simulator: Simulator, *more: str, **changed: str) -> list[str]:
    """`partner add` for the simulator's provider."""
    facts, home = simulator.facts, simulator.home
    given = {
        "--sp-mchid": facts["sp_mchid"],
        "--name": "云帆收银",
        "--sp-appid": facts["sp_appid"],
        "--private-key": str(home / "apiclient_key.pem"),
        "--certificate": str(home / "apiclient_cert.pem"),
        "--api-v3-key-file": str(home / "api_v3_key"),
        **{f"--{name.replace('_', '-')}": value for name, value in changed.items()},
    }
    return ["partner", "add", *(part for pair in given.items() for part in pair), *more]


def test_adding_a_provider_stores_its_keys_and_fetches_wechat_pays(
    run: FlaskCliRunner, simulator: Simulator
) -> None:
    added = document(run.invoke(args=arguments(simulator, "--json")))

    assert added["sp_mchid"] == simulator.facts["sp_mchid"]
    assert added["refresh"]["state"] == "DONE"
    assert added["merchant_keys"][0]["serial_no"] == simulator.facts["serial_no"]
    checked = document(run.invoke(args=["partner", "check", added["sp_mchid"], "--json"]))
    assert checked["ok"] is True


def test_a_provider_is_added_although_wechat_pay_does_not_answer(
    run: FlaskCliRunner, simulator: Simulator
) -> None:
    simulator.faults.add("http_500", path="/v3/certificates", times=10)

    result = run.invoke(args=arguments(simulator))

    assert result.exit_code == 0
    assert "try again with: partner refresh-certificates" in result.stdout
    assert len(list_partners()) == 1


def test_every_fault_is_one_line_on_standard_error_and_nothing_is_written(
    run: FlaskCliRunner, simulator: Simulator, tmp_path: Path
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    result = run.invoke(
        args=arguments(
            simulator,
            "--json",
            sp_mchid="19-1",
            private_key=str(tmp_path / "absent.pem"),
            certificate=str(tmp_path),
            api_v3_key_file=str(tmp_path / "binary"),
        )
    )

    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    for told in ("sp_mchid: must be", "absent.pem cannot be read", "api_v3_key:", "certificate:"):
        assert told in result.stderr
    assert list_partners() == []


def test_a_number_that_is_here_already_is_a_clear_refusal(
    run: FlaskCliRunner, simulator: Simulator
) -> None:
    run.invoke(args=arguments(simulator))

    result = run.invoke(args=arguments(simulator))

    assert result.exit_code == 1
    assert "is already here" in result.stderr


def test_listing_and_showing_never_print_a_key(run: FlaskCliRunner, simulator: Simulator) -> None:
    run.invoke(args=arguments(simulator))
    sp_mchid = simulator.facts["sp_mchid"]

    printed = "".join(
        run.invoke(args=args).output
        for args in (
            ["partner", "list"],
            ["partner", "list", "--json"],
            ["partner", "show", sp_mchid],
            ["partner", "show", sp_mchid, "--json"],
        )
    )

    assert sp_mchid in printed
    assert (simulator.home / "api_v3_key").read_text() not in printed
    assert "PRIVATE KEY" not in printed


def test_a_key_that_runs_out_soon_asks_for_attention(
    run: FlaskCliRunner, tmp_path: Path, app: Flask
) -> None:
    partner = make_partner()
    soon = datetime.now(UTC) + timedelta(days=20)
    (tmp_path / "key.pem").write_text(m.pkcs1(m.rsa_key()))
    certificate = m.certificate(m.rsa_key(), subject=partner.sp_mchid, ends=soon)
    (tmp_path / "cert.pem").write_text(certificate)

    files = [
        "--private-key",
        str(tmp_path / "key.pem"),
        "--certificate",
        str(tmp_path / "cert.pem"),
    ]
    run.invoke(args=["partner", "rotate-key", partner.sp_mchid, *files])

    shown = document(run.invoke(args=["partner", "show", partner.sp_mchid, "--json"]))
    assert any(f"runs out on {soon:%Y-%m-%d}" in warning for warning in shown["warnings"])
    assert [key["state"] for key in shown["merchant_keys"]] == ["ACTIVE", "PREVIOUS"]


def test_a_wrong_api_v3_key_makes_the_check_fail_and_say_so(
    run: FlaskCliRunner, simulator: Simulator, tmp_path: Path
) -> None:
    run.invoke(args=arguments(simulator))
    (tmp_path / "key").write_text(m.API_V3_KEY + "\n")
    sp_mchid = simulator.facts["sp_mchid"]
    rotated = run.invoke(
        args=["partner", "rotate-api-v3-key", sp_mchid, "--api-v3-key-file", str(tmp_path / "key")]
    )
    assert rotated.exit_code == 0, rotated.stderr

    result = run.invoke(args=["partner", "check", sp_mchid, "--json"])

    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert [each["check"] for each in report["checks"] if not each["ok"]] == ["api_v3_key"]


def test_refreshing_answers_the_serials_and_fails_aloud(
    run: FlaskCliRunner, simulator: Simulator
) -> None:
    run.invoke(args=arguments(simulator))
    command = ["partner", "refresh-certificates", simulator.facts["sp_mchid"], "--json"]

    fetched = document(run.invoke(args=command))
    simulator.faults.add("http_500", path="/v3/certificates", times=10)
    failed = run.invoke(args=command)

    assert simulator.facts["platform_serial_no"] in fetched["serials"]
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["state"] == "FAILED"


def test_directories_are_set_listed_and_removed(run: FlaskCliRunner, app: Flask) -> None:
    sp_mchid = make_partner().sp_mchid
    commands = ["partner", "directory"]

    added = document(
        run.invoke(args=[*commands, "add", sp_mchid, "https://Pay.example.com", "--json"])
    )
    listed = document(run.invoke(args=[*commands, "list", sp_mchid, "--json"]))
    removed = run.invoke(args=[*commands, "remove", sp_mchid, "https://pay.example.com/"])

    assert added["url"] == "https://pay.example.com/"
    assert listed == [added]
    assert removed.exit_code == 0
    assert document(run.invoke(args=[*commands, "list", sp_mchid, "--json"])) == []


@pytest.mark.parametrize(
    "args",
    [
        ["partner", "show", "1900000000"],
        ["partner", "check", "1900000000"],
        ["partner", "directory", "list", "1900000000"],
        ["partner", "refresh-certificates", "1900000000"],
    ],
)
def test_an_unknown_provider_is_a_clear_line(run: FlaskCliRunner, args: list[str]) -> None:
    result = run.invoke(args=[*args, "--json"])

    assert (result.exit_code, result.stdout) == (1, "")
    assert "There is no provider 1900000000" in result.stderr


def test_appids_and_public_keys_have_their_own_commands(
    run: FlaskCliRunner, tmp_path: Path, app: Flask
) -> None:
    sp_mchid = make_partner(sp_appid="wxfirst").sp_mchid
    (tmp_path / "pub_key.pem").write_text(m.public_pem(m.rsa_key("wechat")))

    bound = document(run.invoke(args=["partner", "appid", "add", sp_mchid, "wxsecond", "--json"]))
    unbound = document(
        run.invoke(args=["partner", "appid", "remove", sp_mchid, "wxfirst", "--json"])
    )
    key = ["--wechatpay-public-key", str(tmp_path / "pub_key.pem")]
    key_id = ["--wechatpay-public-key-id", m.PUBLIC_KEY_ID]
    trusted = document(
        run.invoke(args=["partner", "add-public-key", sp_mchid, *key, *key_id, "--json"])
    )

    assert bound["sp_appids"] == ["wxfirst", "wxsecond"]
    assert unbound["sp_appids"] == ["wxsecond"]
    assert m.PUBLIC_KEY_ID in [each["serial"] for each in trusted["wechatpay_keys"]]


def test_the_audit_trail_names_the_person_at_the_terminal(run: FlaskCliRunner, app: Flask) -> None:
    sp_mchid = make_partner().sp_mchid

    run.invoke(args=["partner", "directory", "add", sp_mchid, "https://pay.example.com/"])

    entry = db.session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor_kind) == ("partner.directory_added", "command")
    assert entry.actor_id not in ("", "system")


def test_how_bills_are_fetched_is_a_setting_of_the_provider(
    run: FlaskCliRunner, simulator: Simulator
) -> None:
    added = document(run.invoke(args=arguments(simulator, "--json")))

    changed = document(
        run.invoke(args=["partner", "bill-scope", added["sp_mchid"], "SUB_MERCHANT", "--json"])
    )

    assert (added["bill_scope"], changed["bill_scope"]) == ("PROVIDER", "SUB_MERCHANT")
    (stored,) = list_partners()
    assert stored.bill_scope is BillScope.SUB_MERCHANT
