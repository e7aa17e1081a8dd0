"""The sweep: ask what became of every open order, so that nothing waits for a notification alone.

An order past its time is closed at WeChat Pay first and then here, a payment by code reversed;
money that was faster is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from config.clock import now
from config.errors import AppError
from config.logs import get_logger
from payments.errors import OrderAlreadyPaid
from payments.orders.models import Order, OrderState, TradeType
from payments.orders.reverse import settle_code
from payments.orders.schedule import CLOSE_GRACE, next_check
from payments.orders.sync import close_at_wechatpay, sync_order
from payments.sweeping import SWEEP_BATCH, TAKEN, claim_due, sweep

SWEEP_THREADS = 6  # each waits for WeChat Pay most of its time

log = get_logger(__name__)


def sweep_due(limit: int = SWEEP_BATCH) -> Mapping[str, object]:
    """Ask about the orders that are due, the longest waiting first; answers what came of it."""
    return sweep(Order, check_order, threads=SWEEP_THREADS, limit=limit)


def check_order(order_id: str) -> str:
    """Claim one due order and settle what can be settled; answers how it then stands."""
    order = claim_due(Order, order_id, _later)
    if order is None:
        return TAKEN
    try:
        if order.trade_type is TradeType.MICROPAY:
            order = settle_code(order)
        elif order.state is OrderState.CLOSED or now() >= order.expires_at + CLOSE_GRACE:
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


def _later(order: Order) -> datetime:
    return next_check(
        checks=order.checks,
        now=now(),
        expires_at=order.expires_at,
        by_code=order.trade_type is TradeType.MICROPAY,
    )
