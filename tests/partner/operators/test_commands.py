"""`flask operator …`."""

from __future__ import annotations

import json

import pyotp
import pytest
from flask import Flask
from sqlalchemy import select

from config.database import db
from config.sessions import LoginSession
from config.vault import Secret
from partner.operators.sign_in import give_password
from tests.factories.people import PASSWORD


@pytest.mark.parametrize("line_end", ["\n", "\r\n", ""])
def test_an_operator_is_added_with_a_password_from_standard_input(
    app: Flask, line_end: str
) -> None:
    command = ["operator", "add", "Anna@example.test", "--role", "ADMIN", "--json"]

    result = app.test_cli_runner().invoke(args=command, input=PASSWORD + line_end)

    shown = json.loads(result.stdout)
    assert shown["email"] == "anna@example.test"
    assert shown["role"] == "ADMIN"
    assert pyotp.parse_uri(shown["totp_uri"]).secret == shown["totp_secret"]
    assert give_password(email="anna@example.test", password=Secret(PASSWORD), origin="::1")


def test_without_json_a_person_gets_something_to_scan(app: Flask) -> None:
    command = ["operator", "add", "anna@example.test", "--role", "VIEWER"]

    result = app.test_cli_runner().invoke(args=command, input=PASSWORD)

    assert result.exit_code == 0
    assert "█" in result.stdout


@pytest.mark.parametrize(
    ("email", "password", "words"),
    [
        ("anna@example.test", "too short", "12 characters"),
        ("not-an-address", PASSWORD, "e-mail address"),
        ("anna@example.test", "x1" * 70, "128 characters"),
        ("anna@example.test", "", "12 characters"),
    ],
)
def test_what_cannot_be_added_is_said_in_one_line(
    app: Flask, email: str, password: str, words: str
) -> None:
    command = ["operator", "add", email, "--role", "ADMIN", "--json"]

    result = app.test_cli_runner().invoke(args=command, input=password)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert words in result.stderr
    assert password == "" or password not in result.stderr


def test_disabling_and_a_new_password_take_effect_at_once(app: Flask) -> None:
    run = app.test_cli_runner()
    add = ["operator", "add", "anna@example.test", "--role", "ADMIN", "--json"]
    run.invoke(args=add, input=PASSWORD)
    give_password(email="anna@example.test", password=Secret(PASSWORD), origin="::1")

    renewed = run.invoke(
        args=["operator", "password", "anna@example.test", "--json"], input="nine yellow buckets"
    )
    disabled = run.invoke(args=["operator", "disable", "anna@example.test", "--json"])

    assert (renewed.exit_code, disabled.exit_code) == (0, 0)
    assert db.session.scalars(select(LoginSession)).all() == []
