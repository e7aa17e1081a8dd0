"""`flask submerchant …` and `flask apikey …`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskCliRunner

from submerchants.api_keys.verify import find_key
from tests.factories.partner import make_partner
from tests.factories.submerchants import make_sub_merchant


@pytest.fixture
def run(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


def document(result: Result) -> Any:
    """What the command printed, which must be one JSON document and nothing else."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_sub_merchant_is_added_listed_shown_suspended_and_resumed(run: FlaskCliRunner) -> None:
    partner = make_partner()
    add = ["submerchant", "add", "--sp-mchid", partner.sp_mchid, "--sub-mchid", "1600000001"]
    appids = ["--sub-appid", "wxaaa", "--sub-appid", "wxbbb:mini_program"]

    added = document(run.invoke(args=[*add, "--name", "山茶咖啡", *appids, "--json"]))
    listed = document(run.invoke(args=["submerchant", "list", "--json"]))
    states = [
        document(run.invoke(args=["submerchant", verb, "1600000001", "--json"]))["state"]
        for verb in ("suspend", "show", "resume", "show")
    ]

    assert added["sub_appids"][1] == {
        "sub_appid": "wxbbb",
        "kind": "mini_program",
        "is_default": False,
        "has_app_secret": False,
    }
    assert [(each["sub_mchid"], each["sub_appids"]) for each in listed] == [
        ("1600000001", added["sub_appids"])
    ]
    assert states == ["SUSPENDED", "SUSPENDED", "ACTIVE", "ACTIVE"]


def test_an_ambiguous_number_asks_for_the_provider(run: FlaskCliRunner) -> None:
    first, second = (
        make_sub_merchant(partner=make_partner(), sub_mchid="1600000001") for _ in range(2)
    )

    refused = run.invoke(args=["submerchant", "show", "1600000001"])
    listed = document(run.invoke(args=["submerchant", "list", "--json"]))
    sp_mchid = listed[1]["sp_mchid"]
    shown = document(
        run.invoke(args=["submerchant", "show", "1600000001", "--sp-mchid", sp_mchid, "--json"])
    )

    assert refused.exit_code == 1
    assert "--sp-mchid" in refused.stderr
    assert shown["id"] in {first.id, second.id}
    assert shown["sp_mchid"] == sp_mchid


def test_a_page_is_checked_against_the_directories(run: FlaskCliRunner) -> None:
    sub_mchid = make_sub_merchant().sub_mchid
    directory = ["submerchant", "directory"]
    run.invoke(args=[*directory, "add", sub_mchid, "https://pay.example.com/shop"])

    early = document(
        run.invoke(
            args=[*directory, "check", sub_mchid, "https://pay.example.com/shop/1", "--json"]
        )
    )
    hostile = document(
        run.invoke(args=[*directory, "check", sub_mchid, "https://a@pay.example.com/", "--json"])
    )
    refused = run.invoke(args=[*directory, "add", sub_mchid, "https://127.0.0.1/"])

    assert (early["covered"], early["reason"]) == (False, "not_yet_in_force")
    assert (hostile["covered"], hostile["reason"]) == (False, "unreadable_page")
    assert refused.exit_code == 1
    assert len(document(run.invoke(args=[*directory, "list", sub_mchid, "--json"]))) == 1
    removed = run.invoke(args=[*directory, "remove", sub_mchid, "https://pay.example.com/shop/"])
    assert removed.exit_code == 0


def test_a_key_is_shown_once_and_counts_until_it_is_revoked(run: FlaskCliRunner) -> None:
    sub_mchid = make_sub_merchant().sub_mchid
    scopes = ["--scope", "orders:write", "--scope", "orders:read"]

    issued = document(run.invoke(args=["apikey", "issue", sub_mchid, *scopes, "--json"]))
    listed = run.invoke(args=["apikey", "list", sub_mchid, "--json"])
    counted = find_key(issued["key"]) is not None
    run.invoke(args=["apikey", "revoke", issued["id"]])

    assert issued["scopes"] == ["orders:read", "orders:write"]
    assert issued["key"] not in listed.stdout
    assert counted
    assert find_key(issued["key"]) is None


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--scope", "money:print"], "Unknown scope"),
        (["--expires-at", "2020-01-01T00:00:00Z"], "past"),
        (["--expires-at", "2040-01-01T00:00:00"], "zone"),
        (["--expires-at", "tomorrow"], "RFC 3339"),
        (["--allow-network", "everywhere"], "not a network"),
    ],
)
def test_a_key_that_could_not_be_used_is_refused(
    run: FlaskCliRunner, more: list[str], told: str
) -> None:
    result = run.invoke(args=["apikey", "issue", make_sub_merchant().sub_mchid, *more])

    assert result.exit_code >= 1
    assert told in result.stderr


def test_an_unknown_key_or_sub_merchant_is_a_clear_line(run: FlaskCliRunner) -> None:
    key = run.invoke(args=["apikey", "revoke", "key_none"])
    tenant = run.invoke(args=["submerchant", "show", "1600000009"])

    assert (key.exit_code, tenant.exit_code) == (1, 1)
    assert "There is no API key key_none" in key.stderr
    assert "There is no sub-merchant 1600000009" in tenant.stderr
