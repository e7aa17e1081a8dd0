"""Ask WeChat Pay what became of a refund and write what it said.

Every answer goes through `confirm`, the same path that notifications take. WeChat Pay document:
"查询单笔退款".
"""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from config.clock import now
from config.database import changed_rows, db, transaction
from config.logs import get_logger
from partner.gateway import wechatpay
from partner.wechatpay.errors import OutcomeUnknown, Refused
from partner.wechatpay.resources.refunds import Refund as Told
from payments.orders.confirm import Verdict
from payments.refunds.confirm import confirm_refund
from payments.refunds.models import Refund, RefundState
from payments.refunds.pace import REFUSED_REQUESTS
from payments.refunds.refusals import RefundOutcomeUnknown, query_refused
from payments.refunds.schedule import MAY_STILL_ARRIVE
from submerchants.tenancy import across_tenants

NEVER_ACCEPTED = "RESOURCE_NOT_EXISTS"

log = get_logger(__name__)


def sync_refund(refund: Refund) -> Refund:
    """Ask now, apply the answer, and return the refund as it then stands. It sends no money.

    Raises WeChatPayRefused or WeChatPayOutcomeUnknown; the refund is untouched by either.
    """
    is_known_there(refund)
    return refund


def is_known_there(refund: Refund) -> bool:
    """Ask about its number; False when WeChat Pay never accepted it. Raises as `sync_refund`."""
    try:
        told = wechatpay(refund.partner_id).refunds.query(
            out_refund_no=refund.out_refund_no, sub_mchid=refund.sub_mchid
        )
    except Refused as refusal:
        if refusal.code != NEVER_ACCEPTED:
            raise query_refused(refusal, refund_id=refund.id) from refusal
        _never_accepted(refund)
        return False
    except OutcomeUnknown as unknown:
        raise RefundOutcomeUnknown(unknown, refund_id=refund.id) from unknown
    apply_answer(refund, told, learned_by="query")
    return True


def apply_answer(refund: Refund, told: Told, *, learned_by: str) -> None:
    """Write what WeChat Pay answered of this refund; what disagrees is left to a person."""
    try:
        with transaction():
            with across_tenants("a refund finds its tenant through its own row"):
                confirmation = confirm_refund(told, learned_by=learned_by)
            if learned_by == "answer":
                REFUSED_REQUESTS.give_back(refund.sub_merchant_id)
            db.session.refresh(refund)
        disagreement = confirmation.reason if confirmation.verdict is Verdict.DISAGREES else None
    except IntegrityError:
        # Only WeChat Pay's own number can clash here.
        db.session.refresh(refund)
        disagreement = "another refund already holds this refund_id"
    if disagreement:
        log.error("an answered refund disagrees", refund_id=refund.id, reason=disagreement)


def _never_accepted(refund: Refund) -> None:
    if refund.status is not None:
        log.error("WeChat Pay no longer knows a refund", refund_id=refund.id)
        return
    same = update(Refund).where(Refund.id == refund.id, Refund.checks == refund.checks)
    with transaction():
        # What left us so long ago cannot be accepted any more: that request came to nothing.
        in_vain = same.where(Refund.unanswered_at <= now() - MAY_STILL_ARRIVE)
        changed_rows(in_vain.values(unanswered_at=None))
        closed = same.where(Refund.state == RefundState.CLOSED)
        changed_rows(closed.values(next_check_at=None))
        db.session.refresh(refund)
