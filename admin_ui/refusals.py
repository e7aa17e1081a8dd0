"""A refusal in the reader's language: why something was not done, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_ui.webhook_words import problem
from admin_ui.wording import fact_name
from config.errors import AppError
from config.i18n import language_tag
from submerchants.doctor.explain import explain_kept

_REFUSALS: dict[str, Any] = {
    "sign_in_refused": _l("That did not match. Check what you typed and try again."),
    "code_refused": _l("That code is wrong, or it was used already. Wait for the next one."),
    "too_many_tries": _l("Too many tries. Wait a while, then try again."),
    "not_an_amount": _l("Give an amount in yuan, such as 12.80."),
    "incomplete_card": _l("Give the bank, the card number and the cardholder's name."),
    "refund_exceeds_balance": _l("That is more than the order still holds."),
    "too_many_refunds": _l("WeChat Pay takes no further refund of this order."),
    "refund_too_late": _l("The order was paid more than a year ago; settle it with the payer."),
    "order_not_refundable": _l("Only a paid order can be refunded."),
    "refund_conflict": _l("This form was sent before with other content. Open the page again."),
    "refunds_too_fast": _l("Too many refunds were refused just now. Wait a moment."),
    "refund_not_abnormal": _l("It is abnormal no longer. Look at where it stands now."),
    "not_a_refund_number": _l(
        "That is no refund number: it has up to 64 letters, digits and _-|*@, without blanks."
    ),
    "refund_unknown": _l(
        "WeChat Pay knows no refund of this number for this sub-merchant. Look for 商户退款单号, "
        "not 微信支付退款单号."
    ),
    "refund_before_payment": _l(
        "WeChat Pay was asked about the order of this refund, and it is still not paid. Try again "
        "in a moment."
    ),
    "not_a_decision": _l("Say in at most 500 characters what was decided and why."),
    "discrepancy_not_open": _l(
        "This difference is not open any more: somebody decided about it, or it healed by itself."
    ),
    "not_a_moment": _l("Give a day and a time."),
    "idempotency_key_reused": _l(
        "This form was sent before with other content. Open the page again."
    ),
    "idempotency_in_progress": _l("This form is being worked on already. Wait a moment."),
    "rate_limited": _l("A little too fast. Wait a minute, then try again."),
    "suspended": _l("Suspended: reading works, nothing new can be started."),
    "too_many_webhook_endpoints": _l("There are as many endpoints as can be. Delete one first."),
    "webhook_secret_is_rolling": _l(
        "The former secret still signs. If one is in wrong hands, delete the endpoint and add it "
        "anew."
    ),
    "webhook_endpoint_disabled": _l("This endpoint is disabled. Enable it first."),
    "no_webhook_endpoint": _l("No enabled endpoint wants events of this type."),
    "webhook_test_under_way": _l("A test event is on its way already. Wait for it."),
    "checkout_link_conflict": _l(
        "This number already names a link or an order with other content. Use a new one."
    ),
    "checkout_link_paid": _l("It has been paid. Give the money back from its order instead."),
    "checkout_without_account": _l(
        "Payers cannot become known yet: no official account has its app secret set. Ask your "
        "service provider."
    ),
    "expires_at_out_of_range": _l("It may last from one minute to seven days."),
    "wechatpay_outcome_unknown": _l(
        "WeChat Pay did not answer. It is asked until it is known; do not send it again."
    ),
    "wechatpay_rate_limited": _l("WeChat Pay takes no more requests just now. Wait a moment."),
}


_FIELDS: dict[str, Any] = {
    "url": _l("Address"),
    "description": _l("Description"),
    "event_types": _l("Which events"),
    "amount_fen": _l("Amount in yuan"),
    "merchant_order_no": _l("Your own number"),
    "expires_at": _l("Until when"),
}


def _fields(error: AppError) -> str:
    told: Any = error.detail.get("fields") or ()
    names = dict.fromkeys(str(each["field"]).partition(".")[0] for each in told)
    named = " · ".join(str(_FIELDS.get(name, name)) for name in names)
    return str(_("This cannot be taken as it is. Check: %(fields)s", fields=named))


def _refused_url(error: AppError) -> str:
    why = problem(error.message.removeprefix("Webhooks cannot go there. "))
    return str(_("Webhooks cannot go there. %(why)s", why=why))


def _no_order(error: AppError) -> str:
    return str(
        _(
            "This refund is of the payment %(number)s, which was not placed here. Look for it in "
            "the system that placed it.",
            number=error.detail.get("out_trade_no"),
        )
    )


def _disagreement(error: AppError) -> str:
    told: Any = error.detail.get("fields") or ()
    return str(
        _(
            "WeChat Pay has this refund, and it does not agree with the order: %(fields)s. Nothing "
            "was changed. Your service provider has to compare both.",
            fields=", ".join(fact_name(name) for name in told),
        )
    )


def _uncovered_page(error: AppError) -> str:
    return str(
        _(
            "WeChat would not open its cashier on the checkout page. Ask your service provider to "
            "set %(directory)s as a payment directory.",
            directory=error.detail.get("directory"),
        )
    )


_WITH_DETAIL: dict[str, Callable[[AppError], str]] = {
    "invalid_request": _fields,
    "webhook_url_refused": _refused_url,
    "checkout_page_not_covered": _uncovered_page,
    "refund_of_no_order": _no_order,
    "refund_disagrees": _disagreement,
}


def in_words(error: AppError) -> str:
    """Why something was not done, and what to do, in the reader's language."""
    wechatpay = error.detail.get("wechatpay")
    if error.code in _REFUSALS:
        return str(_REFUSALS[error.code])
    if error.code in _WITH_DETAIL:
        return _WITH_DETAIL[error.code](error)
    if isinstance(wechatpay, Mapping):
        said = wechatpay.get("message") or wechatpay.get("code")
        return str(_("WeChat Pay refused: %(said)s", said=said))
    return error.message


def kept_finding(last_refusal: str | None) -> Mapping[str, str] | None:
    """What a kept refusal means: what is missing, who mends it, where, and how long it takes."""
    if not last_refusal:
        return None
    found = explain_kept(last_refusal)
    told, language = json.loads(last_refusal), language_tag()
    return {
        **found.as_dict(language),
        "who": found.who.words.in_language(language),
        "said": " · ".join(str(told[name]) for name in ("code", "message") if told.get(name)),
    }
