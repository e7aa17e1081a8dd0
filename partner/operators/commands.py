"""`flask operator …`: who may sign in to the console, from the terminal."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

from config.commands import emit, json_option
from config.second_factor import terminal_qr
from config.terminal import password_from_terminal
from partner.operators.add import add_operator, get_operator
from partner.operators.roles import OperatorRole
from partner.operators.sign_in import change_password, disable

operator = AppGroup("operator", help="The provider's own people.")


def register(app: Flask) -> None:
    """Give the application these commands."""
    app.cli.add_command(operator)


@operator.command("add")
@click.argument("email")
@click.option("--role", required=True, type=click.Choice([role.value for role in OperatorRole]))
@json_option
def add(email: str, role: str, as_json: bool) -> None:
    """Let somebody in; the password comes from a prompt or standard input."""
    added = add_operator(email=email, password=password_from_terminal(), role=OperatorRole(role))
    shown = {
        "id": added.operator.id,
        "email": added.operator.email,
        "role": added.operator.role.value,
        "totp_secret": added.totp_secret.reveal(),
        "totp_uri": added.totp_uri,
    }
    lines = [
        f"{shown['email']} may sign in at /admin/ as {shown['role']}.",
        "Scan this with an authenticator app; it is shown this once:",
        terminal_qr(added.totp_uri),
        f"or enter the secret by hand: {shown['totp_secret']}",
    ]
    emit(shown, as_json, lines)


@operator.command("password")
@click.argument("email")
@json_option
def password(email: str, as_json: bool) -> None:
    """Set a new password; every session of theirs ends."""
    changed = get_operator(email)
    change_password(operator=changed, password=password_from_terminal())
    emit({"id": changed.id, "email": changed.email}, as_json, ["Done; they sign in anew."])


@operator.command("disable")
@click.argument("email")
@json_option
def disable_one(email: str, as_json: bool) -> None:
    """Let somebody in no more; every session of theirs ends."""
    disabled = get_operator(email)
    disable(operator=disabled)
    emit({"id": disabled.id, "email": disabled.email}, as_json, ["Done; they are out."])
