"""What happened, in the reader's words: the moments of a timeline, and who acted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from admin_ui.audit_words import ACTIONS, ACTORS
from admin_ui.formatting import beijing, role_label, state_label
from admin_ui.reading.timeline import Moment
from admin_ui.webhook_words import problem
from config.i18n import language_tag
from payments.reconciliation.models import DiscrepancyKind
from submerchants.doctor.findings import Who

_EVENTS: dict[str, Any] = {
    "order.paid": _l("Event for the sub-merchant: order.paid"),
    "order.closed": _l("Event for the sub-merchant: order.closed"),
    "order.reversed": _l("Event for the sub-merchant: order.reversed"),
    "refund.succeeded": _l("Event for the sub-merchant: refund.succeeded"),
    "refund.abnormal": _l("Event for the sub-merchant: refund.abnormal"),
    "refund.closed": _l("Event for the sub-merchant: refund.closed"),
}
FACTS: dict[str, Any] = {
    "signature": _l("Signature"),
    "decryption": _l("Decryption"),
    "order": _l("Order"),
    "sp_mchid": _l("Service provider number"),
    "sub_mchid": _l("Sub-merchant number"),
    "sp_appid": _l("Appid of the provider"),
    "sub_appid": _l("Appid of the sub-merchant"),
    "appids": _l("Appids"),
    "mchid": _l("Merchant number"),
    "currency": _l("Currency"),
    "trade_state": _l("WeChat Pay says"),
    "success_time": _l("Success time"),
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
    "waiting": _l("Waits for"),
    "merchant_refund_no": _l("Merchant's refund number"),
    "order_id": _l("Order"),
    "origin": _l("Where it was made"),
    "numbers": _l("Numbers"),
    "amount.total": _l("Amount of the order"),
    "amount.refund": _l("Amount of the refund"),
    "amount.currency": _l("Currency"),
    "order.refunded": _l("Refunded in all"),
    "status": _l("State of the refund"),
    "url": _l("Address"),
    "email": _l("Email"),
    "role": _l("Role"),
    "prefix": _l("Key begins with"),
    "scopes": _l("Scopes"),
    "expires_at": _l("Ends at"),
    "sub_appids": _l("Appids of the sub-merchant"),
    "sp_appids": _l("Appids of the provider"),
    "serial_no": _l("Serial number"),
    "serials": _l("Serial numbers"),
    "wechatpay_public_key_id": _l("Public key id"),
    "bill_scope": _l("Kind of bill"),
    "bill_date": _l("Bill date"),
    "scope": _l("Bill of"),
    "bytes": _l("Bytes"),
    "sha1": _l("SHA-1"),
    "rows": _l("Rows"),
    "strays": _l("Rows of nobody here"),
    "fault": _l("Fault"),
    "told": _l("Told"),
    "tenants": _l("Tenants"),
    "matched": _l("Matched"),
    "open": _l("Differences"),
    "decision": _l("Decision"),
    "moved": _l("Sealed anew"),
    "type": _l("Way"),
    "bank_type": _l("Bank"),
    "problem": _l("Problem"),
    "who": _l("Who mends it"),
    "reference": _l("Reference"),
    "turn": _l("Turn"),
    "description": _l("Description"),
    "event_types": _l("Event types"),
    "endpoints": _l("Endpoints"),
    "events": _l("Events"),
    "since": _l("From"),
    "until": _l("To"),
    "failing_since": _l("Failing since"),
    "overlap_until": _l("The former one signs until"),
}
_WAITS: dict[str, Any] = {
    "MINUTE": _l("its turn: WeChat Pay takes refunds of one order a minute apart"),
    "FUNDS": _l("money: the sub-merchant's balance is short; it is tried again under this number"),
    "ANSWER": _l("an answer of WeChat Pay's: it is asked until it is known"),
    "PACE": _l("WeChat Pay to take requests again"),
}
_ORIGINS: dict[str, Any] = {
    "HERE": _l("here"),
    "ELSEWHERE": _l("elsewhere, in the merchant platform for instance"),
}
_MOMENTS = (
    *("traded_at", "paid_at", "created_at", "closed_at"),
    *("expires_at", "since", "until", "failing_since", "overlap_until"),
)
_MENDERS = {who.value: who for who in Who}
_ROWS: dict[str, Any] = {
    "SUCCESS": _l("payment"),
    "REFUND": _l("refund"),
    "REVOKED": _l("reversal"),
}
_LEARNED: dict[str, Any] = {
    "notification": _l("notification"),
    "query": _l("asking"),
    "sweep": _l("the sweep"),
    "bill": _l("the bill"),
    "answer": _l("the answer to the request"),
    "apply": _l("sending it another way"),
    "refusal": _l("a refusal"),
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
    "another refund already holds this refund_id": _l(
        "Another refund already holds this WeChat Pay number."
    ),
    "the order is not paid here yet; WeChat Pay is being asked about it": _l(
        "The order is not paid here yet; WeChat Pay is being asked about it."
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
    return str(_REASONS.get(text) or problem(text))


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
    words = _EVENTS if moment.source == "event" else ACTIONS
    return str(words.get(moment.what, moment.what))


def doer(moment: Moment) -> str:
    """Who did it: a kind we know, or the name as it was recorded."""
    return actor_name(moment.who)


def actor_name(kind: str) -> str:
    """A kind of actor in words."""
    return str(ACTORS.get(kind, kind))


def fact_name(name: str) -> str:
    """The name of a recorded detail."""
    return str(FACTS.get(name, name))


def _said(answer: Mapping[str, object]) -> Iterator[str]:
    """What WeChat Pay said no with, and the number under which it can find that answer again."""
    yield from (str(answer[part]) for part in ("code", "message") if answer.get(part))
    if answer.get("request_id"):
        yield f"Request-ID {answer['request_id']}"


def fact_value(name: str, value: object) -> object:
    """A recorded detail that is a code, in words."""
    if name in _MOMENTS and isinstance(value, str):
        return beijing(datetime.fromisoformat(value))
    if isinstance(value, list):
        return ", ".join(str(part) for part in value)
    if name == "role":
        return role_label(str(value))
    if name == "who" and value in _MENDERS:
        return _MENDERS[str(value)].words.in_language(language_tag())
    if name in ("state", "before"):
        return state_label(str(value))
    if isinstance(value, dict):
        parts = _said(value) if name == "wechatpay" else filter(None, value.values())
        return " · ".join(str(part) for part in parts)
    words = {"learned_by": _LEARNED, "row": _ROWS, "waiting": _WAITS, "origin": _ORIGINS}.get(
        name, {}
    )
    return words.get(str(value), value)
