"""`flask submerchant …` and `flask apikey …`: the tenants, from the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import click
from flask import Flask
from flask.cli import AppGroup

from config.commands import emit, json_option, shown_time
from config.rekeying import hand_over_crossing
from partner.app_secrets import read_app_secret
from partner.credentials import get_partner
from submerchants.api_keys.issue import issue_key, list_keys, revoke_key_as_provider
from submerchants.directories.configure import (
    add_directory,
    list_directories,
    remove_directory,
)
from submerchants.directories.match import directory_for
from submerchants.permissions import Permission
from submerchants.presenter import (
    present_api_key,
    present_directory,
    present_sub_merchant,
    present_with_directories,
)
from submerchants.tenancy import across_tenants
from submerchants.tenants import app_secrets, bindings
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.queries import (
    bindings_by_sub_merchant,
    get_sub_merchant,
    list_sub_merchants,
)
from submerchants.tenants.register import register_sub_merchant
from submerchants.tenants.suspend import resume, suspend

Wrapped = TypeVar("Wrapped")

submerchant = AppGroup("submerchant", help="Sub-merchants: the tenants of the platform.")
directory = AppGroup("directory", help="A sub-merchant's own payment directories.")
appid = AppGroup("appid", help="Appids bound to a sub-merchant.")
apikey = AppGroup("apikey", help="The keys of tenants' systems.")
submerchant.add_command(directory)
submerchant.add_command(appid)


def register(app: Flask) -> None:
    """Give the application these commands, and the vault its way across tenants."""
    app.cli.add_command(submerchant)
    app.cli.add_command(apikey)
    hand_over_crossing(app, across_tenants)


def under_option(command: Wrapped) -> Wrapped:
    """`--sp-mchid`, for a sub-merchant's number that works under several providers."""
    help_text = "Under which provider, where several have the number."
    return click.option("--sp-mchid", help=help_text)(command)  # type: ignore[type-var]


@submerchant.command("add")
@click.option("--sp-mchid", required=True)
@click.option("--sub-mchid", required=True)
@click.option("--name", required=True)
@click.option("sub_appids", "--sub-appid", multiple=True, help="wx… or wx…:mini_program")
@json_option
def add(
    sp_mchid: str, sub_mchid: str, name: str, sub_appids: tuple[str, ...], as_json: bool
) -> None:
    """Register a sub-merchant under a provider."""
    row = register_sub_merchant(
        partner=get_partner(sp_mchid),
        sub_mchid=sub_mchid,
        name=name,
        sub_appids=[bindings.parse_appid(each) for each in sub_appids],
    )
    said = [f"Registered {sub_mchid} {row.name}.", f"Now run: apikey issue {sub_mchid}"]
    emit(present_with_directories(row), as_json, said)


@submerchant.command("list")
@under_option
@json_option
def list_all(sp_mchid: str | None, as_json: bool) -> None:
    """Every sub-merchant, or one provider's."""
    partner_id = None if sp_mchid is None else get_partner(sp_mchid).id
    appids = bindings_by_sub_merchant(partner_id)
    shown = [
        present_sub_merchant(row, appids.get(row.id, ()))
        for row in list_sub_merchants(partner_id=partner_id)
    ]
    lines = [
        f"{each['sub_mchid']:<12} under {each['sp_mchid']:<12} {each['state']:<10} {each['name']}"
        for each in shown
    ]
    emit(shown, as_json, lines or ["No sub-merchant yet. Add one with: submerchant add"])


@submerchant.command("show")
@click.argument("sub_mchid")
@under_option
@json_option
def show(sub_mchid: str, sp_mchid: str | None, as_json: bool) -> None:
    """A sub-merchant with its appids and directories."""
    _emit_sub_merchant(get_sub_merchant(sub_mchid, sp_mchid), as_json)


@submerchant.command("suspend")
@click.argument("sub_mchid")
@under_option
@json_option
def suspend_one(sub_mchid: str, sp_mchid: str | None, as_json: bool) -> None:
    """Nothing new from the next request on; reading still works."""
    row = suspend(sub_merchant=get_sub_merchant(sub_mchid, sp_mchid))
    _emit_sub_merchant(row, as_json)


@submerchant.command("resume")
@click.argument("sub_mchid")
@under_option
@json_option
def resume_one(sub_mchid: str, sp_mchid: str | None, as_json: bool) -> None:
    """Trade as before."""
    row = resume(sub_merchant=get_sub_merchant(sub_mchid, sp_mchid))
    _emit_sub_merchant(row, as_json)


@appid.command("add")
@click.argument("sub_mchid")
@click.argument("sub_appid")
@under_option
@json_option
def appid_add(sub_mchid: str, sub_appid: str, sp_mchid: str | None, as_json: bool) -> None:
    """Bind one more appid, as wx… or wx…:mini_program."""
    row = get_sub_merchant(sub_mchid, sp_mchid)
    bindings.bind_appid(sub_merchant=row, appid=bindings.parse_appid(sub_appid))
    _emit_sub_merchant(row, as_json)


@appid.command("remove")
@click.argument("sub_mchid")
@click.argument("sub_appid")
@under_option
@json_option
def appid_remove(sub_mchid: str, sub_appid: str, sp_mchid: str | None, as_json: bool) -> None:
    """Let go of an appid; orders already placed keep theirs."""
    row = get_sub_merchant(sub_mchid, sp_mchid)
    bindings.unbind_appid(sub_merchant=row, sub_appid=sub_appid)
    _emit_sub_merchant(row, as_json)


@submerchant.command("appid-secret")
@click.argument("sub_mchid")
@click.argument("sub_appid", metavar="APPID")
@click.option("--secret-file", required=True, type=Path, help="Holds the AppSecret, nothing else.")
@under_option
@json_option
def appid_secret(
    sub_mchid: str, sub_appid: str, secret_file: Path, sp_mchid: str | None, as_json: bool
) -> None:
    """Keep the secret of an appid, so that payers on its pages become known."""
    row = get_sub_merchant(sub_mchid, sp_mchid)
    secret = read_app_secret(secret_file)
    app_secrets.set_app_secret(sub_merchant=row, sub_appid=sub_appid, secret=secret)
    _emit_sub_merchant(row, as_json)


@directory.command("add")
@click.argument("sub_mchid")
@click.argument("url")
@under_option
@json_option
def directory_add(sub_mchid: str, url: str, sp_mchid: str | None, as_json: bool) -> None:
    """Say that a directory was set at WeChat Pay for this sub-merchant."""
    row = add_directory(sub_merchant=get_sub_merchant(sub_mchid, sp_mchid), url=url)
    shown = present_directory(row)
    emit(shown, as_json, [f"{row.url} is in force from {shown_time(shown['in_force_at'])} on."])


@directory.command("list")
@click.argument("sub_mchid")
@under_option
@json_option
def directory_list(sub_mchid: str, sp_mchid: str | None, as_json: bool) -> None:
    """The sub-merchant's own directories."""
    rows = list_directories(get_sub_merchant(sub_mchid, sp_mchid))
    shown = [present_directory(row) for row in rows]
    lines = [f"{each['url']}  in force from {shown_time(each['in_force_at'])}" for each in shown]
    emit(shown, as_json, lines or ["No directory of its own; the provider's may cover it."])


@directory.command("remove")
@click.argument("sub_mchid")
@click.argument("url")
@under_option
@json_option
def directory_remove(sub_mchid: str, url: str, sp_mchid: str | None, as_json: bool) -> None:
    """Say that a directory was taken away at WeChat Pay."""
    removed = remove_directory(sub_merchant=get_sub_merchant(sub_mchid, sp_mchid), url=url)
    emit({"url": removed, "removed": True}, as_json, [f"{removed} is removed."])


@directory.command("check")
@click.argument("sub_mchid")
@click.argument("url")
@under_option
@json_option
def directory_check(sub_mchid: str, url: str, sp_mchid: str | None, as_json: bool) -> None:
    """Which directory covers a page, or why none does."""
    verdict = directory_for(get_sub_merchant(sub_mchid, sp_mchid), url)
    emit({"page_url": url, **verdict.as_dict()}, as_json, verdict.lines())


@apikey.command("issue")
@click.argument("sub_mchid")
@click.option(
    "scopes",
    "--scope",
    multiple=True,
    help=f"All but refunds:write by default. There are: {', '.join(sorted(Permission))}.",
)
@click.option("--expires-at", help="RFC 3339, such as 2030-01-31T00:00:00+08:00")
@click.option("--label", default="", help="What the key is for.")
@click.option("networks", "--allow-network", multiple=True, help="CIDR; anywhere by default.")
@under_option
@json_option
def issue(
    sub_mchid: str,
    scopes: tuple[str, ...],
    expires_at: str | None,
    label: str,
    networks: tuple[str, ...],
    sp_mchid: str | None,
    as_json: bool,
) -> None:
    """Issue a key. It is shown this once."""
    issued = issue_key(
        sub_merchant=get_sub_merchant(sub_mchid, sp_mchid),
        scopes=scopes,
        expires_at=_moment(expires_at),
        label=label,
        allowed_networks=networks,
    )
    shown = {**present_api_key(issued.row), "key": issued.key.reveal()}
    said = [issued.key.reveal(), f"This is {issued.row.id}. The key is not shown again."]
    emit(shown, as_json, said)


@apikey.command("list")
@click.argument("sub_mchid")
@under_option
@json_option
def list_issued(sub_mchid: str, sp_mchid: str | None, as_json: bool) -> None:
    """A sub-merchant's keys by prefix, scopes and use."""
    shown = [present_api_key(row) for row in list_keys(get_sub_merchant(sub_mchid, sp_mchid))]
    lines = [
        f"{each['id']}  {each['prefix']}_…  {each['state']:<8} "
        f"last used {shown_time(each['last_used_at'])}  {' '.join(each['scopes'])}"
        for each in shown
    ]
    emit(shown, as_json, lines or ["No key yet. Issue one with: apikey issue"])


@apikey.command("revoke")
@click.argument("key_id", metavar="ID")
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """Stop a key counting, everywhere, at once."""
    row = revoke_key_as_provider(key_id)
    emit(present_api_key(row), as_json, [f"{row.id} is revoked."])


def _emit_sub_merchant(row: SubMerchant, as_json: bool) -> None:
    shown = present_with_directories(row)
    appids = [
        f"{each['sub_appid']} ({each['kind']}{', with secret' if each['has_app_secret'] else ''})"
        for each in shown["sub_appids"]
    ]
    lines = [
        f"{shown['sub_mchid']}  {shown['name']}  {shown['state']}  under {shown['sp_mchid']}",
        f"appids      {', '.join(appids) or 'none of its own; the provider has some'}",
        *(f"directory   {each['url']}" for each in shown["directories"]),
    ]
    emit(shown, as_json, lines)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text} is not an RFC 3339 time", param_hint="expires-at"
        ) from error
    if moment.tzinfo is None:
        raise click.BadParameter(
            f"{text} does not say its zone; end it in Z or +08:00", param_hint="expires-at"
        )
    return moment.astimezone(UTC)
