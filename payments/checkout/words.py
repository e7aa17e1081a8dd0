"""What a payer reads: short, human, and what to do next. Drawing of the templates is here too.

Nothing here names what is wrong on the merchant's side. That is written down elsewhere, under the
reference number the payer sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import g, render_template
from flask_babel import lazy_gettext as _l

from config.clock import BEIJING
from config.errors import AppError
from payments.checkout import assets
from payments.checkout.language import language_tag
from payments.money import format_yuan
from submerchants.doctor.findings import Finding, Who

Text = Any  # a text of the catalogues, or one that is in the right language already


@dataclass(frozen=True, slots=True)
class Notice:
    """One page, or one note on a page: what happened and what to do."""

    title: Text
    advice: Text
    icon: str = "warn"
    again: Text | None = None  # what the button that opens the link once more says
    shows_reference: bool = True


_AGAIN = _l("Try again")

NOT_FOUND = Notice(
    _l("This payment link does not exist"),
    _l(
        "It may have been cut off on its way to you. Open it again from the merchant's message, or "
        "ask the merchant to send a new one. Nothing was charged."
    ),
    shows_reference=False,
)
_NOTICES: dict[str, Notice] = {
    "checkout_link_not_found": NOT_FOUND,
    "checkout_link_busy": Notice(
        _l("Somebody else is paying this just now"),
        _l("Wait a few seconds, then try again. It is never charged twice."),
        icon="wait",
        again=_AGAIN,
        shows_reference=False,
    ),
    "checkout_link_not_payable": Notice(
        _l("This link can no longer be paid"),
        _l("Ask the merchant for a new link."),
        shows_reference=False,
    ),
    "checkout_too_many_payers": Notice(
        _l("This link can no longer be paid"),
        _l("Too many people have tried it. Ask the merchant for a new link."),
    ),
    "merchant_paused": Notice(
        _l("The merchant takes no payments just now"),
        _l("Nothing was charged. Ask the merchant when to come back."),
        icon="wait",
    ),
    "payer_unknown": Notice(
        _l("Please open the link again"),
        _l("WeChat has to tell us once more who is paying."),
        icon="wait",
        again=_l("Open again"),
        shows_reference=False,
    ),
    "foreign_request": Notice(
        _l("This page is out of date"),
        _l("Open the link again, then pay."),
        again=_l("Open again"),
        shows_reference=False,
    ),
    "rate_limited": Notice(
        _l("A little too fast"),
        _l("Wait a moment, then try again."),
        icon="wait",
        again=_AGAIN,
        shows_reference=False,
    ),
    "sign_in_over": Notice(
        _l("The sign-in has run out"),
        _l("WeChat lets it live for a few minutes only. Try again from this page."),
        icon="wait",
        again=_AGAIN,
        shows_reference=False,
    ),
    "sign_in_declined": Notice(
        _l("WeChat did not tell us who is paying"),
        _l(
            "Without that, the payment cannot be opened. Try again and allow it; we learn nothing "
            "but a number that stands for you."
        ),
        again=_AGAIN,
        shows_reference=False,
    ),
    "virtual_payer": Notice(
        _l("This is only a preview of the page"),
        _l("Tap “Use full service” at the bottom of WeChat's preview, then pay."),
        again=_AGAIN,
        shows_reference=False,
    ),
}
_MERCHANTS_TURN = Notice(
    _l("This payment cannot be taken yet"),
    _l(
        "Something is not set up on the merchant's side. It has been recorded. Nothing was "
        "charged; tell the merchant the number below, or try again later."
    ),
    again=_AGAIN,
)
_SILENT = Notice(
    _l("WeChat does not answer just now"),
    _l("Try again in a moment. It is never charged twice."),
    icon="wait",
    again=_AGAIN,
)


def notice_of(error: AppError, finding: Finding | None) -> Notice:
    """What the payer is told of an error."""
    if finding is not None:
        return notice_of_finding(finding)
    if (known := _NOTICES.get(error.code)) is not None:
        return known
    return _SILENT if error.status in (429, 503) else _MERCHANTS_TURN


def notice_of_finding(finding: Finding) -> Notice:
    """The same of what the doctor found; what payers can mend themselves they are told."""
    if finding.who is not Who.PAYER:
        return _MERCHANTS_TURN
    return Notice(_MERCHANTS_TURN.title, finding.missing.in_language(language_tag()), again=_AGAIN)


def draw(template: str, **values: Any) -> str:
    """A page of ours in the payer's language."""
    return render_template(
        f"checkout/{template}.html",
        asset=assets.address,
        amount=amount,
        moment=moment,
        tag=language_tag(),
        reference=g.get("request_id", ""),
        **values,
    )


def amount(amount_fen: int, currency: str) -> str:
    """¥28.00; other currencies by their code."""
    whole, _, cents = format_yuan(amount_fen).partition(".")
    sign = "¥" if currency == "CNY" else f"{currency} "
    return f"{sign}{int(whole):,}.{cents}"


def moment(value: datetime | None) -> str:
    """A moment as a clock in Beijing shows it."""
    return "" if value is None else value.astimezone(BEIJING).strftime("%Y-%m-%d %H:%M:%S")
