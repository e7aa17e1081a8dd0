"""Move a refund: one conditional UPDATE, and the order's money follows in the same transaction.

Only CLOSED gives the reserve back. Whatever leaves CLOSED takes it again, because then the money is
WeChat Pay's to move, whether or not our books have room for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, update

from config import audit
from config.clock import now
from config.database import changed_rows, db
from config.identifiers import new_id
from config.logs import get_logger
from payments import metrics
from payments.orders.models import Order
from payments.refunds.models import Refund, RefundState, RefundTask
from payments.refunds.presenter import present_refund
from payments.refunds.refusals import RefundMoveRefused
from payments.refunds.states import MOVES
from payments.webhooks.publish import publish_event

log = get_logger(__name__)

_EVENTS: Mapping[RefundState, str] = MappingProxyType(
    {
        RefundState.SUCCEEDED: "refund.succeeded",
        RefundState.ABNORMAL: "refund.abnormal",
        RefundState.CLOSED: "refund.closed",
    }
)


def move_refund(
    refund: Refund,
    to: RefundState,
    *agreed: ColumnElement[bool],
    learned_by: str,
    **news: Any,
) -> bool:
    """Move the row from where it was read, inside the caller's transaction.

    False when it no longer stands there, or `agreed` does not hold. Raises RefundMoveRefused when
    no move leads there.
    """
    before = refund.state
    if to not in MOVES[before]:
        raise RefundMoveRefused(current=before, to=to)
    here = update(Refund).where(Refund.id == refund.id, Refund.state == before, *agreed)
    values = {"state": to, "waiting": None, "checks": Refund.checks + 1, **news}
    if not changed_rows(here.values(values)):
        return False
    db.session.refresh(refund)
    hold_money(refund, before=before)
    _keep_tasks(refund, before)
    tell(refund, learned_by=learned_by, before=before.value)
    return True


def hold_money(refund: Refund, *, before: RefundState | None) -> None:
    """Adjust the order's reserved and refunded sums to a refund that was in state `before`.

    `before` is None for a refund that the order's sums do not hold yet.
    """
    was_held = before not in (None, RefundState.CLOSED)
    is_held = refund.state is not RefundState.CLOSED
    change = int(is_held) - int(was_held)
    news: dict[str, Any] = {
        "refund_reserved_fen": Order.refund_reserved_fen + change * refund.amount_fen,
        "refund_count": Order.refund_count + change,
    }
    if refund.state is RefundState.SUCCEEDED:
        news["refunded_fen"] = Order.refunded_fen + refund.amount_fen
    if is_held:
        news["trade_state"] = "REFUND"
    changed_rows(update(Order).where(Order.id == refund.order_id).values(**news))
    if before is RefundState.CLOSED:
        log.error("a closed refund is under way", refund_id=refund.id, state=refund.state.value)


def tell(refund: Refund, *, learned_by: str, **detail: Any) -> None:
    """Tell the tenant where the refund now stands, and the audit trail how that is known."""
    audit.record(
        f"refund.{refund.state.value.lower()}",
        object_kind="refund",
        object_id=refund.id,
        tenant_id=refund.sub_merchant_id,
        learned_by=learned_by,
        amount_fen=refund.amount_fen,
        order_id=refund.order_id,
        wechatpay=json.loads(refund.last_refusal) if refund.last_refusal else None,
        **detail,
    )
    metrics.refunds_moved.labels(refund.state.value.lower()).inc()
    event = _EVENTS.get(refund.state)
    if event is None:
        return
    # A refund may get stuck, or be closed, more than once; each time is an event of its own.
    time = f":{refund.checks}" if refund.state is not RefundState.SUCCEEDED else ""
    publish_event(
        sub_merchant_id=refund.sub_merchant_id,
        type=event,
        event_key=f"{event}:{refund.id}{time}",
        object_id=refund.id,
        data=present_refund(refund),
    )


def open_task(refund: Refund) -> None:
    """Leave a task for whoever may say where the money of an abnormal refund goes."""
    db.session.add(
        RefundTask(
            id=new_id("rtk"),
            sub_merchant_id=refund.sub_merchant_id,
            refund_id=refund.id,
            opened_at=now(),
        )
    )
    db.session.flush()


def _keep_tasks(refund: Refund, before: RefundState) -> None:
    if refund.state is RefundState.ABNORMAL:
        open_task(refund)
    elif before is RefundState.ABNORMAL:
        waiting = update(RefundTask).where(
            RefundTask.refund_id == refund.id, RefundTask.settled_at.is_(None)
        )
        changed_rows(waiting.values(settled_at=now()))
