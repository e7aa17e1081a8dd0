"""Where money back begins: reserve it, ask WeChat Pay, remember what it said.

One conditional UPDATE of the order takes the reserve, and the refund with its number is written
beside it, before WeChat Pay hears of anything. The tenant's own number names one refund for ever:
asking again continues it, and never asks for more.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update

from config import audit
from config.clock import now
from config.database import changed_rows, db, transaction
from config.errors import AppError
from config.identifiers import new_id
from config.inserts import insert_new
from config.rows import reread
from partner.wechatpay.resources.refunds import refund_body
from payments import metrics
from payments.numbers import new_out_refund_no
from payments.orders.create import notify_url
from payments.orders.models import Order, OrderState
from payments.refunds.models import Refund, RefundOrigin, RefundState, Waiting
from payments.refunds.pace import REFUSED_REQUESTS
from payments.refunds.refusals import (
    OrderNotRefundable,
    RefundConflict,
    RefundCurrencyDiffers,
    RefundExceedsBalance,
    RefundsTooFast,
    RefundTooLate,
    TooManyRefunds,
)
from payments.refunds.send import next_turn, send_refund, take_turn, transmit, under_way

MOST_REFUNDS = 50  # of one order; WeChat Pay's limit, as is the next
REFUNDABLE_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """What a tenant asks for. Money is fen; None means it was not given."""

    merchant_refund_no: str
    amount_fen: int
    currency: str | None = None
    reason: str | None = None

    def digest(self, order_id: str) -> str:
        """Two requests with the same digest ask for the same thing."""
        asked = {"order_id": order_id, **asdict(self)}
        text = json.dumps(asked, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Requested:
    """The refund, and whether this request made it."""

    refund: Refund
    is_new: bool


class _NumberTaken(Exception):
    """The same number was recorded this very moment."""


def request_refund(*, order: Order, request: RefundRequest) -> Requested:
    """Reserve the money and ask WeChat Pay for the refund; runs acting for the tenant.

    The same request again continues the same refund. Raises RefundConflict for the same number with
    other content, a Conflict or RefusedHere for what the order or our rules forbid, RefundsTooFast,
    WeChatPayRefused when WeChat Pay will not do it (the money is free again), and
    WeChatPayOutcomeUnknown when it may have (the refund is kept).
    """
    known = _find(request.merchant_refund_no)
    if known is None:
        try:
            refund = _recorded(order, request)
        except _NumberTaken:
            known = _find(request.merchant_refund_no)
        else:
            if refund.waiting is Waiting.ANSWER:
                transmit(refund, earlier=None)
            return Requested(refund, is_new=True)
    if known is None or known.request_hash != request.digest(order.id):
        raise RefundConflict(merchant_refund_no=request.merchant_refund_no)
    return Requested(send_refund(known), is_new=False)


def refundable_fen(order: Order) -> int:
    """What a further refund may take of the order, in fen; 0 where nothing is left."""
    return max(order.amount_fen - max(order.refund_reserved_fen, order.refunded_fen), 0)


def _find(merchant_refund_no: str) -> Refund | None:
    return db.session.scalars(
        select(Refund).where(Refund.merchant_refund_no == merchant_refund_no),
        execution_options={"populate_existing": True},
    ).one_or_none()


def _recorded(order: Order, request: RefundRequest) -> Refund:
    if request.currency not in (None, order.currency):
        raise RefundCurrencyDiffers(currency=request.currency or "", ordered=order.currency)
    moment = now()
    with transaction():
        if not _reserved(order.id, request.amount_fen, moment):
            reread(order)
            if _find(request.merchant_refund_no) is not None:
                raise _NumberTaken
            raise _refusal(order, request.amount_fen, moment)
        reread(order)
        draft = {**_draft(order, request, moment), **_first_turn(order.id, moment)}
        if not insert_new(Refund, draft, unique=("sub_merchant_id", "merchant_refund_no")):
            raise _NumberTaken
        if draft["waiting"] is Waiting.ANSWER:
            _keep_pace(order.sub_merchant_id)
        refund = db.session.get_one(Refund, draft["id"])
        _note(refund)
    metrics.refunds_requested.inc()
    return refund


def _reserved(order_id: str, amount_fen: int, moment: datetime) -> bool:
    """The one statement that decides whether the order still holds this much."""
    holds = update(Order).where(
        Order.id == order_id,
        Order.state == OrderState.PAID,
        Order.refund_reserved_fen + amount_fen <= Order.amount_fen,
        Order.refunded_fen + amount_fen <= Order.amount_fen,  # also what was reversed at the till
        Order.refund_count < MOST_REFUNDS,
        Order.paid_at > moment - timedelta(days=REFUNDABLE_DAYS),
    )
    taken = {
        "refund_reserved_fen": Order.refund_reserved_fen + amount_fen,
        "refund_count": Order.refund_count + 1,
    }
    return changed_rows(holds.values(**taken)) == 1


def _refusal(order: Order, amount_fen: int, moment: datetime) -> AppError:
    if order.state is not OrderState.PAID or order.paid_at is None:
        return OrderNotRefundable(order_id=order.id, state=order.state.value)
    if order.paid_at <= moment - timedelta(days=REFUNDABLE_DAYS):
        return RefundTooLate(days=REFUNDABLE_DAYS)
    left = refundable_fen(order)
    if left >= amount_fen and order.refund_count >= MOST_REFUNDS:
        return TooManyRefunds(limit=MOST_REFUNDS)
    return RefundExceedsBalance(requested_fen=amount_fen, refundable_fen=left)


def _draft(order: Order, request: RefundRequest, moment: datetime) -> dict[str, object]:
    out_refund_no = new_out_refund_no(moment)
    body = refund_body(
        sub_mchid=order.sub_mchid,
        transaction_id=order.transaction_id or "",
        out_refund_no=out_refund_no,
        notify_url=notify_url(order.sp_mchid),
        refund_fen=request.amount_fen,
        total_fen=order.amount_fen,
        currency=order.currency,
        reason=request.reason,
    )
    return {
        "id": new_id("re"),
        "sub_merchant_id": order.sub_merchant_id,
        "order_id": order.id,
        "merchant_refund_no": request.merchant_refund_no,
        "out_refund_no": out_refund_no,
        "origin": RefundOrigin.HERE,
        "partner_id": order.partner_id,
        "sp_mchid": order.sp_mchid,
        "sub_mchid": order.sub_mchid,
        "out_trade_no": order.out_trade_no,
        "transaction_id": order.transaction_id,
        "state": RefundState.REQUESTED,
        "amount_fen": request.amount_fen,
        "total_fen": order.amount_fen,
        "currency": order.currency,
        "reason": request.reason,
        "request_hash": request.digest(order.id),
        "request_body": body.decode(),
        "created_at": moment,
        "checks": 0,
    }


def _first_turn(order_id: str, moment: datetime) -> dict[str, object]:
    """How a new refund stands: on its way, or waiting until its order's next turn."""
    if take_turn(order_id, moment=moment, asked_at=None):
        return under_way(moment)
    return {"waiting": Waiting.MINUTE, "next_check_at": next_turn(order_id, moment)}


def _keep_pace(sub_merchant_id: str) -> None:
    wait = REFUSED_REQUESTS.spend(sub_merchant_id)
    if wait:
        raise RefundsTooFast(retry_after_seconds=wait)


def _note(refund: Refund) -> None:
    audit.record(
        "refund.requested",
        object_kind="refund",
        object_id=refund.id,
        tenant_id=refund.sub_merchant_id,
        order_id=refund.order_id,
        amount_fen=refund.amount_fen,
        merchant_refund_no=refund.merchant_refund_no,
    )
