"""App secrets: sealed, set by file, shown only as set or not set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select

from config.audit import AuditEntry
from config.database import db
from partner.app_secrets import find_app_secret
from partner.models import PartnerAppid
from submerchants.tenants import app_secrets
from submerchants.tenants.models import Binding
from tests.factories.partner import make_partner
from tests.factories.submerchants import make_sub_merchant

CANARY = "canary0canary1canary2canary3cana"


@pytest.fixture
def run(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{CANARY}\n")
    return file


def test_a_providers_secret_is_sealed_and_never_shown(
    run: FlaskCliRunner, secret_file: Path
) -> None:
    partner = make_partner(sp_appid="wxprovider")
    words = ["partner", "appid-secret", partner.sp_mchid, "wxprovider"]

    shown = run.invoke(args=[*words, "--secret-file", str(secret_file), "--json"])

    assert json.loads(shown.stdout)["appids_with_secret"] == ["wxprovider"]
    assert CANARY not in shown.output
    kept = find_app_secret(partner.id, "wxprovider")
    assert kept is not None
    assert kept.reveal() == CANARY
    assert CANARY not in str(db.session.scalar(select(PartnerAppid.app_secret_sealed)))
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "partner.app_secret_set")
    ).one()
    assert "wxprovider" in entry.detail
    assert CANARY not in entry.detail


def test_a_sub_merchants_secret_opens_the_way_for_its_official_account_only(
    run: FlaskCliRunner, secret_file: Path
) -> None:
    row = make_sub_merchant(sub_appid="wxshop")
    words = ["submerchant", "appid-secret", row.sub_mchid, "wxshop"]
    assert app_secrets.accounts_with_secret(row.id) == []

    shown = run.invoke(args=[*words, "--secret-file", str(secret_file), "--json"])

    assert json.loads(shown.stdout)["sub_appids"][0]["has_app_secret"] is True
    assert CANARY not in shown.output
    assert app_secrets.accounts_with_secret(row.id) == ["wxshop"]
    assert CANARY not in str(db.session.scalar(select(Binding.app_secret_sealed)))


def test_a_file_that_holds_no_secret_and_an_appid_that_is_not_bound_change_nothing(
    run: FlaskCliRunner, secret_file: Path, tmp_path: Path
) -> None:
    partner = make_partner(sp_appid="wxprovider")
    wrong = tmp_path / "wrong"
    wrong.write_text("too short")
    words = ["partner", "appid-secret", partner.sp_mchid]

    refused = [
        run.invoke(args=[*words, "wxprovider", "--secret-file", str(wrong)]),
        run.invoke(args=[*words, "wxprovider", "--secret-file", str(tmp_path / "absent")]),
        run.invoke(args=[*words, "wxelse", "--secret-file", str(secret_file)]),
    ]

    assert all(each.exit_code >= 1 for each in refused)
    assert "too short" not in refused[0].stderr
    assert find_app_secret(partner.id, "wxprovider") is None
