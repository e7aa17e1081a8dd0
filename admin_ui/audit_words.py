"""The audit trail in the reader's language: what was done, to what, and by whom."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from admin_ui.reading.trail import Group, Side
from config.audit import AuditEntry

ACTIONS: dict[str, Any] = {
    "order.created": _l("Order recorded"),
    "order.opened": _l("WeChat Pay opened the order for the payer"),
    "order.pending": _l("Waiting for the payer"),
    "order.paid": _l("Paid"),
    "order.closed": _l("Closed"),
    "order.refused": _l("WeChat Pay refused it"),
    "order.unknown": _l("WeChat Pay did not answer; its outcome is unknown"),
    "order.reversal_asked": _l("Reversal asked for"),
    "order.reversed": _l("Reversed; the whole amount was given back"),
    "refund.requested": _l("Refund asked for"),
    "refund.waiting": _l("Refund waits"),
    "refund.processing": _l("WeChat Pay is giving the money back"),
    "refund.succeeded": _l("Given back"),
    "refund.abnormal": _l("The payer's card takes no money: somebody must decide"),
    "refund.another_way": _l("Sent another way"),
    "refund.closed": _l("Refund closed; nothing was given back"),
    "refund.synced": _l("WeChat Pay was asked about the refund"),
    "refund.found": _l("Looked up at WeChat Pay by its number"),
    "checkout_link.created": _l("Checkout link made"),
    "checkout_link.cancelled": _l("Checkout link cancelled"),
    "checkout_link.turn_taken": _l("A payer's turn at the checkout link began"),
    "checkout_link.superseded": _l("A payer's turn went to the next payer"),
    "checkout_link.problem": _l("A payer could not pay: something is not set up"),
    "bill.stored": _l("Bill fetched and kept"),
    "bill.divided": _l("Bill divided by sub-merchant"),
    "bill.empty": _l("No trade that day: WeChat Pay has no bill"),
    "bill.refused": _l("Bill not taken: it contradicts itself"),
    "bill.failed": _l("Bill could not be fetched"),
    "reconciliation.run": _l("Day reconciled"),
    "reconciliation.discrepant": _l("Reconciliation found differences"),
    "discrepancy.handled": _l("Difference decided by a person"),
    "notification.replayed": _l("Notification replayed"),
    "notification.given_up": _l("Kept notification given up: it is not tried again by itself"),
    "notification.quarantined": _l("Notification quarantined: it does not agree"),
    "webhook_endpoint.added": _l("Webhook endpoint added"),
    "webhook_endpoint.changed": _l("Webhook endpoint changed"),
    "webhook_endpoint.secret_rolled": _l("Webhook secret rolled"),
    "webhook_endpoint.deleted": _l("Webhook endpoint deleted"),
    "webhook_endpoint.disabled": _l("Webhook endpoint disabled after failing"),
    "webhook_endpoint.recovered": _l("Missed events sent again"),
    "event.resent": _l("Event sent once more"),
    "api_key.issued": _l("API key issued"),
    "api_key.revoked": _l("API key revoked"),
    "staff.added": _l("Staff member added"),
    "staff.signed_in": _l("Staff member signed in"),
    "staff.proved_again": _l("Password given again before a delicate step"),
    "staff.proof_refused": _l("Wrong password before a delicate step"),
    "staff.password_changed": _l("Staff member's password changed"),
    "staff.disabled": _l("Staff member disabled"),
    "operator.added": _l("Operator added"),
    "operator.signed_in": _l("Operator signed in"),
    "operator.code_refused": _l("Wrong sign-in code of an operator"),
    "operator.proved_again": _l("Code given again before a delicate step"),
    "operator.proof_refused": _l("Wrong code before a delicate step"),
    "operator.password_changed": _l("Operator's password changed"),
    "operator.disabled": _l("Operator disabled"),
    "directory.added": _l("Payment directory added"),
    "directory.removed": _l("Payment directory removed"),
    "sub_merchant.registered": _l("Sub-merchant registered"),
    "sub_merchant.appid_bound": _l("Appid bound"),
    "sub_merchant.appid_unbound": _l("Appid unbound"),
    "sub_merchant.app_secret_set": _l("App secret set"),
    "sub_merchant.suspended": _l("Sub-merchant suspended"),
    "sub_merchant.resumed": _l("Sub-merchant trades again"),
    "partner.added": _l("Service provider added"),
    "partner.bill_scope_set": _l("Provider's kind of bill set"),
    "partner.key_rotated": _l("Provider's merchant key rotated"),
    "partner.api_v3_key_rotated": _l("Provider's API v3 key rotated"),
    "partner.public_key_added": _l("WeChat Pay's public key added"),
    "partner.platform_certificates_swapped": _l("WeChat Pay's platform certificates renewed"),
    "partner.appid_bound": _l("Provider's appid bound"),
    "partner.appid_unbound": _l("Provider's appid unbound"),
    "partner.app_secret_set": _l("Provider's app secret set"),
    "partner.directory_added": _l("Provider's payment directory added"),
    "partner.directory_removed": _l("Provider's payment directory removed"),
    "vault.rekeyed": _l("Stored secrets sealed anew"),
}
THINGS: dict[str, Any] = {
    "order": _l("Order"),
    "refund": _l("Refund"),
    "checkout_link": _l("Checkout link"),
    "bill_download": _l("Bill"),
    "bill_day": _l("Bill day"),
    "reconciliation": _l("Reconciliation"),
    "discrepancy": _l("Difference"),
    "notification": _l("Notification"),
    "webhook_endpoint": _l("Webhook endpoint"),
    "event": _l("Event"),
    "api_key": _l("API key"),
    "staff": _l("Staff"),
    "operator": _l("Operator"),
    "sub_merchant": _l("Sub-merchant"),
    "partner": _l("Service provider"),
    "vault": _l("Vault"),
}
ACTORS: dict[str, Any] = {
    "wechatpay": _l("WeChat Pay"),
    "system": _l("The platform itself"),
    "api_key": _l("The sub-merchant's system"),
    "operator": _l("Operator"),
    "staff": _l("Staff"),
    "command": _l("The command line"),
    "payer": _l("Payer"),
}
RESULTS: dict[str, Any] = {
    "refused": _l("refused"),
    "failed": _l("failed"),
}
_OWN_VIEW: dict[str, Any] = {
    "operator": _l("The provider's operator"),
    "command": _l("The provider, at its command line"),
    "staff": _l("Own staff"),
    "api_key": _l("API key"),
}
_ICONS = {
    "operator": "shield-check",
    "command": "terminal-2",
    "staff": "user",
    "api_key": "key",
    "payer": "device-mobile",
    "wechatpay": "bell-ringing",
    "system": "refresh",
}
_GROUPS: dict[Group, Any] = {
    Group.ORDERS: _l("Orders"),
    Group.REFUNDS: _l("Refunds"),
    Group.CHECKOUT: _l("Checkout links"),
    Group.RECONCILIATION: _l("Bills and reconciliation"),
    Group.NOTIFICATIONS: _l("Notifications"),
    Group.WEBHOOKS: _l("Webhooks"),
    Group.SUB_MERCHANTS: _l("Sub-merchants"),
    Group.PEOPLE: _l("People and API keys"),
    Group.PROVIDER: _l("Provider's keys and settings"),
}
_SIDES: dict[Side, Any] = {
    Side.PROVIDER: _l("The provider's operators"),
    Side.OWN: _l("Sub-merchants' own"),
    Side.SYSTEM: _l("The system"),
}


def action(entry: AuditEntry) -> str:
    """What was done; an action without words of its own shows its code."""
    return str(ACTIONS.get(entry.action, entry.action))


def thing(entry: AuditEntry) -> str:
    """What kind of thing it was done to."""
    return str(THINGS.get(entry.object_kind, entry.object_kind))


def result(entry: AuditEntry) -> str:
    """How it ended, where it was not simply done."""
    return "" if entry.result == "done" else str(RESULTS.get(entry.result, entry.result))


def who(entry: AuditEntry, door: str) -> str:
    """The actor's name; of those without one, what they are."""
    if entry.actor_kind == "command" and door == "console":
        return entry.actor_id
    return entry.actor_name or actor_kind(entry, door)


def role(entry: AuditEntry, door: str) -> str:
    """What the actor is, where the name alone does not say it, and the address they came from.

    A tenant is told the addresses of its own people and systems only.
    """
    kind, name = actor_kind(entry, door), who(entry, door)
    is_told = door == "console" or entry.actor_kind in ("staff", "api_key")
    parts = (kind if kind != name else "", entry.origin if is_told else "")
    return " · ".join(part for part in parts if part)


def actor_kind(entry: AuditEntry, door: str) -> str:
    """What kind of actor it is, seen from this door."""
    seen = ACTORS if door == "console" else {**ACTORS, **_OWN_VIEW}
    return str(seen.get(entry.actor_kind, entry.actor_kind))


def actor_icon(entry: AuditEntry) -> str:
    """The drawing beside an actor."""
    return _ICONS.get(entry.actor_kind, "dots")


def group_name(group: Group) -> str:
    """What a group of actions is called."""
    return str(_GROUPS[group])


def side_name(side: Side, door: str) -> str:
    """What a side is called, seen from this door."""
    seen = _SIDES if door == "console" else {**_SIDES, Side.OWN: _l("Own staff and keys")}
    return str(seen[side])
