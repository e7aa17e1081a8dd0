"""What this floor refuses, and how WeChat Pay's own no is passed on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from config.errors import AppError, Conflict, InvalidPayload, RefusedHere, TooFast, Unavailable
from partner.wechatpay.errors import FREQUENCY_LIMITED, OutcomeUnknown, Refused
from submerchants.doctor.explain import UNCOVERED_PAGE, explain_kept, explain_refusal

ASK_AGAIN_SECONDS = 5


class NotACursor(InvalidPayload):
    """A list was asked to go on behind something that it never gave out."""

    def __init__(self) -> None:
        super().__init__(
            "The cursor is not one this list gave out. Start again without it.",
            fields=[{"field": "cursor", "problem": "not a next_cursor of this list"}],
        )


class OrderConflict(Conflict):
    """The tenant's number already names an order with other content."""

    code = "order_conflict"

    def __init__(self, *, merchant_order_no: str) -> None:
        super().__init__(
            "This merchant_order_no already names an order with other content. "
            "Repeat it unchanged, or use a new number.",
            field="merchant_order_no",
            merchant_order_no=merchant_order_no,
        )


class OrderNotPayable(Conflict):
    """Asked to bring up the cashier for an order that is paid, closed or past its time."""

    code = "order_not_payable"

    def __init__(self, *, order_id: str, state: str) -> None:
        # Whoever is told to place a new order for a paid one charges the payer twice.
        message = (
            "This order is paid. Nothing is left to pay: place no other order for it."
            if state == "PAID"
            else "This order can no longer be paid. Place a new one with a new merchant_order_no."
        )
        super().__init__(message, order_id=order_id, state=state)


class OrderAlreadyPaid(Conflict):
    """Asked to close an order whose money has been received."""

    code = "order_already_paid"

    def __init__(self, *, order_id: str, transaction_id: str | None) -> None:
        super().__init__(
            "This order is paid and cannot be closed. Refund it instead.",
            order_id=order_id,
            transaction_id=transaction_id,
        )


class NoPayParams(Conflict):
    """Asked for a page's parameters of an order that needs no page."""

    code = "no_pay_params"

    def __init__(self, *, order_id: str) -> None:
        super().__init__(
            "A payment by code has no parameters: it was charged when it was placed. Sync the "
            "order to learn what became of it.",
            order_id=order_id,
        )


class NoQrCode(Conflict):
    """Asked for a QR code where there is none to scan."""

    code = "no_qr_code"

    def __init__(self, message: str, *, order_id: str) -> None:
        super().__init__(message, order_id=order_id)


class OnlyReversible(Conflict):
    """WeChat Pay does not close a payment by code."""

    code = "order_only_reversible"

    def __init__(self, *, order_id: str) -> None:
        super().__init__(
            "A payment by code is reversed, not closed: POST /orders/{id}/reverse. Mind that "
            "reversing gives the money back if the payer has paid by then. Left alone, the order "
            "is reversed at its expires_at unless it is paid.",
            order_id=order_id,
        )


class NotReversible(Conflict):
    """Asked to reverse what WeChat Pay, or a refund, does not let be reversed."""

    code = "order_not_reversible"

    def __init__(self, message: str, *, order_id: str, wait_seconds: int | None = None) -> None:
        super().__init__(message, retry_after_seconds=wait_seconds, order_id=order_id)


class OrderMoveRefused(Conflict):
    """A move that the table of states does not know."""

    code = "order_move_refused"

    def __init__(self, *, current: str, to: str) -> None:
        super().__init__("The order cannot go from where it stands.", current=current, to=to)


class CurrencyNotSettled(RefusedHere):
    """The provider account settles in another currency."""

    code = "currency_not_settled"

    def __init__(self, *, currency: str, settled: str) -> None:
        super().__init__(
            f"This account settles in {settled} only. Leave currency out or send {settled}.",
            field="currency",
            currency=currency,
        )


class TradeTypeNotSupported(RefusedHere):
    """A way to pay that WeChat Pay has and the platform does not offer, or none at all."""

    code = "trade_type_not_supported"

    def __init__(self, *, trade_type: str) -> None:
        super().__init__(
            "There is no such way to pay here. Send JSAPI (also for mini programs), NATIVE, MWEB "
            "(or H5), APP or MICROPAY (or CODEPAY).",
            field="trade_type",
            trade_type=trade_type,
        )


class FieldsDoNotFit(RefusedHere):
    """The order misses what its way to pay needs, or names what that has no place for."""

    code = "fields_do_not_fit_trade_type"

    def __init__(self, *, trade_type: str, problems: Sequence[tuple[str, str]]) -> None:
        named = ", ".join(field for field, _ in problems)
        super().__init__(
            f"These fields do not fit an order of {trade_type}: {named}. Send what it needs, leave "
            "out what it does not take, or choose another trade_type.",
            field=problems[0][0],
            fields=[{"field": field, "problem": problem} for field, problem in problems],
        )


class AppidNotBound(RefusedHere):
    """The order names an appid that is not bound to the sub-merchant."""

    code = "sub_appid_not_bound"

    def __init__(self, *, sub_appid: str | None) -> None:
        super().__init__(
            "payer.sub_openid needs a sub_appid that is bound to this sub-merchant. "
            "Ask your service provider to bind it, or send payer.sp_openid.",
            field="sub_appid",
            sub_appid=sub_appid,
        )


class AppidOfAnotherKind(RefusedHere):
    """The appid is bound, and is not what this way to pay runs in."""

    code = "sub_appid_of_another_kind"

    def __init__(self, *, sub_appid: str, kind: str, trade_type: str, kinds: Sequence[str]) -> None:
        wanted = " or ".join(kinds)
        super().__init__(
            f"An order of {trade_type} needs an appid of the kind {wanted}, and {sub_appid} is "
            f"bound as {kind}. Send another sub_appid, or ask your service provider to bind one of "
            "that kind, or to bind this one as what it really is.",
            field="sub_appid",
            sub_appid=sub_appid,
            kind=kind,
        )


class PageNotCovered(RefusedHere):
    """WeChat would refuse to open its cashier on this page."""

    code = "page_not_covered"

    def __init__(self, *, page_url: str, explanation: str, to_enter: Sequence[str]) -> None:
        way_out = (
            " Have one of detail.to_enter set as a payment directory, or leave page_url out."
            if to_enter
            else ""
        )
        super().__init__(
            f"No payment directory in force covers this page: {explanation}{way_out}",
            field="page_url",
            page_url=page_url,
            to_enter=list(to_enter),
            finding=UNCOVERED_PAGE.as_dict(),
        )


class ExpiryOutOfRange(RefusedHere):
    """An order may live from one minute to seven days."""

    code = "expires_at_out_of_range"

    def __init__(self, *, earliest: str, latest: str) -> None:
        super().__init__(
            "expires_at must lie between one minute and seven days from now.",
            field="expires_at",
            earliest=earliest,
            latest=latest,
        )


class WeChatPayRefused(AppError):
    """WeChat Pay answered no: nothing happened there."""

    code = "wechatpay_refused"
    status = 424

    def __init__(self, refusal: Refused, **detail: Any) -> None:
        super().__init__(
            f"WeChat Pay refused: {refusal.message or refusal.code}. Nothing was charged. "
            "Mend what it names, then repeat the request.",
            wechatpay=present_refusal(refusal),
            finding=explain_refusal(refusal).as_dict(),
            **detail,
        )


class PaymentCodeRefused(WeChatPayRefused):
    """WeChat Pay did not take a payment by code; number and code are spent."""

    code = "payment_code_refused"

    def __init__(self, refusal: Refused, **detail: Any) -> None:
        super().__init__(refusal, **detail)
        self.message = (
            f"WeChat Pay did not take this payment: {refusal.message or refusal.code}. Nothing was "
            "charged and the order is closed. Place a new one, with a new merchant_order_no and a "
            "code the payer shows anew."
        )


class WeChatPayBusy(TooFast):
    """WeChat Pay limits the rate of calls just now."""

    code = "wechatpay_rate_limited"

    def __init__(self, refusal: Refused, **detail: Any) -> None:
        super().__init__(
            "WeChat Pay takes no more requests just now. Repeat the same request in a moment.",
            retry_after_seconds=ASK_AGAIN_SECONDS,
            wechatpay=present_refusal(refusal),
            finding=explain_refusal(refusal).as_dict(),
            **detail,
        )


class WeChatPayOutcomeUnknown(Unavailable):
    """WeChat Pay gave no answer that can be trusted: it may have happened."""

    code = "wechatpay_outcome_unknown"

    def __init__(self, unknown: OutcomeUnknown, **detail: Any) -> None:
        super().__init__(
            "WeChat Pay did not answer, so the outcome is not known yet. The order keeps its "
            "number: repeat the same request, or sync the order.",
            retry_after_seconds=ASK_AGAIN_SECONDS,
            reason=unknown.reason.value,
            **detail,
        )


def refusal_error(refusal: Refused, **detail: Any) -> AppError:
    """The answer that passes WeChat Pay's refusal on to the caller."""
    if refusal.code == FREQUENCY_LIMITED:
        return WeChatPayBusy(refusal, **detail)
    return WeChatPayRefused(refusal, **detail)


def present_refusal(refusal: Refused) -> dict[str, object]:
    """WeChat Pay's words, for the tenant's log and for its support."""
    return {
        "status": refusal.status,
        "code": refusal.code,
        "message": refusal.message,
        "request_id": refusal.request_id,
    }


def present_kept_refusal(last_refusal: str | None) -> dict[str, object] | None:
    """The refusal a row keeps, as its tenant sees it: WeChat Pay's words, and what to mend."""
    if last_refusal is None:
        return None
    finding = explain_kept(last_refusal).as_dict()
    return {"wechatpay": json.loads(last_refusal), "finding": finding}
