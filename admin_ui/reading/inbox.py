"""WeChat Pay's notifications as operators read them: the list, one entry, its checks."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select

from config.database import db
from partner.models import Partner
from payments.notifications.models import InboxEntry, InboxState

ROWS_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class InboxPage:
    """A stretch of the inbox, newest first, and where the next begins."""

    entries: list[InboxEntry]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """One check and, where it failed, both sides."""

    name: str
    passed: bool
    ours: str | None
    theirs: str | None


@dataclass(frozen=True, slots=True)
class Notification:
    """One entry with its verdict drawn apart, and whose it is."""

    entry: InboxEntry
    checks: list[Check]
    sp_mchid: str

    @property
    def can_be_replayed(self) -> bool:
        return self.entry.state in (InboxState.KEPT, InboxState.QUARANTINED)


def inbox(state: InboxState | None, cursor: str | None) -> InboxPage:
    """One page of the inbox; a cursor that is not ours begins at the newest."""
    query = select(InboxEntry).order_by(InboxEntry.received_at.desc(), InboxEntry.id.desc())
    if state is not None:
        query = query.where(InboxEntry.state == state)
    if after := _read(cursor):
        moment, entry_id = after
        same = and_(InboxEntry.received_at == moment, InboxEntry.id < entry_id)
        query = query.where(
            InboxEntry.received_at <= moment, or_(InboxEntry.received_at < moment, same)
        )
    entries = list(db.session.scalars(query.limit(ROWS_PER_PAGE + 1)))
    shown = entries[:ROWS_PER_PAGE]
    return InboxPage(shown, _write(shown[-1]) if len(entries) > len(shown) else None)


def latest_waiting(limit: int) -> list[InboxEntry]:
    """The newest entries that need a person."""
    waiting = (InboxState.QUARANTINED, InboxState.KEPT)
    return list(
        db.session.scalars(
            select(InboxEntry)
            .where(InboxEntry.state.in_(waiting))
            .order_by(InboxEntry.received_at.desc())
            .limit(limit)
        )
    )


def described(entry: InboxEntry) -> Notification:
    """An entry with its checks, ready to be drawn."""
    partner = db.session.get_one(Partner, entry.partner_id)
    return Notification(entry, _checks(entry), partner.sp_mchid)


def _checks(entry: InboxEntry) -> list[Check]:
    stored = json.loads(entry.verdicts)
    return [
        Check(
            name=str(one["check"]),
            passed=bool(one["ok"]),
            ours=_text(one, "ours"),
            theirs=_text(one, "theirs"),
        )
        for one in stored
    ]


def _text(check: Mapping[str, object], side: str) -> str | None:
    value = check.get(side)
    return None if value is None else str(value)


def _write(entry: InboxEntry) -> str:
    text = f"{entry.received_at.isoformat()}|{entry.id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str | None) -> tuple[datetime, str] | None:
    if not cursor:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        moment, _, entry_id = text.partition("|")
        received_at = datetime.fromisoformat(moment)
    except (binascii.Error, ValueError):
        return None
    return (received_at, entry_id) if received_at.tzinfo and entry_id else None
