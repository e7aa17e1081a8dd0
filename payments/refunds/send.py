"""Send a requested refund to WeChat Pay, as often as it takes, under its one number.

Whether it may go is decided by one conditional UPDATE, committed before the call; what came of it
is written after. A request that was never answered may have been accepted, or may still arrive: so
the number is asked about before it is sent again, and no refusal closes the refund until every
earlier request has come to nothing. WeChat Pay document: "申请退款".
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update

from config import audit
from config.clock import now
from config.database import changed_rows, db, transaction
from partner.gateway import wechatpay
from partner.wechatpay.errors import FREQUENCY_LIMITED, OutcomeUnknown, Refused
from payments.errors import present_refusal
from payments.orders.models import Order
from payments.refunds.models import Refund, RefundState, Waiting
from payments.refunds.move import move_refund
from payments.refunds.pace import REFUSED_REQUESTS
from payments.refunds.refusals import RefundOutcomeUnknown, RefundRefused
from payments.refunds.schedule import (
    APART,
    CALL_TAKES,
    FUNDS_PATIENCE,
    MAY_STILL_ARRIVE,
    next_wait,
)
from payments.refunds.sync import apply_answer, is_known_there

NOT_ENOUGH = "NOT_ENOUGH"
_OUR_OWN_FAULT = 401  # a key or a clock of ours: it says nothing of the refund

_MENDED = "Mend what it names, then ask for a refund with a new merchant_refund_no."
_WAITS = "The refund waits and is sent again; your service provider has to mend this."


def send_refund(refund: Refund) -> Refund:
    """Send a refund that is still REQUESTED, if it may go now; any other is returned as it stands.

    What it then waits for stands in `waiting`. Raises WeChatPayRefused when WeChat Pay will not do
    it, and WeChatPayOutcomeUnknown when nobody can say whether it did.
    """
    if refund.state is not RefundState.REQUESTED:
        return refund
    if refund.unanswered_at is not None and is_known_there(refund):
        return refund
    earlier = refund.unanswered_at
    if _is_out_of_patience(refund):
        _close(refund)
        return refund
    return transmit(refund, earlier=earlier) if _claimed(refund) else refund


def take_turn(order_id: str, *, moment: datetime, asked_at: datetime | None) -> bool:
    """Take the order's turn to send a refund, one a minute, inside the caller's transaction.

    `asked_at` is when this refund was last sent: if it had the last turn, it may be repeated in it.
    """
    theirs = or_(
        Order.last_refund_at.is_(None),
        Order.last_refund_at <= moment - APART,
        *([] if asked_at is None else [Order.last_refund_at == asked_at]),
    )
    turn = update(Order).where(Order.id == order_id, theirs)
    return changed_rows(turn.values(last_refund_at=moment)) == 1


def next_turn(order_id: str, moment: datetime) -> datetime:
    """When the next refund of the order may go."""
    last = db.session.scalar(select(Order.last_refund_at).where(Order.id == order_id))
    return max(moment, last + APART) if last else moment


def transmit(refund: Refund, *, earlier: datetime | None) -> Refund:
    """Send the refund, which the caller has just claimed. Raises what `send_refund` raises.

    `earlier` is when the last request before this one was sent, if it was never answered.
    """
    try:
        told = wechatpay(refund.partner_id).refunds.create(
            (refund.request_body or "").encode(),
            out_refund_no=refund.out_refund_no,
            sub_mchid=refund.sub_mchid,
        )
    except Refused as refusal:
        return _refused(refund, refusal, earlier)
    except OutcomeUnknown as unknown:
        left_us = refund.unanswered_at if unknown.was_sent else earlier
        _wait(refund, Waiting.ANSWER, unanswered_at=left_us)
        raise RefundOutcomeUnknown(unknown, **_named(refund)) from unknown
    apply_answer(refund, told, learned_by="answer")
    return refund


def _claimed(refund: Refund) -> bool:
    moment = now()
    with transaction():
        mine = update(Refund).where(
            Refund.id == refund.id,
            Refund.state == RefundState.REQUESTED,
            Refund.checks == refund.checks,
        )
        if not changed_rows(mine.values(checks=Refund.checks + 1)):
            db.session.refresh(refund)
            return False
        here = update(Refund).where(Refund.id == refund.id)
        changed_rows(here.values(**_turn(refund, moment)))
        db.session.refresh(refund)
    return refund.waiting is Waiting.ANSWER


def _turn(refund: Refund, moment: datetime) -> dict[str, Any]:
    if not take_turn(refund.order_id, moment=moment, asked_at=refund.asked_at):
        due = next_turn(refund.order_id, moment)
        return {"waiting": Waiting.MINUTE, "next_check_at": due}
    if REFUSED_REQUESTS.spend(refund.sub_merchant_id):
        due = next_wait(Waiting.PACE, refund.created_at, moment)
        return {"waiting": Waiting.PACE, "next_check_at": due}
    return under_way(moment)


def under_way(moment: datetime) -> dict[str, Any]:
    """How a refund stands while its request is on the way, and if our process dies meanwhile."""
    return {
        "waiting": Waiting.ANSWER,
        "asked_at": moment,
        "unanswered_at": moment,
        "next_check_at": moment + CALL_TAKES,
    }


def _refused(refund: Refund, refusal: Refused, earlier: datetime | None) -> Refund:
    told = present_refusal(refusal)
    if refusal.code == NOT_ENOUGH:
        _wait(refund, Waiting.FUNDS, told, unanswered_at=earlier)
        return refund
    if refusal.code == FREQUENCY_LIMITED:
        # It may have been accepted nevertheless, so it stays unanswered.
        _wait(refund, Waiting.PACE, told, unanswered_at=refund.unanswered_at)
        return refund
    if refusal.status == _OUR_OWN_FAULT:
        _wait(refund, None, told, unanswered_at=earlier)
        raise RefundRefused(refusal, advice=_WAITS, **_named(refund)) from refusal
    if earlier is not None:
        _wait(refund, Waiting.ANSWER, told, unanswered_at=earlier)
        raise RefundOutcomeUnknown(None, **_named(refund)) from refusal
    if not _close(refund, last_refusal=json.dumps(told, ensure_ascii=False)):
        raise RefundOutcomeUnknown(None, **_named(refund)) from refusal
    raise RefundRefused(refusal, advice=_MENDED, **_named(refund)) from refusal


def _wait(
    refund: Refund,
    waiting: Waiting | None,
    refusal: dict[str, object] | None = None,
    *,
    unanswered_at: datetime | None,
) -> None:
    """Write what the refund waits for, unless it has moved since this request was sent."""
    due = next_wait(waiting, refund.created_at, now())
    news: dict[str, Any] = {
        "waiting": waiting,
        "unanswered_at": unanswered_at,
        "next_check_at": due,
    }
    if refusal is not None:
        news["last_refusal"] = json.dumps(refusal, ensure_ascii=False)
    with transaction():
        here = update(Refund).where(
            Refund.id == refund.id,
            Refund.state == RefundState.REQUESTED,
            Refund.checks == refund.checks,
        )
        if changed_rows(here.values(**news)):
            audit.record(
                "refund.waiting",
                object_kind="refund",
                object_id=refund.id,
                tenant_id=refund.sub_merchant_id,
                waiting=waiting and waiting.value,
                wechatpay=refusal,
            )
        db.session.refresh(refund)


def _close(refund: Refund, **news: Any) -> bool:
    """Close a refund of which no request is on its way, and free its money.

    False when it was sent again meanwhile. A refusal carries no signature, so WeChat Pay is asked
    about the number once more, later.
    """
    with transaction():
        closed = move_refund(
            refund,
            RefundState.CLOSED,
            Refund.checks == refund.checks,
            learned_by="refusal",
            closed_at=now(),
            unanswered_at=None,
            next_check_at=now() + MAY_STILL_ARRIVE,
            **news,
        )
        db.session.refresh(refund)
    return closed


def _is_out_of_patience(refund: Refund) -> bool:
    waits = refund.waiting is Waiting.FUNDS and refund.unanswered_at is None
    return waits and now() >= refund.created_at + FUNDS_PATIENCE


def _named(refund: Refund) -> dict[str, str]:
    return {"refund_id": refund.id, "out_refund_no": refund.out_refund_no}
