"""The audit trail as a list, newest first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from config.audit import AuditEntry
from config.database import db

ROWS_PER_PAGE = 60


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One entry with its detail opened."""

    entry: AuditEntry
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrailPage:
    """A stretch of the trail, and where the next begins."""

    rows: list[TrailRow]
    next_cursor: int | None


def trail(object_id: str, before: int | None) -> TrailPage:
    """Entries older than `before`, of one object if it is named."""
    query = select(AuditEntry).order_by(AuditEntry.id.desc()).limit(ROWS_PER_PAGE + 1)
    if object_id:
        query = query.where(AuditEntry.object_id == object_id)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    entries = list(db.session.scalars(query))
    shown = entries[:ROWS_PER_PAGE]
    rows = [TrailRow(entry, json.loads(entry.detail)) for entry in shown]
    return TrailPage(rows, shown[-1].id if len(entries) > len(shown) else None)
