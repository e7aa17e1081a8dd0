"""Charge the payer whose code the shop has scanned: once, and with nothing of the code kept.

The code goes to WeChat Pay and nowhere else, so a repeat of the request never charges: it asks what
became of the first. No notification will come either; what is open is asked about by the sweep and
reversed when the payer's time is up. WeChat Pay document: "付款码支付".
"""

from __future__ import annotations

import json

from config import audit
from config.clock import now
from config.database import transaction
from config.vault import Secret
from partner.gateway import wechatpay
from partner.wechatpay.errors import OutcomeUnknown, Refused
from partner.wechatpay.resources.transactions import USERPAYING, UserPaying
from payments import metrics
from payments.errors import PaymentCodeRefused, WeChatPayOutcomeUnknown, present_refusal
from payments.orders.models import Order, OrderState
from payments.orders.move import close_row
from payments.orders.place import SETTLED_THERE, note_open
from payments.orders.schedule import next_check
from payments.orders.states import OPEN
from payments.orders.sync import apply_answer, sync_order


def charge_code(order: Order, auth_code: Secret) -> Order:
    """Charge a new order; it comes back paid, or PENDING while the payer types the password.

    Raises PaymentCodeRefused when the payment failed, with the order closed, and
    WeChatPayOutcomeUnknown when nobody knows, with the order watched.
    """
    try:
        told = wechatpay(order.partner_id).transactions.pay_by_code(
            order.place_body.encode(),
            auth_code.reveal(),
            out_trade_no=order.out_trade_no,
            sub_mchid=order.sub_mchid,
        )
    except Refused as refusal:
        return _refused(order, _without_code(refusal, auth_code))
    except OutcomeUnknown as unknown:
        due = next_check(checks=0, now=now(), expires_at=order.expires_at, by_code=True)
        note_open(order, "unknown", {"next_check_at": due}, reason=unknown.reason.value)
        raise WeChatPayOutcomeUnknown(
            unknown, order_id=order.id, out_trade_no=order.out_trade_no
        ) from unknown
    metrics.orders_placed.inc()
    if isinstance(told, UserPaying):
        note_open(order, "opened", {"state": OrderState.PENDING, "trade_state": USERPAYING})
        return order
    return apply_answer(order, told, learned_by="answer")


def charged_before(order: Order) -> Order:
    """The order as it stands, for a repeat of its request; asks where it is still open.

    Raises what the first request raised when its code was refused.
    """
    if order.state is OrderState.CLOSED and order.last_refusal is not None:
        raise PaymentCodeRefused(Refused(**json.loads(order.last_refusal)), order_id=order.id)
    return sync_order(order) if order.state in OPEN else order


def _refused(order: Order, refusal: Refused) -> Order:
    if refusal.code in SETTLED_THERE:
        return sync_order(order)
    told = present_refusal(refusal)
    with transaction():
        audit.record(
            "order.refused",
            object_kind="order",
            object_id=order.id,
            tenant_id=order.sub_merchant_id,
            wechatpay=told,
        )
        # A refusal is not signed, so the sweep asks about the number when its time is up all the
        # same, and reverses it unless it has ended there too.
        close_row(
            order,
            last_refusal=json.dumps(told, ensure_ascii=False),
            next_check_at=order.expires_at,
        )
    raise PaymentCodeRefused(
        refusal, order_id=order.id, out_trade_no=order.out_trade_no
    ) from refusal


def _without_code(refusal: Refused, auth_code: Secret) -> Refused:
    # Its words go into answers, books and logs, and may quote what they complain of.
    return Refused(
        status=refusal.status,
        code=refusal.code,
        message=refusal.message.replace(auth_code.reveal(), "****"),
        request_id=refusal.request_id,
    )
