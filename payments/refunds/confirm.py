"""Apply what WeChat Pay says of a refund, whether it was notified, answered or asked: one path.

Every field is compared with our own rows first, and again in the WHERE of the UPDATE that moves the
refund; what does not agree is never applied. Refund, order, event and audit move together in the
caller's transaction. WeChat Pay documents: "退款结果通知", "查询单笔退款".
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, or_, select, update

from config.clock import now
from config.database import changed_rows, db
from partner.wechatpay.resources.refunds import Refund as Told
from payments.orders.confirm import Check, Confirmation, Verdict
from payments.orders.models import Order
from payments.refunds.elsewhere import take_in
from payments.refunds.facts import facts_of, merchant_checks, numbers_are_plain
from payments.refunds.models import Refund, RefundState
from payments.refunds.move import move_refund
from payments.refunds.schedule import next_wait
from payments.refunds.states import FINAL, MOVES, STATE_OF

LOOKS = 5  # tries, each of which another message about the same refund may have overtaken

_AS_IT_STANDS = {"populate_existing": True}

# Who may say that an abnormal refund is under way again. The answer to the first request says so
# too, and may be older than the news that it got stuck.
_MAY_REOPEN = frozenset({"query", "apply"})


def confirm_refund(told: Told, *, learned_by: str) -> Confirmation:
    """Apply what WeChat Pay said of a refund, inside the caller's transaction and across tenants.

    A refund that was not made here is taken in. Raises OrderNotPaidHere when its order is not paid
    here yet; it must then be told again once the payment has been confirmed.
    """
    for _ in range(LOOKS):
        refund = find_refund(told.out_refund_no)
        if refund is None:
            if taken := take_in(told, learned_by=learned_by):
                return taken
            continue
        order = db.session.get_one(Order, refund.order_id, populate_existing=True)
        checks = _checks(refund, order, told)
        found = (refund.order_id, refund.sub_merchant_id, tuple(checks))
        if not all(check.agrees for check in checks):
            return Confirmation(Verdict.DISAGREES, *found)
        if not _is_news(refund, told, learned_by):
            _learn(refund, told)
            return Confirmation(Verdict.KNOWN, *found)
        news = _news(refund, told)
        to = STATE_OF[told.status]
        if move_refund(refund, to, *_agreed(told), learned_by=learned_by, **news):
            return Confirmation(Verdict.APPLIED, *found)
    raise RuntimeError("The refund moves faster than it can be read.")


def find_refund(out_refund_no: str) -> Refund | None:
    """The refund as it stands in the database, within the scope."""
    query = select(Refund).where(Refund.out_refund_no == out_refund_no)
    return db.session.scalars(query, execution_options=_AS_IT_STANDS).one_or_none()


def _checks(ours: Refund, order: Order, told: Told) -> list[Check]:
    checks = [
        Check("numbers", True, numbers_are_plain(told)),
        Check("out_trade_no", ours.out_trade_no, told.out_trade_no),
        Check("transaction_id", ours.transaction_id, told.transaction_id),
        Check("refund_id", ours.refund_id or told.refund_id, told.refund_id),
        *merchant_checks(ours.sp_mchid, ours.sub_mchid, told),
        Check("amount.refund", ours.amount_fen, told.refund_fen),
        Check("amount.total", ours.total_fen, told.total_fen),
        Check("status", True, told.status in STATE_OF),
    ]
    if told.currency is not None:
        checks.append(Check("amount.currency", ours.currency, told.currency))
    if STATE_OF.get(told.status) is RefundState.SUCCEEDED:
        checks.append(Check("success_time", True, told.success_time is not None))
        if ours.state is not RefundState.SUCCEEDED:
            fits = order.refunded_fen + ours.amount_fen <= order.amount_fen
            checks.append(Check("order.refunded", True, fits))
    return checks


def _is_news(refund: Refund, told: Told, learned_by: str) -> bool:
    to = STATE_OF[told.status]
    if to not in MOVES[refund.state]:
        return False
    if refund.state is RefundState.CLOSED:
        # Where WeChat Pay itself closed it, only money that arrived reopens it: any other message
        # is an older one that comes late.
        return to is RefundState.SUCCEEDED or refund.status != "CLOSED"
    if refund.state is RefundState.ABNORMAL and to is RefundState.PROCESSING:
        return learned_by in _MAY_REOPEN
    return True


def _agreed(told: Told) -> list[ColumnElement[bool]]:
    agreed = [
        Refund.out_refund_no == told.out_refund_no,
        Refund.out_trade_no == told.out_trade_no,
        Refund.transaction_id == told.transaction_id,
        or_(Refund.refund_id.is_(None), Refund.refund_id == told.refund_id),
        Refund.amount_fen == told.refund_fen,
        Refund.total_fen == told.total_fen,
    ]
    if told.sp_mchid is not None:
        agreed.append(Refund.sp_mchid == told.sp_mchid)
    if told.sub_mchid is not None:
        agreed.append(Refund.sub_mchid == told.sub_mchid)
    if told.currency is not None:
        agreed.append(Refund.currency == told.currency)
    return agreed


def _news(refund: Refund, told: Told) -> dict[str, Any]:
    moment = now()
    to = STATE_OF[told.status]
    since = refund.asked_at or refund.created_at
    accepted_at = told.create_time or refund.accepted_at or refund.asked_at or moment
    return {
        **facts_of(told),
        "unanswered_at": None,
        "last_refusal": None,
        "accepted_at": accepted_at,
        "closed_at": moment if to is RefundState.CLOSED else None,
        "next_check_at": None if to in FINAL else next_wait(to, since, moment),
    }


def _learn(refund: Refund, told: Told) -> None:
    """Take from a repeat what it adds: the exact create_time, or that WeChat Pay says it ended."""
    news: dict[str, Any] = {}
    if told.create_time is not None and refund.accepted_at != told.create_time:
        news["accepted_at"] = told.create_time  # a notification does not name it
    if refund.state in FINAL and STATE_OF[told.status] is refund.state:
        news |= {"status": told.status, "refund_id": told.refund_id, "next_check_at": None}
    if news:
        changed_rows(update(Refund).where(Refund.id == refund.id).values(**news))
