"""What refunds refuse, each with what is left to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.errors import AppError, Conflict, NotFound, RefusedHere, TooFast
from partner.wechatpay.errors import FREQUENCY_LIMITED, OutcomeUnknown, Refused
from payments.errors import (
    ASK_AGAIN_SECONDS,
    WeChatPayBusy,
    WeChatPayOutcomeUnknown,
    WeChatPayRefused,
    present_refusal,
)
from submerchants.doctor.explain import explain_refusal


class RefundConflict(Conflict):
    """The tenant's number already names a refund with other content."""

    code = "refund_conflict"

    def __init__(self, *, merchant_refund_no: str) -> None:
        super().__init__(
            "This merchant_refund_no already names a refund with other content. "
            "Repeat it unchanged, or use a new number for another refund.",
            field="merchant_refund_no",
            merchant_refund_no=merchant_refund_no,
        )


class OrderNotRefundable(Conflict):
    """There is no money of the payer's to give back."""

    code = "order_not_refundable"

    def __init__(self, *, order_id: str, state: str) -> None:
        super().__init__(
            f"Only a paid order can be refunded; this one is {state}. If the payer says that it "
            "is paid, sync the order first.",
            field="order_id",
            order_id=order_id,
            state=state,
        )


class RefundExceedsBalance(Conflict):
    """Asked to give back more than the order still holds."""

    code = "refund_exceeds_balance"

    def __init__(self, *, requested_fen: int, refundable_fen: int) -> None:
        super().__init__(
            f"The refund is larger than what is left on the order: {refundable_fen} fen. Refunds "
            "under way count as given back until WeChat Pay has closed them.",
            field="amount_fen",
            requested_fen=requested_fen,
            refundable_fen=refundable_fen,
        )


class TooManyRefunds(Conflict):
    """The order has as many refunds as WeChat Pay takes."""

    code = "too_many_refunds"

    def __init__(self, *, limit: int) -> None:
        super().__init__(
            f"An order can be refunded in at most {limit} parts, and this one has as many. Settle "
            "what is left with the payer directly.",
            limit=limit,
        )


class RefundTooLate(Conflict):
    """The payment is older than WeChat Pay refunds."""

    code = "refund_too_late"

    def __init__(self, *, days: int) -> None:
        super().__init__(
            f"The order was paid more than {days} days ago, and WeChat Pay refunds it no longer. "
            "Settle it with the payer directly.",
            days=days,
        )


class RefundCurrencyDiffers(RefusedHere):
    """An order is refunded in its own currency."""

    code = "refund_currency_differs"

    def __init__(self, *, currency: str, ordered: str) -> None:
        super().__init__(
            f"This order was paid in {ordered}. Leave currency out or send {ordered}.",
            field="currency",
            currency=currency,
        )


class RefundsTooFast(TooFast):
    """Too many refunds of this sub-merchant came back refused just now."""

    code = "refunds_too_fast"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__(
            "Too many refunds of this sub-merchant were refused by WeChat Pay within seconds. "
            "Nothing was recorded; mend what the refusals name, then repeat the request.",
            retry_after_seconds=retry_after_seconds,
        )


class RefundMoveRefused(Conflict):
    """A move that the table of states does not know."""

    code = "refund_move_refused"

    def __init__(self, *, current: str, to: str) -> None:
        super().__init__("The refund cannot go from where it stands.", current=current, to=to)


class RefundNotAbnormal(Conflict):
    """Asked to send a refund another way that is not stuck."""

    code = "refund_not_abnormal"

    def __init__(self, *, refund_id: str, state: str) -> None:
        super().__init__(
            f"Only an abnormal refund can be sent another way; this one is {state}.",
            refund_id=refund_id,
            state=state,
        )


class NotARefundNumber(RefusedHere):
    """What was given cannot be a number of a refund at WeChat Pay."""

    code = "not_a_refund_number"

    def __init__(self) -> None:
        super().__init__(
            "A refund's number has up to 64 letters, digits and _-|*@. Give the one that the "
            "merchant platform shows as 商户退款单号.",
            field="out_refund_no",
        )


class RefundUnknown(NotFound):
    """WeChat Pay has no refund of this number for the sub-merchant; or it is another tenant's."""

    code = "refund_unknown"

    def __init__(self, out_refund_no: str) -> None:
        super().__init__(
            "WeChat Pay knows no refund of this number for this sub-merchant. Give the number that "
            "the merchant platform shows as 商户退款单号, not 微信支付退款单号.",
            field="out_refund_no",
            out_refund_no=out_refund_no,
        )


class RefundOfNoOrder(Conflict):
    """WeChat Pay has the refund, of a payment that was not placed through the platform."""

    code = "refund_of_no_order"

    def __init__(self, *, out_refund_no: str, out_trade_no: str) -> None:
        super().__init__(
            f"This refund is of the payment {out_trade_no}, which was not placed here. Look for it "
            "in the system that placed it.",
            out_refund_no=out_refund_no,
            out_trade_no=out_trade_no,
        )


class RefundBeforePayment(Conflict):
    """The refund's order is not paid here, and asking WeChat Pay about it did not change that."""

    code = "refund_before_payment"

    def __init__(self, *, order_id: str, state: str) -> None:
        super().__init__(
            f"The order of this refund is {state}, and WeChat Pay was asked about it just now. "
            "Sync the order; when it is PAID, ask again.",
            order_id=order_id,
            state=state,
        )


class RefundDisagrees(Conflict):
    """What WeChat Pay says of the refund is not what our books say of its order."""

    code = "refund_disagrees"

    def __init__(self, *, out_refund_no: str, fields: Sequence[str]) -> None:
        super().__init__(
            f"WeChat Pay's answer does not agree with our books on {', '.join(fields)}, so nothing "
            "was changed. Ask your service provider to compare both.",
            out_refund_no=out_refund_no,
            fields=list(fields),
        )


class RefundRefused(WeChatPayRefused):
    """WeChat Pay will not give the money back."""

    def __init__(self, refusal: Refused, *, advice: str, **detail: Any) -> None:
        AppError.__init__(
            self,
            f"WeChat Pay refused: {refusal.message or refusal.code}. {advice}",
            wechatpay=present_refusal(refusal),
            finding=explain_refusal(refusal).as_dict(),
            **detail,
        )


class RefundOutcomeUnknown(WeChatPayOutcomeUnknown):
    """WeChat Pay gave no answer that can be trusted: the money may be on its way."""

    def __init__(self, unknown: OutcomeUnknown | None, **detail: Any) -> None:
        AppError.__init__(
            self,
            "WeChat Pay did not answer, so the outcome is not known yet. The refund keeps its "
            "number and is asked about until it is known: repeat the same request, or sync the "
            "refund. A new number would give the money back twice.",
            retry_after_seconds=ASK_AGAIN_SECONDS,
            reason=unknown.reason.value if unknown else "earlier_request",
            **detail,
        )


class RefundNotFoundYet(WeChatPayOutcomeUnknown):
    """WeChat Pay gave no answer that can be trusted to somebody who looked for a refund."""

    def __init__(self, unknown: OutcomeUnknown, *, out_refund_no: str) -> None:
        AppError.__init__(
            self,
            "WeChat Pay did not answer, so nothing is known of this refund yet and nothing was "
            "changed. Ask again in a moment.",
            retry_after_seconds=ASK_AGAIN_SECONDS,
            reason=unknown.reason.value,
            out_refund_no=out_refund_no,
        )


def query_refused(refusal: Refused, **detail: Any) -> AppError:
    """The answer to somebody who asked about a refund, when WeChat Pay will not say."""
    if refusal.code == FREQUENCY_LIMITED:
        return WeChatPayBusy(refusal, **detail)
    return RefundRefused(refusal, advice="Nothing was changed here.", **detail)
