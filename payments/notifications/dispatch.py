"""Which room confirms a notification, by its event type, and what came of it for the inbox.

A payment goes to `orders.confirm`, a refund to `refunds.confirm`. An event that is of no use to us,
and content that is malformed or speaks of another provider, is turned away here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from types import MappingProxyType
from typing import Final, Self

from partner.gateway import KeyRing
from partner.wechatpay import wire
from partner.wechatpay.errors import Malformed
from partner.wechatpay.notifications import Envelope
from partner.wechatpay.resources.refunds import Refund
from partner.wechatpay.resources.transactions import Transaction
from payments.notifications.models import InboxState
from payments.orders.confirm import Confirmation, Verdict, confirm_payment, passed_checks
from payments.refunds.confirm import confirm_refund
from payments.refunds.elsewhere import OrderNotPaidHere

_STATES: Mapping[Verdict, InboxState] = MappingProxyType(
    {
        Verdict.APPLIED: InboxState.APPLIED,
        Verdict.KNOWN: InboxState.REDUNDANT,
        Verdict.DISAGREES: InboxState.QUARANTINED,
    }
)


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying a notification came to; `checks` None means that every one of them held."""

    state: InboxState
    reason: str | None = None
    checks: Sequence[Mapping[str, object]] | None = None
    order_id: str | None = None
    tenant_id: str | None = None
    out_trade_no: str | None = None

    @classmethod
    def quarantined(cls, check: str, reason: str) -> Self:
        """Genuine, but `check` failed: a person looks at it."""
        return cls(InboxState.QUARANTINED, reason, [{"check": check, "ok": False}])

    @classmethod
    def kept(cls, reason: str) -> Self:
        """Genuine, but it cannot be applied yet: the replay job tries again."""
        return cls(InboxState.KEPT, reason, [{"check": "signature", "ok": True}])


# Only WeChat Pay's own number can clash when a payment or a refund is written.
NUMBER_TAKEN: Final = Applied.quarantined(
    "transaction_id", "another order already holds this transaction_id"
)
REFUND_NUMBER_TAKEN: Final = Applied.quarantined(
    "refund_id", "another refund already holds this refund_id"
)


def number_taken(event_type: str) -> Applied:
    """The outcome when WeChat Pay's number in the message already stands in another row here."""
    return REFUND_NUMBER_TAKEN if event_type.startswith("REFUND.") else NUMBER_TAKEN


def dispatch(key_ring: KeyRing, envelope: Envelope, plaintext: bytes) -> Applied:
    """Hand an opened notification to its room, inside the caller's transaction."""
    room = _ROOMS.get(envelope.event_type)
    if room is None:
        return Applied(
            InboxState.IGNORED,
            f"no room takes {envelope.event_type}",
            [{"check": "signature", "ok": True}],
        )
    original_type, apply = room
    if envelope.original_type != original_type:
        reason = f"original_type is {envelope.original_type}, {original_type} belongs to this event"
        return Applied.quarantined("original_type", reason)
    try:
        return apply(key_ring, wire.read_object(plaintext))
    except Malformed as fault:
        return Applied.quarantined("content", f"the content is malformed: {fault}")


@cache
def passed() -> str:
    """The stored verdicts of a notification that passed every check."""
    return json.dumps(passed_checks())


def _payment(key_ring: KeyRing, content: Mapping[str, object]) -> Applied:
    paid = Transaction.from_wire(content)
    if paid.sp_mchid != key_ring.sp_mchid:
        reason = "it speaks of another provider than the one whose key opened it"
        return Applied.quarantined("sp_mchid", reason)
    return _applied(confirm_payment(paid, learned_by="notification"), paid.out_trade_no)


def _refund(event_type: str, key_ring: KeyRing, content: Mapping[str, object]) -> Applied:
    told = Refund.from_wire(content)
    if told.sp_mchid not in (None, key_ring.sp_mchid):
        reason = "it speaks of another provider than the one whose key opened it"
        return Applied.quarantined("sp_mchid", reason)
    if f"REFUND.{told.status}" != event_type:
        return Applied.quarantined("refund_status", f"{told.status} does not belong to this event")
    told = replace(told, sp_mchid=key_ring.sp_mchid)
    try:
        confirmation = confirm_refund(told, learned_by="notification")
    except OrderNotPaidHere as early:
        return replace(
            Applied.kept("the order is not paid here yet; WeChat Pay is being asked about it"),
            order_id=early.order_id,
            tenant_id=early.tenant_id,
            out_trade_no=told.out_trade_no,
        )
    return _applied(confirmation, told.out_trade_no)


def _applied(confirmation: Confirmation, out_trade_no: str) -> Applied:
    checks = [check.as_dict() for check in confirmation.checks]
    return Applied(
        state=_STATES[confirmation.verdict],
        reason=confirmation.reason,
        checks=checks or None,
        order_id=confirmation.order_id,
        tenant_id=confirmation.sub_merchant_id,
        out_trade_no=out_trade_no,
    )


_Room = Callable[[KeyRing, Mapping[str, object]], Applied]
_ROOMS: Mapping[str, tuple[str, _Room]] = MappingProxyType(
    {
        "TRANSACTION.SUCCESS": ("transaction", _payment),
        **{
            event_type: ("refund", partial(_refund, event_type))
            for event_type in ("REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED")
        },
    }
)
