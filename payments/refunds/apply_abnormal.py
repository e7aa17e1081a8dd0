"""Send the money of an abnormal refund another way: the payer's card takes it no more.

It goes to another debit card of the payer's, or back to the merchant's own account for settling in
person. The card is sealed for WeChat Pay and kept nowhere. WeChat Pay document: "发起异常退款".
"""

from __future__ import annotations

from sqlalchemy import update

from config import audit
from config.clock import now
from config.database import changed_rows, db, transaction
from partner.errors import PartnerWithoutKey
from partner.gateway import wechatpay
from partner.wechatpay.errors import OutcomeUnknown, Refused
from partner.wechatpay.resources.refunds import MERCHANTS_CARD, PAYERS_CARD, BankCard
from payments.refunds.models import Refund, RefundState, RefundTask
from payments.refunds.refusals import RefundNotAbnormal, RefundOutcomeUnknown, RefundRefused
from payments.refunds.schedule import CALL_TAKES
from payments.refunds.sync import apply_answer, sync_refund

_TRY_AGAIN = "The refund is still abnormal: mend what WeChat Pay names, then apply again."


def apply_abnormal(refund: Refund, *, card: BankCard | None = None) -> Refund:
    """Have the refund paid to this card, or without one to the merchant's own account.

    WeChat Pay is asked first whether it is still abnormal. Raises RefundNotAbnormal when it is not,
    WeChatPayRefused or WeChatPayOutcomeUnknown; after the last, sync the refund before anything.
    """
    _require_abnormal(refund)
    sync_refund(refund)
    _require_abnormal(refund)
    _note_application(refund, card)
    try:
        told = wechatpay(refund.partner_id).refunds.apply_abnormal(
            refund_id=refund.refund_id or "",
            out_refund_no=refund.out_refund_no,
            sub_mchid=refund.sub_mchid,
            card=card,
        )
    except LookupError as error:
        raise PartnerWithoutKey(refund.partner_id) from error
    except Refused as refusal:
        raise RefundRefused(refusal, advice=_TRY_AGAIN, refund_id=refund.id) from refusal
    except OutcomeUnknown as unknown:
        raise RefundOutcomeUnknown(unknown, refund_id=refund.id) from unknown
    apply_answer(refund, told, learned_by="apply")
    return refund


def _require_abnormal(refund: Refund) -> None:
    if refund.state is not RefundState.ABNORMAL or refund.refund_id is None:
        raise RefundNotAbnormal(refund_id=refund.id, state=refund.state.value)


def _note_application(refund: Refund, card: BankCard | None) -> None:
    kind = MERCHANTS_CARD if card is None else PAYERS_CARD
    moment = now()
    with transaction():
        # The refund first, as by whoever moves it and settles its task, or the two would deadlock.
        soon = {"asked_at": moment, "next_check_at": moment + CALL_TAKES}
        changed_rows(update(Refund).where(Refund.id == refund.id).values(**soon))
        task = update(RefundTask).where(
            RefundTask.refund_id == refund.id, RefundTask.settled_at.is_(None)
        )
        changed_rows(task.values(applied_at=moment, applied_type=kind))
        db.session.refresh(refund)
        audit.record(
            "refund.another_way",
            object_kind="refund",
            object_id=refund.id,
            tenant_id=refund.sub_merchant_id,
            type=kind,
            bank_type=card.bank_type if card else None,
        )
