"""`flask submerchant doctor …`: which link is missing, who mends it, and where."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import click
from flask import Flask
from flask.cli import with_appcontext

from config.commands import emit, json_option
from config.words import Words
from payments.diagnosis.diagnose import diagnose
from submerchants.commands import submerchant, under_option
from submerchants.doctor.diagnosis import Diagnosis, Outcome, Step
from submerchants.tenants.queries import get_sub_merchant

LANGUAGES: Final = ("zh", "en")

_OUTCOMES: Final = {
    Outcome.OK: Words("通过", "ok"),
    Outcome.MISSING: Words("缺失", "MISSING"),
    Outcome.UNKNOWN: Words("未知", "unknown"),
    Outcome.NOT_ASKED: Words("未查", "not asked"),
}
_WHO: Final = Words("谁来改", "who")
_WHERE: Final = Words("在哪里", "where")
_HOW_LONG: Final = Words("多久生效", "works")
_WHOLE: Final = Words("没有发现缺失的环节。", "No link was found missing.")
_FIRST: Final = Words("第一个缺失的环节", "The first missing link")


def register(app: Flask) -> None:
    """Add the doctor to `flask submerchant`."""
    submerchant.add_command(doctor)


@click.command("doctor")
@click.argument("sub_mchid")
@click.option("--page-url", help="The page that will open the cashier.")
@click.option("--language", type=click.Choice(LANGUAGES), help="zh or en; by LANG when left out.")
@under_option
@with_appcontext
@json_option
def doctor(
    sub_mchid: str,
    page_url: str | None,
    language: str | None,
    sp_mchid: str | None,
    as_json: bool,
) -> None:
    """Walk every link to WeChat Pay and name the first missing one; ends with 1 when one is."""
    spoken = language or _language_of_terminal()
    found = diagnose(sub_merchant=get_sub_merchant(sub_mchid, sp_mchid), page_url=page_url)
    emit(found.as_dict(spoken), as_json, _lines(found, spoken))
    if not found.ok:
        raise click.exceptions.Exit(1)


def _lines(found: Diagnosis, language: str) -> Iterator[str]:
    yield f"{found.sub_mchid}  {found.sp_mchid}  {found.page_url or ''}".rstrip()
    for step in found.steps:
        outcome = _OUTCOMES[step.outcome].in_language(language)
        about = f" [{step.subject}]" if step.subject else ""
        yield f"{outcome:<10}{step.link.value:<15} {step.said.in_language(language)}{about}"
        if step.outcome is not Outcome.OK:
            yield from _remedy(step, language)
    if found.verdict is None:
        yield _WHOLE.in_language(language)
    else:
        yield f"{_FIRST.in_language(language)}: {found.verdict.link.value}"


def _remedy(step: Step, language: str) -> Iterator[str]:
    parts = ((_WHO, step.who.words if step.who else None), (_WHERE, step.where))
    for heading, told in (*parts, (_HOW_LONG, step.how_long)):
        if told is not None:
            yield f"{'':<26}{heading.in_language(language)}: {told.in_language(language)}"


def _language_of_terminal() -> str:
    spoken = os.environ.get("LC_ALL") or os.environ.get("LANG") or ""
    return "zh" if spoken.startswith("zh") else "en"
