"""The doctor and the directory preflight, at both doors: which link is missing, drawn as a chain.

Walking the chain calls WeChat Pay for real, so it is asked for with a form and counted; judging a
page's address looks into our own books only and lives in the page's address.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from admin_ui.refusals import in_words
from config.errors import AppError
from config.i18n import language_tag
from config.words import Words
from payments.api.limits import check_diagnosis_rate
from payments.diagnosis.diagnose import diagnose
from submerchants.directories.match import LEVELS, directories_of, directory_for
from submerchants.doctor.diagnosis import Diagnosis, Outcome, Step
from submerchants.doctor.findings import Link
from submerchants.tenants.models import SubMerchant

LONGEST_ADDRESS = 512

LINKS: dict[Link, Any] = {
    Link.PUBLIC_ADDRESS: _l("Public address"),
    Link.KEYS: _l("Keys"),
    Link.CLOCK: _l("Clock"),
    Link.CONNECTION: _l("Connection"),
    Link.SP_MCHID: _l("Provider's number"),
    Link.SP_APPID: _l("Provider's appid"),
    Link.SUB_MCHID: _l("Sub-merchant's number"),
    Link.SUB_APPID: _l("Sub-merchant's appid"),
    Link.OPENID: _l("Openid"),
    Link.OAUTH_DOMAIN: _l("Sign-in domain"),
    Link.DIRECTORY: _l("Payment directory"),
    Link.H5_DOMAIN: _l("H5 domain"),
    Link.PRODUCT: _l("Product"),
    Link.RISK_CONTROL: _l("Risk control"),
    Link.RATE: _l("Rate"),
    Link.REQUEST: _l("Request"),
    Link.ORDER: _l("Order"),
    Link.PAY_PARAMS: _l("Payment parameters"),
    Link.ENVIRONMENT: _l("Where it is opened"),
    Link.PAYER: _l("Payer"),
    Link.BALANCE: _l("Balance"),
    Link.BILL: _l("Bill"),
    Link.WECHATPAY: _l("WeChat Pay"),
}
OUTCOMES: dict[Outcome, tuple[Any, str, str]] = {
    Outcome.OK: (_l("holds"), "good", "check"),
    Outcome.MISSING: (_l("missing"), "bad", "x"),
    Outcome.UNKNOWN: (_l("unknown"), "warn", "dots"),
    Outcome.NOT_ASKED: (_l("not asked"), "idle", "circle-dashed"),
}
_WORST_FIRST = (Outcome.MISSING, Outcome.UNKNOWN, Outcome.OK, Outcome.NOT_ASKED)


@dataclass(frozen=True, slots=True)
class Told:
    """Something that was found, in the reader's language."""

    link: Link
    is_first: bool  # of those about this link
    name: Any
    said: str
    outcome: Outcome
    subject: str | None
    who: str | None
    where: str | None
    how_long: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """One link of the drawn chain, by the worst that was found of it."""

    link: Link
    name: Any
    outcome: Outcome


def doctor_page(
    door: str,
    sub_merchant: SubMerchant,
    found: Diagnosis | None = None,
    refusal: AppError | None = None,
) -> str:
    """Where the walk is asked for, with what it found; and the verdict over a page's address."""
    url = _address(request.args.get("url"))
    wants_part = bool(request.headers.get("HX-Request"))
    return render_template(
        "doctor/result.html" if wants_part else "doctor/doctor.html",
        door=door,
        sub_merchant=sub_merchant,
        url=url,
        page_url=_address(request.form.get("page_url")),
        verdict=directory_for(sub_merchant, url) if url else None,
        directories=directories_of(sub_merchant),
        in_language=_in_language,
        levels=LEVELS,
        found=found,
        chain=_chain(found.steps) if found else (),
        told=_all_told(found.steps) if found else (),
        missing=_told(found.verdict) if found and found.verdict else None,
        outcomes=OUTCOMES,
        refusal=in_words(refusal) if refusal else None,
    )


def walk(door: str, sub_merchant: SubMerchant) -> ResponseReturnValue:
    """Walk the whole chain now; for htmx the answer is the result alone."""
    page_url = _address(request.form.get("page_url"))
    try:
        check_diagnosis_rate(sub_merchant.id)
        found = diagnose(sub_merchant=sub_merchant, page_url=page_url or None)
    except AppError as refusal:
        # htmx draws successes only; the refusal is what is to be drawn.
        status = 200 if request.headers.get("HX-Request") else refusal.status
        return doctor_page(door, sub_merchant, refusal=refusal), status
    return doctor_page(door, sub_merchant, found)


def _address(text: str | None) -> str:
    return (text or "").strip()[:LONGEST_ADDRESS]


def _in_language(words: Words) -> str:
    return str(words.in_language(language_tag()))


def _all_told(steps: Sequence[Step]) -> list[Told]:
    firsts = {step.link: step for step in reversed(steps)}
    return [_told(step, is_first=firsts[step.link] is step) for step in steps]


def _told(step: Step, *, is_first: bool = True) -> Told:
    shown = step.as_dict(language_tag())
    return Told(
        link=step.link,
        is_first=is_first,
        name=LINKS[step.link],
        said=str(shown["said"]),
        outcome=step.outcome,
        subject=step.subject,
        who=_in_language(step.who.words) if step.who else None,
        where=shown["where"],
        how_long=shown["how_long"],
    )


def _chain(steps: Sequence[Step]) -> Iterator[Node]:
    for link in dict.fromkeys(step.link for step in steps):
        outcomes = {step.outcome for step in steps if step.link is link}
        worst = next(outcome for outcome in _WORST_FIRST if outcome in outcomes)
        yield Node(link, LINKS[link], worst)
