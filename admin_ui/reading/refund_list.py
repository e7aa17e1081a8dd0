"""The list of refunds as a person narrows it, those of one order, and what waits for somebody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from admin_ui.reading import by_number
from admin_ui.reading.chosen import Chosen, names_of
from admin_ui.reading.order_list import EXPORT_BATCH, MAX_EXPORTED, ROWS_PER_PAGE
from config.database import db
from partner.wechatpay.resources.transactions import REFUNDED
from payments.orders.models import Order
from payments.refunds.models import Refund, RefundState, RefundTask
from payments.refunds.queries import RefundFilter, list_refunds, refunds_matching
from payments.refunds.request import MOST_REFUNDS, refundable_fen


@dataclass(frozen=True, slots=True)
class Listed:
    """One page of the list and the names of the sub-merchants in it."""

    refunds: list[Refund]
    next_cursor: str | None
    names: dict[str, str]


def listed(chosen: Chosen, cursor: str | None = None) -> Listed:
    """One page, newest first."""
    if chosen.number:
        found = [refund for refund in _find(chosen.number) if chosen.fits(refund)]
        return Listed(found, None, names_of(found))
    page = list_refunds(_filter(chosen), limit=ROWS_PER_PAGE, cursor=cursor)
    refunds = list(page.rows)
    return Listed(refunds, page.next_cursor, names_of(refunds))


def exported(chosen: Chosen) -> Iterator[Refund]:
    """Every refund of the filter, newest first, a batch at a time; stops at a written limit."""
    if chosen.number:
        yield from listed(chosen).refunds
        return
    query = refunds_matching(_filter(chosen)).limit(MAX_EXPORTED)
    for refund in db.session.scalars(query.execution_options(yield_per=EXPORT_BATCH)):
        yield refund
        db.session.expunge(refund)


def refunds_of(order: Order) -> Sequence[Refund]:
    """All of one order, the oldest first."""
    query = select(Refund).where(Refund.order_id == order.id).order_by(Refund.created_at, Refund.id)
    return db.session.scalars(query.limit(2 * MOST_REFUNDS)).all()


def is_unexplained(order: Order, refunds: Sequence[Refund]) -> bool:
    """Whether WeChat Pay says that money of the order went back, and no refund here says how."""
    return order.trade_state == REFUNDED and not any(refund.status for refund in refunds)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what was paid: given back, under way, or kept."""

    name: str
    amount_fen: int
    percent: float
    begins_at: float  # percent, where a bar of all parts has this one


def parts_of(order: Order) -> list[Part]:
    """How an order's money stands divided, for drawing; parts of nothing are left out."""
    under_way = max(order.refund_reserved_fen - order.refunded_fen, 0)
    amounts = {
        "given_back": order.refunded_fen,
        "under_way": under_way,
        "kept": refundable_fen(order),
    }
    parts, begins_at = [], 0.0
    for name, amount_fen in amounts.items():
        percent = 100 * amount_fen / order.amount_fen
        if amount_fen:
            parts.append(Part(name, amount_fen, percent, begins_at))
        begins_at += percent
    return parts


def waiting_tasks() -> int:
    """How many abnormal refunds wait for somebody to say where the money goes."""
    open_ones = select(func.count(RefundTask.id)).where(RefundTask.settled_at.is_(None))
    return db.session.scalar(open_ones) or 0


def _find(number: str) -> list[Refund]:
    found = by_number.find_by_number(
        Refund,
        number,
        unique=(Refund.id, Refund.out_refund_no, Refund.refund_id),
        tenants_own=Refund.merchant_refund_no,
    )
    if found:
        return found
    order = select(Order.id).where((Order.out_trade_no == number) | (Order.id == number))
    return list(db.session.scalars(select(Refund).where(Refund.order_id.in_(order))))


def _filter(chosen: Chosen) -> RefundFilter:
    return RefundFilter(
        state=RefundState(chosen.state) if chosen.state else None,
        sub_merchant_id=chosen.sub_merchant_id,
        created_after=chosen.begins,
        created_before=chosen.ends,
    )
