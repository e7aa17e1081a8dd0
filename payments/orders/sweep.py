"""The sweep: ask what became of every open order, so that nothing waits for a notification alone.

Each open order has a next moment to be asked about. The sweep claims a due order by moving that
moment on, which is one conditional UPDATE: of any number of sweepers one gets it, and one that is
killed has only postponed it. An order past its time is closed at WeChat Pay first and then here; a
payment that was faster is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from flask import Flask, current_app
from sqlalchemy import select, update

from config.clock import now
from config.database import changed_rows, db, release, transaction
from config.errors import AppError
from config.logs import get_logger
from payments.errors import OrderAlreadyPaid
from payments.orders.models import Order, OrderState
from payments.orders.schedule import CLOSE_GRACE, next_check
from payments.orders.sync import close_at_wechatpay, sync_order
from submerchants.tenancy import across_tenants, acting_for

SWEEP_BATCH = 200
SWEEP_THREADS = 6  # each waits for WeChat Pay most of its time

log = get_logger(__name__)


def sweep_due(limit: int = SWEEP_BATCH) -> Mapping[str, object]:
    """Ask about the orders that are due, the longest waiting first; answers what came of it."""
    with across_tenants("the sweep asks about everybody's orders"):
        due = db.session.execute(
            select(Order.id, Order.sub_merchant_id)
            .where(Order.next_check_at <= now())
            .order_by(Order.next_check_at)
            .limit(limit)
        ).all()
        release()
    if not due:
        return {"asked": 0}
    app = cast("Flask", current_app._get_current_object())  # type: ignore[attr-defined]
    with ThreadPoolExecutor(SWEEP_THREADS, thread_name_prefix="sweep") as threads:
        results = list(threads.map(lambda row: _in_context(app, row[1], row[0]), due))
    counted: dict[str, object] = {"asked": len(due) - results.count("taken")}
    for result in sorted(set(results) - {"taken"}):
        counted[result] = results.count(result)
    return counted


def _in_context(app: Flask, sub_merchant_id: str, order_id: str) -> str:
    with app.app_context(), acting_for(sub_merchant_id):
        try:
            return check_order(order_id)
        except Exception as fault:
            # Its next moment is set already; what ails one order must not stop the others.
            log.error("an order could not be checked", order_id=order_id, exc_info=fault)
            return "fault"


def check_order(order_id: str) -> str:
    """Claim one due order and settle what can be settled; answers how it then stands."""
    order = _claimed(order_id)
    if order is None:
        return "taken"
    try:
        if order.state is OrderState.CLOSED or now() >= order.expires_at + CLOSE_GRACE:
            close_at_wechatpay(order)
        else:
            sync_order(order)
    except OrderAlreadyPaid:
        return "paid"  # the money was faster than our close
    except AppError as error:
        # It is asked about again at its next moment; nothing is concluded from silence.
        log.info("order stays open", order_id=order.id, code=error.code)
        return "no_answer"
    return order.state.value.lower()


def _claimed(order_id: str) -> Order | None:
    order = db.session.get(Order, order_id)
    if order is None or order.next_check_at is None or order.next_check_at > now():
        return None
    later = next_check(checks=order.checks, now=now(), expires_at=order.expires_at)
    with transaction():
        mine = update(Order).where(Order.id == order.id, Order.next_check_at == order.next_check_at)
        claimed = changed_rows(mine.values(next_check_at=later, checks=Order.checks + 1))
        db.session.refresh(order)
    return order if claimed else None
