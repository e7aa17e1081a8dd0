"""Receive WeChat Pay's notifications: verify, store, apply. No network.

WeChat Pay waits five seconds and repeats up to fifteen times, signed anew each time. The inbox row
and its effect share one commit. When our own code cannot apply a genuine notification, the row
alone is kept for `replay` and the answer is still a receipt: from then on it is ours to finish. A
badly signed one leaves nothing behind; WeChat Pay sends such probes on purpose. WeChat Pay
document: "支付成功回调通知".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from config import audit
from config.clock import now
from config.database import transaction
from config.identifiers import new_id
from config.inserts import insert_new, insert_or_renew
from config.logs import get_logger
from partner.gateway import KeyRing, other_key_rings
from partner.wechatpay.errors import Malformed, Undecryptable
from partner.wechatpay.notifications import Envelope, read_envelope
from partner.wechatpay.verification import Headers
from payments.notifications.dispatch import Applied, dispatch, number_taken, passed
from payments.notifications.models import InboxEntry, InboxState
from submerchants.tenancy import across_tenants

log = get_logger(__name__)

_IDENTITY = ("partner_id", "notification_id")
_REASON_LENGTH = 255
_UNREADABLE_ID = "unreadable-"  # stands before a hash, where the message's own id cannot be read

UNOPENED = Applied.kept("no API v3 key of this provider opens it; check the key, then replay")


class Misdirected(Exception):
    """A genuine notification that WeChat Pay sealed for another provider than this address's."""


def receive(*, key_ring: KeyRing, headers: Headers, body: bytes) -> InboxState:
    """Verify and take in one notification; answers what became of it.

    Raises Untrusted or Misdirected, and then nothing has changed.
    Raises the database's own errors when it cannot be stored; WeChat Pay will then repeat it.
    """
    proof = key_ring.verifier.verify(headers, body)
    facts: dict[str, Any] = {
        "partner_id": key_ring.partner_id,
        "serial": proof.serial,
        # What is not text cannot be read either way; it is kept as near as a database can.
        "body": body.decode("utf-8", "replace").replace("\x00", "\ufffd"),
    }
    try:
        envelope = read_envelope(body)
    except Malformed as fault:
        facts["notification_id"] = f"{_UNREADABLE_ID}{hashlib.sha256(body).hexdigest()[:48]}"
        facts["event_type"] = "?"
        return _store(facts, Applied.quarantined("envelope", f"the envelope is malformed: {fault}"))
    facts["notification_id"] = envelope.id
    facts["event_type"] = envelope.event_type
    try:
        plaintext = envelope.decrypted(key_ring.api_v3_keys)
    except Undecryptable as fault:
        if _is_for_another(key_ring, envelope):
            raise Misdirected from fault
        return _store(facts, UNOPENED)
    try:
        return _apply_and_store(key_ring, envelope, plaintext, facts)
    except (OperationalError, PoolTimeout):
        raise
    except Exception as fault:
        log.error("a notification could not be applied", id=envelope.id, exc_info=fault)
        return _store(facts, Applied.kept(f"our own fault: {type(fault).__name__}"))


def _is_for_another(key_ring: KeyRing, envelope: Envelope) -> bool:
    # WeChat Pay seals for one provider. What another provider's key opens was sent here by somebody
    # else, however genuine its signature is.
    for other in other_key_rings(key_ring.partner_id):
        with suppress(Undecryptable):
            envelope.decrypted(other.api_v3_keys)
            return True
    return False


def _apply_and_store(
    key_ring: KeyRing, envelope: Envelope, plaintext: bytes, facts: dict[str, Any]
) -> InboxState:
    try:
        with across_tenants("a notification finds its tenant through the order"), transaction():
            return _write(facts, dispatch(key_ring, envelope, plaintext))
    except IntegrityError:
        return _store(facts, number_taken(envelope.event_type))


def _store(facts: Mapping[str, Any], applied: Applied) -> InboxState:
    with transaction():
        return _write(facts, applied)


def _write(facts: Mapping[str, Any], applied: Applied) -> InboxState:
    moment = now()
    outcome = {
        "state": applied.state,
        "verdicts": passed() if applied.checks is None else json.dumps(applied.checks),
        "reason": applied.reason and applied.reason[:_REASON_LENGTH],
        "order_id": applied.order_id,
        "tenant_id": applied.tenant_id,
        "out_trade_no": applied.out_trade_no,
        "settled_at": None if applied.state is InboxState.KEPT else moment,
    }
    entry = {"id": new_id("ntf"), **facts, **outcome, "received_at": moment, "attempts": 1}
    if applied.state is InboxState.APPLIED:
        # One that was kept or quarantined before is applied now.
        insert_or_renew(
            InboxEntry, entry, unique=_IDENTITY, news=tuple(outcome), counted="attempts"
        )
    elif (
        insert_new(InboxEntry, entry, unique=_IDENTITY) and applied.state is InboxState.QUARANTINED
    ):
        _alert(entry)
    return applied.state


def _alert(entry: Mapping[str, Any]) -> None:
    log.error("a genuine notification is quarantined", id=entry["id"], reason=entry["reason"])
    audit.record(
        "notification.quarantined",
        object_kind="notification",
        object_id=entry["id"],
        tenant_id=entry["tenant_id"],
        result="refused",
        reason=entry["reason"],
        order_id=entry["order_id"],
    )
