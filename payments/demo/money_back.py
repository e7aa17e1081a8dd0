"""How money goes back in the demo: each course is a story, beginning some time after the payment.

Refunds are held at the simulator while the demo loads, so that each becomes what its course says,
and none is waited for.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select

from config import clock
from config.database import db, release
from payments.demo.ear import await_news
from payments.demo.levers import Levers
from payments.demo.stories import Story
from payments.orders.models import Order, OrderState
from payments.orders.queries import get_order
from payments.refunds.models import Refund, RefundState
from payments.refunds.request import RefundRequest, request_refund
from payments.refunds.sweep import sweep_refunds
from submerchants.tenancy import acting_for

SECOND_THOUGHTS: Final = timedelta(minutes=25)  # from the payment to the wish to have it back
A_DAY_LATER: Final = timedelta(hours=26)
MOMENT_LATER: Final = timedelta(seconds=10)
TURN_COMES: Final = timedelta(seconds=75)  # refunds of one order lie a minute apart


class Course(enum.StrEnum):
    """What becomes of an order's money after it was paid."""

    FULL = "full"  # all of it, the next day
    PART = "part"
    TWICE = "twice"  # two parts, the second asked for too early and sent when its turn comes
    BY_HAND = "by hand"  # in the merchant platform; WeChat Pay tells us
    CLOSED = "closed"
    ABNORMAL = "abnormal"  # the payer's card takes no money, and a task is left to a person


_SETTLES_AS: Final = {
    Course.CLOSED: ("CLOSED", RefundState.CLOSED),
    Course.ABNORMAL: ("ABNORMAL", RefundState.ABNORMAL),
}
# One of so many parts is given back at a time.
PARTS: Final = {Course.FULL: 1, Course.TWICE: 4}
_SUCCEEDS: Final = ("SUCCESS", RefundState.SUCCEEDED)


def money_back(course: Course, order: Order, paid_at: datetime, levers: Levers) -> Story:
    """The story of an order whose payer wants money back."""
    yield paid_at + (A_DAY_LATER if course is Course.FULL else SECOND_THOUGHTS)
    if not _is_paid(order):
        return  # a lost notification has yet to be made up for
    if course is Course.BY_HAND:
        _by_hand(order, levers)
        return
    part_fen = order.amount_fen // PARTS.get(course, 2)
    first = ask_back(order, part_fen)
    _settle(first, levers, *_SETTLES_AS.get(course, _SUCCEEDS))
    if course is not Course.TWICE:
        return
    yield clock.now() + MOMENT_LATER
    second = ask_back(order, part_fen, number=2)
    yield clock.now() + TURN_COMES
    sweep_refunds()
    _settle(second, levers, *_SUCCEEDS)


def ask_back(order: Order, amount_fen: int, *, number: int = 1) -> Refund:
    """A refund as the order's tenant asks for it; `number` counts those of the order."""
    request = RefundRequest(
        merchant_refund_no=f"{order.merchant_order_no}-R{number}",
        amount_fen=amount_fen,
        reason="少了一件" if amount_fen < order.amount_fen else "不想要了",
    )
    with acting_for(order.sub_merchant_id):
        return request_refund(order=get_order(order.id), request=request).refund


def _by_hand(order: Order, levers: Levers) -> None:
    number = levers.refund_by_hand(order.out_trade_no, order.amount_fen // 2)
    levers.settle_refund(number, "SUCCESS")
    _await_state(order.sub_merchant_id, number, RefundState.SUCCEEDED)


def _settle(refund: Refund, levers: Levers, status: str, state: RefundState) -> None:
    levers.settle_refund(refund.out_refund_no, status)
    _await_state(refund.sub_merchant_id, refund.out_refund_no, state)


def _await_state(sub_merchant_id: str, out_refund_no: str, state: RefundState) -> None:
    here = select(Refund.state).where(Refund.out_refund_no == out_refund_no)
    with acting_for(sub_merchant_id):
        await_news(lambda: db.session.scalar(here) is state)


def _is_paid(order: Order) -> bool:
    with acting_for(order.sub_merchant_id):
        state = db.session.scalar(select(Order.state).where(Order.id == order.id))
        release()
    return state is OrderState.PAID
