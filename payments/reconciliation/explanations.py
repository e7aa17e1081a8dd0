"""Why bill and books differ, in both languages: the sentences that stand with a discrepancy.

The API tells the English one, pages the one of their reader. What a tenant reads here never says
anything of another tenant.
"""

from __future__ import annotations

from datetime import date
from typing import Final, NamedTuple

from config.words import Words
from payments.bills.entries import EntryKind
from payments.money import format_yuan
from payments.orders.models import OrderState
from payments.refunds.models import RefundState


class _Names(NamedTuple):
    """How a kind of entry is spoken of."""

    thing: Words
    booked: Words


_PAYMENT = _Names(Words("订单", "order"), Words("支付", "paid"))
_REFUND = _Names(Words("退款", "refund"), Words("受理", "accepted"))
_REVERSAL = _Names(Words("订单", "order"), Words("撤销", "reversed"))
_NAMES: Final = {
    EntryKind.PAYMENT: _PAYMENT,
    EntryKind.REFUND: _REFUND,
    EntryKind.REVERSAL: _REVERSAL,
}
_STATES: Final[dict[str, str]] = {
    OrderState.CREATED: "已创建",
    OrderState.PENDING: "待支付",
    OrderState.PAID: "已支付",
    OrderState.CLOSED: "已关闭",
    RefundState.REQUESTED: "已申请",
    RefundState.PROCESSING: "退款处理中",
    RefundState.SUCCEEDED: "退款成功",
    RefundState.ABNORMAL: "退款异常",
}
_ASKED_AGAIN: Final = Words(
    "正在重新查询微信支付，当日将再次核对。",
    "WeChat Pay is being asked again, and the day will be compared once more.",
)

FURTHER_ROW: Final = Words(
    "账单里这个单号不止一行：已计入一行，这是多出的一行。",
    "The bill has this number in more than one row. One row was counted; this is a further one.",
)
REVERSAL_UNHEARD_OF: Final = Words(
    "账单里有一笔撤销，我方没有记录；正在重新查单。",
    "The bill has a reversal that this platform knows nothing of. The order is being asked about "
    "again.",
)
REVERSAL_OF_NO_ORDER: Final = Words(
    "账单里的这笔撤销不属于我方任何订单。", "The bill has a reversal of no order here."
)
PAYMENT_OF_NO_ORDER: Final = Words(
    "我方没有这个单号的订单，可能是其他系统用同一子商户号收的款。",
    "The bill has this payment; no order here has its number. It may have been taken by another "
    "system under the same sub_mchid.",
)
PAYMENT_OF_ANOTHER: Final = Words(
    "微信支付把这笔支付记在本商户名下，但单号不属于本商户的订单；已通知服务商。",
    "WeChat Pay books this payment under this sub-merchant, but the number is not one of its "
    "orders here. The service provider has been told.",
)
REFUND_OF_ANOTHER: Final = Words(
    "微信支付把这笔退款记在本商户名下，但原订单不属于本商户；已通知服务商。",
    "WeChat Pay books this refund under this sub-merchant, but the order is not one of its orders "
    "here. The service provider has been told.",
)
REFUND_OF_NO_ORDER: Final = Words(
    "退款对应的订单不在我方，可能是其他系统用同一子商户号收款后退的款。",
    "The bill has a refund of a payment that no order here has. Both may have been made by "
    "another system under the same sub_mchid.",
)
REFUND_THAT_DOES_NOT_FIT: Final = Words(
    "退款在别处发起，微信支付订单号或金额与我方订单不符，因此没有入账。",
    "The bill has a refund that was made elsewhere. It was not taken into the books, because its "
    "transaction_id or its amount does not fit the order.",
)
PAYMENT_NUMBERS_DIFFER: Final = Words(
    "微信支付订单号与商户订单号，双方只有一个一致。",
    "The order and the bill agree on one of transaction_id and out_trade_no only.",
)
REFUND_NUMBERS_DIFFER: Final = Words(
    "微信支付退款单号与商户退款单号，双方只有一个一致。",
    "The refund and the bill agree on one of refund_id and out_refund_no only.",
)


def amounts_differ(kind: EntryKind, *, ours_fen: int, theirs_fen: int) -> Words:
    """The same number, over another amount."""
    return Words(
        f"我方金额 {format_yuan(ours_fen)} 元，账单金额 {format_yuan(theirs_fen)} 元。",
        f"The {_NAMES[kind].thing.en} is over {ours_fen} fen, the bill says {theirs_fen}.",
    )


def not_paid_here(state: str) -> Words:
    """The bill has the payment, the order does not know of it yet."""
    return _stands_otherwise("账单里有这笔支付，我方订单", "this payment; the order here is", state)


def refunded_unpaid(state: str) -> Words:
    """The bill has a refund of an order that is not paid here."""
    return _stands_otherwise(
        "账单里有这笔订单的退款，我方订单", "a refund of this order; the order here is", state
    )


def not_accepted_here(state: str) -> Words:
    """The bill has the refund, ours does not know yet that it was accepted."""
    return _stands_otherwise("账单里有这笔退款，我方退款", "this refund; here it is", state)


def another_day(kind: EntryKind, *, here: date, there: date) -> Words:
    """Both sides have it, on different days."""
    names = _NAMES[kind]
    is_reversal = kind is EntryKind.REVERSAL
    en = f"was reversed here on {here}" if is_reversal else f"is booked here on {here}"
    return Words(
        f"我方记在 {here}{names.booked.zh}，微信支付记在 {there} 的账单；款项没有缺少。",
        f"The {names.thing.en} {en}, on the bill of {there}. Nothing is missing.",
    )


def on_the_bill_across_midnight(kind: EntryKind, there: date) -> Words:
    """It was booked near midnight, and the neighbour's bill has it."""
    names = _NAMES[kind]
    return Words(
        f"零点前后{names.booked.zh}，记在 {there} 的账单；款项没有缺少。",
        f"The {names.thing.en} was {names.booked.en} near midnight and stands on the bill of "
        f"{there}. Nothing is missing.",
    )


def not_on_the_bill(kind: EntryKind, *, to_look_at: date | None) -> Words:
    """The books have it and this day's bill does not; a bill across midnight may still come."""
    names = _NAMES[kind]
    zh = f"我方{names.thing.zh}已{names.booked.zh}，当日账单没有。"
    en = f"The {names.thing.en} is {names.booked.en} here and is not on the bill of this day."
    if to_look_at is None:
        return Words(zh, en)
    return Words(
        f"{zh}发生在零点前后，将再查 {to_look_at} 的账单。",
        f"{en} It was {names.booked.en} near midnight; the bill of {to_look_at} will be looked at.",
    )


def under_another_sub_mchid(kind: EntryKind) -> Words:
    """To the tenant whose entry the bill names under somebody else, without saying under whom."""
    names = _NAMES[kind]
    return Words(
        f"我方{names.thing.zh}已{names.booked.zh}，微信支付把这个单号记在另一子商户号名下；"
        "已通知服务商。",
        f"The {names.thing.en} is {names.booked.en} here; WeChat Pay's bill books its number under "
        "another sub_mchid. The service provider has been told.",
    )


def _stands_otherwise(zh: str, en: str, state: str) -> Words:
    return Words(
        f"{zh}“{_STATES.get(state, state)}”；{_ASKED_AGAIN.zh}",
        f"The bill has {en} {state}. {_ASKED_AGAIN.en}",
    )
