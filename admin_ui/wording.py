"""What happened, in the reader's words: the moments of a timeline, and who acted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_ui.formatting import beijing, state_label
from admin_ui.reading.timeline import Moment
from payments.reconciliation.models import DiscrepancyKind

_HAPPENINGS: dict[str, Any] = {
    "order.created": _l("Order recorded"),
    "order.opened": _l("WeChat Pay opened the order for the payer"),
    "order.pending": _l("Waiting for the payer"),
    "order.paid": _l("Paid"),
    "order.closed": _l("Closed"),
    "order.refused": _l("WeChat Pay refused it"),
    "order.unknown": _l("WeChat Pay did not answer; its outcome is unknown"),
}
_EVENTS: dict[str, Any] = {
    "order.paid": _l("Event for the sub-merchant: order.paid"),
    "order.closed": _l("Event for the sub-merchant: order.closed"),
}
_ACTORS: dict[str, Any] = {
    "wechatpay": _l("WeChat Pay"),
    "system": _l("The platform itself"),
    "api_key": _l("The sub-merchant's system"),
    "operator": _l("Operator"),
    "staff": _l("Staff"),
    "command": _l("The command line"),
}
FACTS: dict[str, Any] = {
    "signature": _l("Signature"),
    "order": _l("Order"),
    "sp_mchid": _l("Service provider number"),
    "sub_mchid": _l("Sub-merchant number"),
    "sp_appid": _l("Appid of the provider"),
    "sub_appid": _l("Appid of the sub-merchant"),
    "currency": _l("Currency"),
    "trade_type": _l("Trade type"),
    "row": _l("Kind of row"),
    "traded_at": _l("Traded at"),
    "paid_at": _l("Paid at"),
    "merchant_order_no": _l("Merchant's order number"),
    "out_trade_no": _l("Our number"),
    "out_refund_no": _l("Our refund number"),
    "refund_id": _l("WeChat Pay's refund number"),
    "refund_status": _l("State of the refund"),
    "amount_fen": _l("Amount"),
    "total_fen": _l("Amount"),
    "transaction_id": _l("WeChat Pay's number"),
    "learned_by": _l("Learned by"),
    "before": _l("State before"),
    "state": _l("State"),
    "reason": _l("Reason"),
    "wechatpay": _l("WeChat Pay's words"),
    "id": _l("Event"),
}
_MOMENTS = ("traded_at", "paid_at", "created_at", "closed_at")
_ROWS: dict[str, Any] = {"payment": _l("payment"), "refund": _l("refund")}
_LEARNED: dict[str, Any] = {
    "notification": _l("notification"),
    "query": _l("asking"),
    "sweep": _l("the sweep"),
}

# 长款 and 短款 are what accountants call the first two.
_KINDS: dict[DiscrepancyKind, tuple[Any, Any]] = {
    DiscrepancyKind.MISSING_HERE: (
        _l("On the bill only"),
        _l("WeChat Pay booked it and our books do not have it."),
    ),
    DiscrepancyKind.MISSING_THERE: (
        _l("In our books only"),
        _l("Our books have it as paid and the bill does not show it."),
    ),
    DiscrepancyKind.AMOUNT_DIFFERS: (
        _l("Amounts differ"),
        _l("Both sides have it, with different amounts."),
    ),
    DiscrepancyKind.STATE_DIFFERS: (
        _l("Paid there, not here"),
        _l("The bill has it as paid; our order does not stand at paid."),
    ),
    DiscrepancyKind.DAY_DIFFERS: (
        _l("Different days"),
        _l("Both sides have it, booked on different days."),
    ),
    DiscrepancyKind.NUMBER_DIFFERS: (
        _l("Numbers differ"),
        _l("One of the numbers agrees and the other does not."),
    ),
    DiscrepancyKind.TENANT_DIFFERS: (
        _l("Another sub-merchant"),
        _l("The bill books it under another sub-merchant than we do."),
    ),
    DiscrepancyKind.DUPLICATE_ROW: (
        _l("Twice on the bill"),
        _l("The bill has it more than once."),
    ),
}

_DISAGREES = "does not agree on "
_REASONS: dict[str, Any] = {
    "no API v3 key of this provider opens it; check the key, then replay": _l(
        "No API v3 key of this provider opens it: check the key, then replay."
    ),
    "another order already holds this transaction_id": _l(
        "Another order already holds this WeChat Pay number."
    ),
    "it speaks of another provider than the one whose key opened it": _l(
        "It speaks of another provider than the one whose key opened it."
    ),
}


def reason(text: str | None) -> str:
    """Why a notification was not applied; a reason without words of its own stands as recorded."""
    if not text:
        return ""
    if text.startswith(_DISAGREES):
        return str(_("Does not agree: %(fields)s", fields=_named(text.removeprefix(_DISAGREES))))
    return str(_REASONS.get(text, text))


def _named(fields: str) -> str:
    return ", ".join(fact_name(field) for field in fields.split(", "))


def kind_name(kind: DiscrepancyKind) -> Any:
    """What a kind of difference is called."""
    return _KINDS[kind][0]


def kind_meaning(kind: DiscrepancyKind) -> Any:
    """What it means, in a sentence."""
    return _KINDS[kind][1]


def happening(moment: Moment) -> str:
    """A moment in a sentence; one without words of its own shows its code."""
    if moment.source == "notification":
        return str(_("WeChat Pay notified us: %(event)s", event=moment.what))
    words = _EVENTS if moment.source == "event" else _HAPPENINGS
    return str(words.get(moment.what, moment.what))


def doer(moment: Moment) -> str:
    """Who did it: a kind we know, or the name as it was recorded."""
    return actor_name(moment.who)


def actor_name(kind: str) -> str:
    """A kind of actor in words."""
    return str(_ACTORS.get(kind, kind))


def fact_name(name: str) -> str:
    """The name of a recorded detail."""
    return str(FACTS.get(name, name))


def fact_value(name: str, value: object) -> object:
    """A recorded detail that is a code, in words."""
    if name in _MOMENTS and isinstance(value, str):
        return beijing(datetime.fromisoformat(value))
    if name in ("state", "before"):
        return state_label(str(value))
    if isinstance(value, dict):
        return " · ".join(str(part) for part in value.values() if part)
    words = {"learned_by": _LEARNED, "row": _ROWS}.get(name, {})
    return words.get(str(value), value)
