"""`flask staff …`: who may sign in to a sub-merchant's dashboard, from the terminal."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import AppGroup

from config.commands import emit, json_option
from config.terminal import password_from_terminal
from submerchants.staff.add import add_staff_member, get_staff_member
from submerchants.staff.models import StaffMember
from submerchants.staff.roles import StaffRole
from submerchants.staff.sign_in import change_password, disable
from submerchants.tenancy import across_tenants
from submerchants.tenants.queries import get_sub_merchant

staff = AppGroup("staff", help="The people of sub-merchants.")


def register(app: Flask) -> None:
    """Give the application these commands."""
    app.cli.add_command(staff)


@staff.command("add")
@click.argument("sub_mchid")
@click.argument("email")
@click.option("--role", required=True, type=click.Choice([role.value for role in StaffRole]))
@click.option("--sp-mchid", help="Under which provider, where several have the number.")
@json_option
def add(sub_mchid: str, email: str, role: str, sp_mchid: str | None, as_json: bool) -> None:
    """Let somebody in; the password comes from a prompt or standard input."""
    sub_merchant = get_sub_merchant(sub_mchid, sp_mchid)
    member = add_staff_member(
        sub_merchant=sub_merchant,
        email=email,
        password=password_from_terminal(),
        role=StaffRole(role),
    )
    shown = {
        "id": member.id,
        "email": member.email,
        "role": member.role.value,
        "sub_mchid": sub_merchant.sub_mchid,
    }
    emit(shown, as_json, [f"{member.email} may sign in at /dashboard/ as {member.role.value}."])


@staff.command("password")
@click.argument("email")
@json_option
def password(email: str, as_json: bool) -> None:
    """Set a new password; every session of theirs ends."""
    member = _member(email)
    change_password(member=member, password=password_from_terminal())
    emit({"id": member.id, "email": member.email}, as_json, ["Done; they sign in anew."])


@staff.command("disable")
@click.argument("email")
@json_option
def disable_one(email: str, as_json: bool) -> None:
    """Let somebody in no more; every session of theirs ends."""
    member = _member(email)
    disable(member=member)
    emit({"id": member.id, "email": member.email}, as_json, ["Done; they are out."])


def _member(email: str) -> StaffMember:
    with across_tenants("an operator names a staff member by e-mail address"):
        return get_staff_member(email)
