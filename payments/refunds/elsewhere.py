"""Take in a refund that was not made here: in the merchant platform, or by another system.

The money has left already, so the order's sums take it even beyond what is refundable. What is
still checked is whose it is: an order of ours, with the same numbers and the same total.
"""

from __future__ import annotations

from sqlalchemy import select, update

from config.clock import now
from config.database import changed_rows, db
from config.identifiers import new_id
from config.inserts import insert_new
from config.logs import get_logger
from partner.wechatpay.resources.refunds import Refund as Told
from payments.orders.confirm import Check, Confirmation, Verdict
from payments.orders.models import Order, OrderState
from payments.refunds.facts import facts_of, merchant_checks, numbers_are_plain
from payments.refunds.models import Refund, RefundOrigin, RefundState
from payments.refunds.move import hold_money, open_task, tell
from payments.refunds.states import FINAL, STATE_OF

NO_REQUEST = "made elsewhere"  # in place of a request's hash, which is never this text

log = get_logger(__name__)


class OrderNotPaidHere(Exception):
    """The payment's own news is still on its way: the refund has to be heard again after it."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"{order.out_trade_no} is {order.state}")
        self.order_id = order.id
        self.tenant_id = order.sub_merchant_id


def take_in(told: Told, *, learned_by: str) -> Confirmation | None:
    """Make the refund known inside the caller's transaction, across tenants.

    None when somebody else did so this moment: look again. Raises OrderNotPaidHere.
    """
    order = db.session.scalars(
        select(Order).where(Order.out_trade_no == told.out_trade_no),
        execution_options={"populate_existing": True},
    ).one_or_none()
    if order is None:
        unknown = Check("out_trade_no", None, told.out_trade_no)
        return Confirmation(Verdict.DISAGREES, None, None, (unknown,))
    if order.state is not OrderState.PAID:
        _ask_about(order)
        raise OrderNotPaidHere(order)
    checks = tuple(_checks(order, told))
    if not all(check.agrees for check in checks):
        return Confirmation(Verdict.DISAGREES, order.id, order.sub_merchant_id, checks)
    # The order's row is held first, as for a refund made here: two who come at once queue.
    changed_rows(update(Order).where(Order.id == order.id).values(amount_fen=Order.amount_fen))
    refund = _recorded(order, told)
    if refund is None:
        return None
    hold_money(refund, before=None)
    if refund.state is RefundState.ABNORMAL:
        open_task(refund)
    tell(refund, learned_by=learned_by, origin=refund.origin.value)
    log.warning("a refund was made elsewhere", refund_id=refund.id, order_id=order.id)
    return Confirmation(Verdict.APPLIED, order.id, order.sub_merchant_id, checks)


def _checks(order: Order, told: Told) -> list[Check]:
    to = STATE_OF.get(told.status)
    checks = [
        Check("numbers", True, numbers_are_plain(told)),
        Check("transaction_id", order.transaction_id, told.transaction_id),
        *merchant_checks(order.sp_mchid, order.sub_mchid, told),
        Check("amount.total", order.amount_fen, told.total_fen),
        Check("amount.refund", True, 0 < told.refund_fen <= order.amount_fen),
        Check("status", True, to is not None),
    ]
    if told.currency is not None:
        checks.append(Check("amount.currency", order.currency, told.currency))
    if to is RefundState.SUCCEEDED:
        fits = order.refunded_fen + told.refund_fen <= order.amount_fen
        checks.append(Check("success_time", True, told.success_time is not None))
        checks.append(Check("order.refunded", True, fits))
    return checks


def _recorded(order: Order, told: Told) -> Refund | None:
    moment, state = now(), STATE_OF[told.status]
    row_id = new_id("re")
    draft = {
        "id": row_id,
        "sub_merchant_id": order.sub_merchant_id,
        "order_id": order.id,
        "merchant_refund_no": _number(order, told, row_id),
        "out_refund_no": told.out_refund_no,
        "origin": RefundOrigin.ELSEWHERE,
        "partner_id": order.partner_id,
        "sp_mchid": order.sp_mchid,
        "sub_mchid": order.sub_mchid,
        "out_trade_no": order.out_trade_no,
        "transaction_id": order.transaction_id,
        "state": state,
        "amount_fen": told.refund_fen,
        "total_fen": order.amount_fen,
        "currency": order.currency,
        "request_hash": NO_REQUEST,
        "accepted_at": told.create_time or moment,
        "closed_at": moment if state is RefundState.CLOSED else None,
        "created_at": moment,
        "next_check_at": None if state in FINAL else moment,  # so far it is hearsay
        "checks": 0,
        **facts_of(told),
    }
    if not insert_new(Refund, draft, unique=("out_refund_no",)):
        return None
    return db.session.get_one(Refund, row_id)


def _number(order: Order, told: Told, row_id: str) -> str:
    """Its number among the tenant's own: WeChat Pay's, unless the tenant has given that away."""
    taken = select(Refund.id).where(
        Refund.sub_merchant_id == order.sub_merchant_id,
        Refund.merchant_refund_no == told.out_refund_no,
    )
    return row_id if db.session.scalar(taken) else told.out_refund_no


def _ask_about(order: Order) -> None:
    unpaid = update(Order).where(Order.id == order.id, Order.state != OrderState.PAID)
    changed_rows(unpaid.values(next_check_at=now()))
