"""Find a refund by the number WeChat Pay has it under, and take it in when it was made elsewhere.

WeChat Pay lists no refunds, and of those made by hand in its merchant platform it tells nobody; it
answers for one number. What it answers goes through `confirm`, the same path as any other news.
WeChat Pay document: "查询单笔退款".
"""

from __future__ import annotations

import re

from sqlalchemy.exc import IntegrityError

from config.database import transaction
from partner.gateway import wechatpay
from partner.wechatpay.errors import OutcomeUnknown, Refused
from partner.wechatpay.resources.refunds import Refund as Told
from payments.numbers import OUT_REFUND_NO
from payments.orders.confirm import Confirmation, Verdict
from payments.orders.models import OrderState
from payments.orders.queries import get_order
from payments.orders.sync import sync_order
from payments.refunds.confirm import confirm_refund, find_refund
from payments.refunds.elsewhere import OrderNotPaidHere
from payments.refunds.models import Refund
from payments.refunds.refusals import (
    NotARefundNumber,
    RefundBeforePayment,
    RefundDisagrees,
    RefundNotFoundYet,
    RefundOfNoOrder,
    RefundUnknown,
    query_refused,
)
from payments.refunds.sync import NEVER_ACCEPTED, sync_refund
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant


def find_elsewhere(*, sub_merchant: SubMerchant, out_refund_no: str) -> Refund:
    """The tenant's refund of this number as WeChat Pay has it now; one not known yet is taken in.

    Raises NotARefundNumber; RefundUnknown, also for another tenant's; RefundOfNoOrder,
    RefundBeforePayment or RefundDisagrees when it does not fit our books, which stay as they were;
    WeChatPayRefused or WeChatPayOutcomeUnknown.
    """
    if not re.fullmatch(OUT_REFUND_NO, out_refund_no):
        raise NotARefundNumber
    with acting_for(sub_merchant.id):
        known = find_refund(out_refund_no)
        if known is not None:
            return sync_refund(known)
        told = _asked(sub_merchant, out_refund_no)
        try:
            _take_in(told, sub_merchant)
        except OrderNotPaidHere as early:
            if early.tenant_id != sub_merchant.id:
                raise RefundUnknown(out_refund_no) from None
            _hear_of_payment(early.order_id)
            _take_in(told, sub_merchant)
        taken = find_refund(out_refund_no)
    if taken is None:
        raise RefundUnknown(out_refund_no)
    return taken


def _asked(sub_merchant: SubMerchant, out_refund_no: str) -> Told:
    try:
        return wechatpay(sub_merchant.partner_id).refunds.query(
            out_refund_no=out_refund_no, sub_mchid=sub_merchant.sub_mchid
        )
    except Refused as refusal:
        if refusal.code == NEVER_ACCEPTED:
            raise RefundUnknown(out_refund_no) from refusal
        raise query_refused(refusal, out_refund_no=out_refund_no) from refusal
    except OutcomeUnknown as unknown:
        raise RefundNotFoundYet(unknown, out_refund_no=out_refund_no) from unknown


def _take_in(told: Told, sub_merchant: SubMerchant) -> None:
    try:
        with transaction():
            with across_tenants("a refund finds its tenant through its own order"):
                confirmation = confirm_refund(told, learned_by="query")
            # What is refused is rolled back: nothing of another tenant's is touched.
            _require_taken(confirmation, told, sub_merchant)
    except IntegrityError as clash:
        raise RefundDisagrees(out_refund_no=told.out_refund_no, fields=["refund_id"]) from clash


def _require_taken(confirmation: Confirmation, told: Told, sub_merchant: SubMerchant) -> None:
    if confirmation.sub_merchant_id not in (None, sub_merchant.id):
        raise RefundUnknown(told.out_refund_no)
    if confirmation.order_id is None:
        raise RefundOfNoOrder(out_refund_no=told.out_refund_no, out_trade_no=told.out_trade_no)
    if confirmation.verdict is Verdict.DISAGREES:
        fields = [check.field for check in confirmation.checks if not check.agrees]
        raise RefundDisagrees(out_refund_no=told.out_refund_no, fields=fields)


def _hear_of_payment(order_id: str) -> None:
    """Ask about the order whose payment's own news never came, so that its refund has a place."""
    order = sync_order(get_order(order_id))
    if order.state is not OrderState.PAID:
        raise RefundBeforePayment(order_id=order.id, state=order.state.value)
