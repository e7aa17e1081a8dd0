"""Work an inbox entry again: after our own fault was mended, or when a person decides so.

The signature was proven when the entry came in, so a replay starts at decryption. It goes through
the same checks and the same `confirm` as the first time; nothing can be forced past them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.exc import IntegrityError

from config import audit
from config.clock import now
from config.database import changed_rows, db, transaction
from config.errors import Conflict, NotFound
from config.logs import get_logger
from partner.gateway import KeyRing, key_ring
from partner.models import Partner
from partner.wechatpay.errors import Malformed, Undecryptable
from partner.wechatpay.notifications import Envelope, read_envelope
from payments import metrics
from payments.notifications.dispatch import Applied, dispatch, number_taken, passed
from payments.notifications.models import InboxEntry, InboxState
from payments.notifications.receive import UNOPENED
from submerchants.tenancy import across_tenants

REPLAY_BATCH = 100
MAX_ATTEMPTS = 15
PAUSE = timedelta(minutes=1)  # from arrival to the second attempt; it doubles for each later one

log = get_logger(__name__)


class NothingToReplay(Conflict):
    """The entry was applied, or needed nothing."""

    code = "notification_settled"

    def __init__(self, *, state: InboxState) -> None:
        super().__init__("This notification is settled; there is nothing to replay.", state=state)


def get_entry(entry_id: str) -> InboxEntry:
    """One inbox entry. Raises NotFound."""
    entry = db.session.get(InboxEntry, entry_id)
    if entry is None:
        raise NotFound("There is no such notification.")
    return entry


def replay(entry_id: str) -> InboxEntry:
    """Work one kept or quarantined entry again. Raises NotFound or NothingToReplay."""
    entry = get_entry(entry_id)
    if entry.state not in (InboxState.KEPT, InboxState.QUARANTINED):
        raise NothingToReplay(state=entry.state)
    partner = db.session.get_one(Partner, entry.partner_id)
    ring = key_ring(partner.sp_mchid)
    try:
        envelope = read_envelope(entry.body.encode())
    except Malformed as fault:
        raise Conflict("This notification cannot be read; it stays in quarantine.") from fault
    if ring is None:
        raise NotFound("The provider of this notification is no longer known.")
    before = entry.state
    try:
        return _worked(entry, before, lambda: _open_and_dispatch(ring, envelope))
    except IntegrityError:
        return _worked(entry, before, lambda: number_taken(entry.event_type))


def _open_and_dispatch(ring: KeyRing, envelope: Envelope) -> Applied:
    try:
        plaintext = envelope.decrypted(ring.api_v3_keys)
    except Undecryptable:
        return UNOPENED
    return dispatch(ring, envelope, plaintext)


def _worked(entry: InboxEntry, before: InboxState, work: Callable[[], Applied]) -> InboxEntry:
    """Apply it and write down how the entry then stands, in one transaction."""
    with across_tenants("a notification finds its tenant through the order"), transaction():
        applied = work()
        verdicts = passed() if applied.checks is None else json.dumps(applied.checks)
        here = update(InboxEntry).where(InboxEntry.id == entry.id, InboxEntry.state == before)
        changed_rows(
            here.values(
                state=applied.state,
                verdicts=verdicts,
                reason=applied.reason,
                order_id=applied.order_id,
                tenant_id=applied.tenant_id,
                out_trade_no=applied.out_trade_no,
                attempts=InboxEntry.attempts + 1,
                settled_at=None if applied.state is InboxState.KEPT else now(),
            )
        )
        audit.record(
            "notification.replayed",
            object_kind="notification",
            object_id=entry.id,
            tenant_id=applied.tenant_id,
            state=applied.state.value,
        )
        db.session.refresh(entry)
        _leave_to_a_person(entry)
    _say_if_given_up(entry)
    return entry


def due_after(attempts: int) -> timedelta:
    """How old an entry must be before it is worked again, after so many attempts."""
    return PAUSE * (1 << (attempts - 1))


def replay_kept() -> Mapping[str, object]:
    """Work again what our own fault kept back: after 1, 2, 4, 8 … minutes, for six days in all.

    An entry that is still kept after MAX_ATTEMPTS waits for a person to replay it, and says so.
    """
    moment = now()
    is_due = or_(
        *(
            and_(InboxEntry.attempts == made, InboxEntry.received_at < moment - due_after(made))
            for made in range(1, MAX_ATTEMPTS)
        )
    )
    kept = db.session.scalars(
        select(InboxEntry.id)
        .where(InboxEntry.state == InboxState.KEPT, is_due)
        .order_by(InboxEntry.received_at)
        .limit(REPLAY_BATCH)
    ).all()
    applied = 0
    for entry_id in kept:
        try:
            applied += replay(entry_id).state is not InboxState.KEPT
        except Exception as fault:
            log.error("replay failed", id=entry_id, exc_info=fault)
            _count_attempt(entry_id)
    return {"tried": len(kept), "settled": applied}


def _count_attempt(entry_id: str) -> None:
    """An attempt that raised has rolled its own count back; without one it would never end."""
    with transaction():
        still_kept = update(InboxEntry).where(
            InboxEntry.id == entry_id, InboxEntry.state == InboxState.KEPT
        )
        if not changed_rows(still_kept.values(attempts=InboxEntry.attempts + 1)):
            return
        entry = db.session.get_one(InboxEntry, entry_id, populate_existing=True)
        _leave_to_a_person(entry)
    _say_if_given_up(entry)


def _is_given_up(entry: InboxEntry) -> bool:
    """Whether the try just counted was the last: true once, a person's later ones come after it."""
    return entry.state is InboxState.KEPT and entry.attempts == MAX_ATTEMPTS


def _leave_to_a_person(entry: InboxEntry) -> None:
    if _is_given_up(entry):
        audit.record(
            "notification.given_up",
            object_kind="notification",
            object_id=entry.id,
            tenant_id=entry.tenant_id,
            reason=entry.reason,
        )


def _say_if_given_up(entry: InboxEntry) -> None:
    if _is_given_up(entry):
        log.error("notification given up", id=entry.id, reason=entry.reason)
        metrics.notifications_given_up.inc()
