"""The audit trail: who did what to which thing, append-only and hash-chained.

An entry is written in the transaction of the change it describes. Chaining happens a moment later,
in `seal_entries`, one writer at a time: linking each entry inside the change itself would make
every payment wait for every other. `verify_chain` finds an altered, removed or inserted entry; the
head it prints can be kept outside and compared later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast

import structlog
from sqlalchemy import Dialect, Index, Row, String, Table, column, func, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from config.batches import update_rows
from config.clock import now
from config.database import (
    Base,
    db,
    dialect_here,
    identifier,
    long_text,
    release,
    run_later,
    transaction,
)
from config.logs import redacted
from config.prepared import Prepared

GENESIS = "0" * 64
SEAL_BATCH = 200
VERIFY_BATCH = 2_000
WAITING_COUNTED = 1_000
MOST_OF_A_NAME = 128  # an e-mail address may be longer; the id beside it names the actor


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an operator, a staff member, an API key, WeChat Pay, or the system itself."""

    kind: str
    id: str
    name: str = ""
    origin: str = ""  # the address the request came from


SYSTEM = Actor(kind="system", id="system")
WECHATPAY = Actor(kind="wechatpay", id="wechatpay")

_actor: ContextVar[Actor] = ContextVar("actor", default=SYSTEM)


class AuditEntry(Base):
    """One change. Never updated but to chain it, never deleted."""

    __tablename__ = "audit_entries"
    # Lists run newest first: one tenant's or all by who acted, or all by what it is about.
    __table_args__ = (
        Index("ix_audit_entries_tenant", "tenant_id", "actor_kind", "happened_at", "id"),
        Index("ix_audit_entries_actor", "actor_kind", "happened_at", "id"),
        Index("ix_audit_entries_kind", "object_kind", "happened_at", "id", "tenant_id"),
        # What waits for its link. The unique position finds that on MySQL and SQLite, which keep a
        # table's own order among equals; PostgreSQL would sort all of it, or walk the whole table.
        Index(
            "ix_audit_entries_unsealed",
            "id",
            postgresql_where=column("position").is_(None),
            sqlite_where=column("position").is_(None),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    happened_at: Mapped[datetime]
    actor_kind: Mapped[str] = mapped_column(String(16))
    actor_id: Mapped[str] = mapped_column(identifier(64))
    actor_name: Mapped[str] = mapped_column(String(MOST_OF_A_NAME))
    origin: Mapped[str] = mapped_column(String(64))
    request_id: Mapped[str] = mapped_column(identifier(64))
    tenant_id: Mapped[str | None] = mapped_column(identifier(40))
    action: Mapped[str] = mapped_column(String(64))
    object_kind: Mapped[str] = mapped_column(String(32))
    object_id: Mapped[str] = mapped_column(identifier(64), index=True)
    result: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str] = mapped_column(long_text())
    position: Mapped[int | None] = mapped_column(unique=True)
    previous_hash: Mapped[str | None] = mapped_column(identifier(64))
    entry_hash: Mapped[str | None] = mapped_column(identifier(64))


class AuditHead(Base):
    """Where the chain ends; one row. After a cut-off tail it points past the last entry."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    position: Mapped[int]
    entry_hash: Mapped[str] = mapped_column(identifier(64))


_entries = cast("Table", AuditEntry.__table__)
_CHAINED = ("id", "position", "previous_hash", "entry_hash")  # given by the database, or later


@cache
def _insert(dialect: Dialect) -> Prepared:
    given = [column.key for column in _entries.columns if column.key not in _CHAINED]
    return Prepared(insert(_entries).inline(), dialect, given=given)


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What a verification found; `faults` is empty for a whole chain."""

    entries: int
    unsealed: int
    head: str
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChainEnd:
    """Where the chain stands, as two look-ups tell: its last link, and what waits for one."""

    position: int
    entry_hash: str
    closed_at: datetime | None  # when the last linked thing happened
    waiting: int  # counted up to WAITING_COUNTED
    is_whole: bool  # whether the last link is the one the head speaks of


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Everything recorded inside is this actor's doing."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def set_actor(actor: Actor) -> None:
    """Name the actor for the rest of this request."""
    _actor.set(actor)


def current_actor() -> Actor:
    """Whoever acts just now."""
    return _actor.get()


def record(
    action: str,
    *,
    object_kind: str,
    object_id: str,
    tenant_id: str | None = None,
    result: str = "done",
    **detail: object,
) -> None:
    """Write one entry into the caller's transaction. Secrets in `detail` are starred."""
    actor = _actor.get()
    entry = {
        "happened_at": now(),
        "actor_kind": actor.kind,
        "actor_id": actor.id,
        "actor_name": actor.name[:MOST_OF_A_NAME],
        "origin": actor.origin,
        "request_id": str(structlog.contextvars.get_contextvars().get("request_id", "")),
        "tenant_id": tenant_id,
        "action": action,
        "object_kind": object_kind,
        "object_id": object_id,
        "result": result,
        "detail": json.dumps(redacted(detail), ensure_ascii=False, default=str, sort_keys=True),
    }
    run_later(_insert(dialect_here()), entry)


def seal_entries() -> int:
    """Chain what is not chained yet; answers how many entries were linked."""
    with transaction() as session:
        head = session.get(AuditHead, 1, with_for_update=True)
        if head is None:
            head = AuditHead(id=1, position=0, entry_hash=GENESIS)
            session.add(head)
            session.flush()
        waiting = session.execute(
            select(*_entries.c)
            .where(_entries.c.position.is_(None))
            .order_by(_entries.c.id)
            .limit(SEAL_BATCH)
        ).all()
        links = []
        for entry in waiting:
            position = head.position + 1
            link = _hash(entry, position, head.entry_hash)
            links.append(
                {
                    "id": entry.id,
                    "position": position,
                    "previous_hash": head.entry_hash,
                    "entry_hash": link,
                }
            )
            head.position, head.entry_hash = position, link
        update_rows(AuditEntry, links, key="id")
    return len(links)


def verify_chain() -> ChainReport:
    """Walk the chain from its first entry and name every fault."""
    faults: list[str] = []
    position, previous = 0, GENESIS
    while batch := db.session.scalars(
        select(AuditEntry)
        .where(AuditEntry.position > position)
        .order_by(AuditEntry.position)
        .limit(VERIFY_BATCH)
    ).all():
        for entry in batch:
            faults.extend(_faults(entry, position, previous))
            position, previous = entry.position or 0, entry.entry_hash or ""
        db.session.expunge_all()
    head = db.session.get(AuditHead, 1)
    if (head.position if head else 0) != position or (head and head.entry_hash != previous):
        faults.append(f"the chain ends at {position}, its head says {head.position if head else 0}")
    waiting = select(func.count()).select_from(AuditEntry).where(AuditEntry.position.is_(None))
    unsealed = db.session.scalar(waiting) or 0
    release()
    return ChainReport(position, unsealed, previous, tuple(faults))


def chain_end() -> ChainEnd:
    """The end of the chain, without walking it: a cut-off tail shows here, the rest needs
    `verify_chain`."""
    head = db.session.get(AuditHead, 1, populate_existing=True)
    position, entry_hash = (head.position, head.entry_hash) if head else (0, GENESIS)
    last = db.session.execute(
        select(AuditEntry.happened_at, AuditEntry.entry_hash).where(AuditEntry.position == position)
    ).one_or_none()
    waiting = select(AuditEntry.id).where(AuditEntry.position.is_(None)).limit(WAITING_COUNTED)
    return ChainEnd(
        position=position,
        entry_hash=entry_hash,
        closed_at=last.happened_at if last else None,
        waiting=db.session.scalar(select(func.count()).select_from(waiting.subquery())) or 0,
        is_whole=last.entry_hash == entry_hash if last else position == 0,
    )


def _faults(entry: AuditEntry, position: int, previous: str) -> Iterator[str]:
    if entry.position != position + 1:
        yield f"entries {position + 1} to {(entry.position or 0) - 1} are missing"
    if entry.previous_hash != previous:
        yield f"entry {entry.position} does not follow the one before it"
    if entry.entry_hash != _hash(entry, entry.position or 0, entry.previous_hash or ""):
        yield f"entry {entry.position} was altered"


def _hash(entry: AuditEntry | Row[Any], position: int, previous: str) -> str:
    happened_at = entry.happened_at.astimezone(UTC).isoformat(timespec="microseconds")
    fields = [
        position,
        previous,
        happened_at,
        entry.actor_kind,
        entry.actor_id,
        entry.actor_name,
        entry.origin,
        entry.request_id,
        entry.tenant_id,
        entry.action,
        entry.object_kind,
        entry.object_id,
        entry.result,
        entry.detail,
    ]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=False).encode()).hexdigest()
