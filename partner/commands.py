"""`flask partner …`: providers, their keys and their directories, from the terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup

from config.commands import emit, json_option, shown_time
from config.vault import Secret
from partner import app_secrets, credentials, directories, inputs
from partner.check import check_partner
from partner.credentials import get_partner, list_partners
from partner.errors import Fault, InvalidPartner
from partner.models import BillScope, Partner, RefreshState
from partner.platform_keys import Refreshed, refresh
from partner.presenter import present_directory, present_partner, present_summary

MAX_FILE_BYTES = 64 * 1024

partner = AppGroup("partner", help="Service providers: their keys, appids and directories.")
directory = AppGroup("directory", help="Payment directories for all sub-merchants of a provider.")
appid = AppGroup("appid", help="Appids bound to a provider.")
partner.add_command(directory)
partner.add_command(appid)


_SCOPES = click.Choice([scope.value for scope in BillScope])


def register(app: Flask) -> None:
    """Give the application these commands."""
    app.cli.add_command(partner)
    app.cli.add_command(simulator)


@click.command(
    "simulator",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def simulator(words: tuple[str, ...]) -> None:
    """WeChat Pay's partner side in a process: the same program as `python -m partner.simulator`."""
    os.execv(  # noqa: S606 - our own program, in place of this process
        sys.executable, [sys.executable, "-m", "partner.simulator", *words]
    )


@partner.command("add")
@click.option("--sp-mchid", required=True)
@click.option("--name", required=True)
@click.option("--currency", default="CNY", show_default=True)
@click.option("sp_appids", "--sp-appid", multiple=True, required=True, help="The first is default.")
@click.option("--private-key", required=True, type=Path, help="apiclient_key.pem")
@click.option("--certificate", type=Path, help="apiclient_cert.pem")
@click.option("--serial-no", help="In place of the certificate.")
@click.option("--api-v3-key-file", required=True, type=Path)
@click.option("--wechatpay-public-key", type=Path, help="pub_key.pem")
@click.option("--wechatpay-public-key-id", help="PUB_KEY_ID_…")
@click.option("--appid-limit", type=int, default=credentials.DEFAULT_APPID_LIMIT, show_default=True)
@click.option("--bill-scope", type=_SCOPES, default=BillScope.PROVIDER.value, show_default=True)
@json_option
def add(as_json: bool, **given: Any) -> None:
    """Add a provider. Everything is checked before anything is written."""
    files = _Files()
    keys: dict[str, Any] = {
        "private_key_pem": files.secret("private_key", given["private_key"]),
        "certificate_pem": files.text("certificate", given["certificate"]),
        "serial_no": given["serial_no"],
        "api_v3_key": files.secret("api_v3_key", given["api_v3_key_file"]),
        "wechatpay_public_key_pem": files.text(
            "wechatpay_public_key", given["wechatpay_public_key"]
        ),
        "wechatpay_public_key_id": given["wechatpay_public_key_id"],
    }
    named = {name: given[name] for name in ("sp_mchid", "name", "currency", "sp_appids")}
    files.raise_with(
        *inputs.identity_faults(**named, appid_limit=given["appid_limit"]),
        *inputs.read_keys(sp_mchid=given["sp_mchid"], **keys).faults,
    )
    added = credentials.add_partner(
        **named,
        **keys,
        appid_limit=given["appid_limit"],
        bill_scope=BillScope(given["bill_scope"]),
    )
    fetched = refresh(added)
    document = {**present_partner(added), "refresh": _present_refreshed(fetched)}
    said = f"Added {added.sp_mchid} {added.name}."
    emit(document, as_json, [said, _said(fetched), f"Now run: partner check {added.sp_mchid}"])


@partner.command("bill-scope")
@click.argument("sp_mchid")
@click.argument("scope", type=_SCOPES)
@json_option
def bill_scope(sp_mchid: str, scope: str, as_json: bool) -> None:
    """Fetch one bill a day for the PROVIDER, or one for each SUB_MERCHANT, from now on."""
    set_to = credentials.set_bill_scope(partner=get_partner(sp_mchid), bill_scope=BillScope(scope))
    said = f"{sp_mchid}: bills by {set_to.bill_scope.value} from now on."
    emit(present_partner(set_to), as_json, [said])


@partner.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """Every provider of this installation."""
    shown = [present_summary(each) for each in list_partners()]
    lines = [
        f"{each['sp_mchid']:<12} {each['currency']}  {each['name']}  {' '.join(each['sp_appids'])}"
        for each in shown
    ]
    emit(shown, as_json, lines or ["No provider yet. Add one with: partner add"])


@partner.command("show")
@click.argument("sp_mchid")
@json_option
def show(sp_mchid: str, as_json: bool) -> None:
    """A provider with its keys by name and date, and what needs attention."""
    shown = present_partner(get_partner(sp_mchid))
    emit(shown, as_json, _lines(shown))


@partner.command("check")
@click.argument("sp_mchid")
@json_option
def check(sp_mchid: str, as_json: bool) -> None:
    """Sign, call, verify and decrypt for real, and say which input is wrong."""
    report = check_partner(get_partner(sp_mchid))
    lines = [
        f"{'ok   ' if each.ok else 'WRONG'}  {each.check:<24} {each.explanation}"
        for each in report.checks
    ]
    emit(report.as_dict(), as_json, lines)
    if not report.ok:
        raise click.exceptions.Exit(1)


@partner.command("refresh-certificates")
@click.argument("sp_mchid")
@json_option
def refresh_certificates(sp_mchid: str, as_json: bool) -> None:
    """Fetch WeChat Pay's platform certificates now."""
    fetched = refresh(get_partner(sp_mchid))
    emit({"sp_mchid": sp_mchid, **_present_refreshed(fetched)}, as_json, [_said(fetched)])
    if fetched.state is RefreshState.FAILED:
        raise click.exceptions.Exit(1)


@partner.command("rotate-key")
@click.argument("sp_mchid")
@click.option("--private-key", required=True, type=Path)
@click.option("--certificate", type=Path)
@click.option("--serial-no")
@json_option
def rotate_key(
    sp_mchid: str,
    private_key: Path,
    certificate: Path | None,
    serial_no: str | None,
    as_json: bool,
) -> None:
    """Sign with another merchant key from now on."""
    target, files = get_partner(sp_mchid), _Files()
    private_key_pem = files.secret("private_key", private_key)
    certificate_pem = files.text("certificate", certificate)
    files.raise_with()
    rotated = credentials.rotate_merchant_key(
        partner=target,
        private_key_pem=inputs.required(private_key_pem),
        certificate_pem=certificate_pem,
        serial_no=serial_no,
    )
    _emit_partner(rotated, as_json)


@partner.command("rotate-api-v3-key")
@click.argument("sp_mchid")
@click.option("--api-v3-key-file", required=True, type=Path)
@json_option
def rotate_api_v3_key(sp_mchid: str, api_v3_key_file: Path, as_json: bool) -> None:
    """Open with another API v3 key first; the one before still opens what is on its way."""
    target, files = get_partner(sp_mchid), _Files()
    key = files.secret("api_v3_key", api_v3_key_file)
    files.raise_with()
    rotated = credentials.rotate_api_v3_key(partner=target, api_v3_key=inputs.required(key))
    _emit_partner(rotated, as_json)


@partner.command("add-public-key")
@click.argument("sp_mchid")
@click.option("--wechatpay-public-key", required=True, type=Path)
@click.option("--wechatpay-public-key-id", required=True)
@json_option
def add_public_key(
    sp_mchid: str, wechatpay_public_key: Path, wechatpay_public_key_id: str, as_json: bool
) -> None:
    """Trust WeChat Pay's public key beside its certificates."""
    target, files = get_partner(sp_mchid), _Files()
    pem = files.text("wechatpay_public_key", wechatpay_public_key)
    files.raise_with()
    added = credentials.add_wechatpay_public_key(
        partner=target, pem=inputs.required(pem), key_id=wechatpay_public_key_id
    )
    _emit_partner(added, as_json)


@appid.command("add")
@click.argument("sp_mchid")
@click.argument("sp_appid")
@click.option("--appid-limit", type=int, help="Raise how many this number may bind.")
@json_option
def appid_add(sp_mchid: str, sp_appid: str, appid_limit: int | None, as_json: bool) -> None:
    """Bind one more appid."""
    bound = credentials.bind_appid(
        partner=get_partner(sp_mchid), sp_appid=sp_appid, appid_limit=appid_limit
    )
    _emit_partner(bound, as_json)


@appid.command("remove")
@click.argument("sp_mchid")
@click.argument("sp_appid")
@json_option
def appid_remove(sp_mchid: str, sp_appid: str, as_json: bool) -> None:
    """Let go of an appid."""
    _emit_partner(
        credentials.unbind_appid(partner=get_partner(sp_mchid), sp_appid=sp_appid), as_json
    )


@partner.command("appid-secret")
@click.argument("sp_mchid")
@click.argument("sp_appid", metavar="APPID")
@click.option("--secret-file", required=True, type=Path, help="Holds the AppSecret, nothing else.")
@json_option
def appid_secret(sp_mchid: str, sp_appid: str, secret_file: Path, as_json: bool) -> None:
    """Keep the secret of an official account, so that payers on its pages become known."""
    target = get_partner(sp_mchid)
    secret = app_secrets.read_app_secret(secret_file)
    app_secrets.set_app_secret(partner=target, sp_appid=sp_appid, secret=secret)
    _emit_partner(target, as_json)


@directory.command("add")
@click.argument("sp_mchid")
@click.argument("url")
@json_option
def directory_add(sp_mchid: str, url: str, as_json: bool) -> None:
    """Say that a directory was set at WeChat Pay for the whole provider."""
    row = directories.add_directory(partner=get_partner(sp_mchid), url=url)
    shown = present_directory(row)
    emit(shown, as_json, [f"{row.url} is in force from {shown_time(shown['in_force_at'])} on."])


@directory.command("list")
@click.argument("sp_mchid")
@json_option
def directory_list(sp_mchid: str, as_json: bool) -> None:
    """The provider-wide directories."""
    rows = directories.list_directories(get_partner(sp_mchid).id)
    shown = [present_directory(row) for row in rows]
    lines = [f"{each['url']}  in force from {shown_time(each['in_force_at'])}" for each in shown]
    emit(shown, as_json, lines or ["No provider-wide directory is set."])


@directory.command("remove")
@click.argument("sp_mchid")
@click.argument("url")
@json_option
def directory_remove(sp_mchid: str, url: str, as_json: bool) -> None:
    """Say that a directory was taken away at WeChat Pay."""
    removed = directories.remove_directory(partner=get_partner(sp_mchid), url=url)
    emit({"url": removed, "removed": True}, as_json, [f"{removed} is removed."])


class _Files:
    """Reads what a command was pointed at, and keeps every fault for one report."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def text(self, name: str, path: Path | None) -> str | None:
        """The text of a file; None where none was named, or with a fault noted."""
        if path is None:
            return None
        try:
            with path.open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                self.faults.append(Fault(name, f"{path} is too large to be a key"))
                return None
            return content.decode("utf-8-sig")
        except OSError as error:
            self.faults.append(Fault(name, f"{path} cannot be read: {error.strerror}"))
        except UnicodeDecodeError:
            self.faults.append(Fault(name, f"{path} is not a text file"))
        return None

    def secret(self, name: str, path: Path | None) -> Secret | None:
        """The same, as a secret."""
        text = self.text(name, path)
        return None if text is None else Secret(text)

    def raise_with(self, *others: Fault) -> None:
        """Raise InvalidPartner when any file or any other input has a fault."""
        unread = {fault.field for fault in self.faults}
        if faults := [*self.faults, *(each for each in others if each.field not in unread)]:
            raise InvalidPartner(faults)


def _emit_partner(changed: Partner, as_json: bool) -> None:
    shown = present_partner(changed)
    emit(shown, as_json, _lines(shown))


def _present_refreshed(fetched: Refreshed) -> dict[str, Any]:
    return {
        "state": fetched.state,
        "serials": list(fetched.serials),
        "changed": fetched.changed,
        "problem": fetched.problem,
    }


def _said(fetched: Refreshed) -> str:
    if fetched.state is RefreshState.DONE:
        return f"WeChat Pay's certificates: {', '.join(fetched.serials)}."
    if fetched.state is RefreshState.PUBLIC_KEY_ONLY:
        return "WeChat Pay has no certificates for this number: it uses the public key only."
    return (
        f"WeChat Pay's certificates were not fetched: {fetched.problem}. What was stored stays in "
        "use; try again with: partner refresh-certificates"
    )


def _lines(shown: dict[str, Any]) -> Sequence[str]:
    return [
        f"{shown['sp_mchid']}  {shown['name']}  {shown['currency']}",
        f"appids        {' '.join(shown['sp_appids'])} (at most {shown['appid_limit']})",
        f"app secrets   {' '.join(shown['appids_with_secret']) or 'none is set'}",
        *(
            f"merchant key  {key['serial_no']}  {key['state']}  "
            f"until {shown_time(key['expires_at'])}"
            for key in shown["merchant_keys"]
        ),
        *(
            f"API v3 key    {key['state']}  since {shown_time(key['created_at'])}"
            for key in shown["api_v3_keys"]
        ),
        *(
            f"WeChat Pay    {key['serial']}  {key['kind']}  until {shown_time(key['expires_at'])}"
            for key in shown["wechatpay_keys"]
        ),
        *(f"directory     {each['url']}" for each in shown["directories"]),
        *(f"ATTENTION     {warning}" for warning in shown["warnings"]),
    ]
