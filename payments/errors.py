"""What this floor refuses, and how WeChat Pay's own no is passed on."""

from __future__ import annotations

from typing import Any

from config.errors import AppError, Conflict, RefusedHere, TooFast, Unavailable
from partner.wechatpay.errors import FREQUENCY_LIMITED, OutcomeUnknown, Refused

ASK_AGAIN_SECONDS = 5


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
        super().__init__(
            "This order can no longer be paid. Place a new one with a new merchant_order_no.",
            order_id=order_id,
            state=state,
        )


class OrderAlreadyPaid(Conflict):
    """Asked to close an order whose money has been received."""

    code = "order_already_paid"

    def __init__(self, *, order_id: str, transaction_id: str | None) -> None:
        super().__init__(
            "This order is paid and cannot be closed. Refund it instead.",
            order_id=order_id,
            transaction_id=transaction_id,
        )


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
    """A way to pay that WeChat Pay has and the platform does not offer yet."""

    code = "trade_type_not_supported"

    def __init__(self, *, trade_type: str) -> None:
        super().__init__(
            "Orders are placed as JSAPI for now. Leave trade_type out or send JSAPI.",
            field="trade_type",
            trade_type=trade_type,
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


class PageNotCovered(RefusedHere):
    """WeChat would refuse to open its cashier on this page."""

    code = "page_not_covered"

    def __init__(self, *, page_url: str, explanation: str) -> None:
        super().__init__(
            f"No payment directory in force covers this page: {explanation}",
            field="page_url",
            page_url=page_url,
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
            **detail,
        )


class WeChatPayBusy(TooFast):
    """WeChat Pay limits the rate of calls just now."""

    code = "wechatpay_rate_limited"

    def __init__(self, refusal: Refused, **detail: Any) -> None:
        super().__init__(
            "WeChat Pay takes no more requests just now. Repeat the same request in a moment.",
            retry_after_seconds=ASK_AGAIN_SECONDS,
            wechatpay=present_refusal(refusal),
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
