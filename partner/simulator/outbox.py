"""Notifications in storage: what is to be sent, when next, and how every try went.

The row is written in the same moment as the payment it tells of, and lives through a restart.
Sending is the notifier's part.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from partner.simulator.clock import rfc3339
from partner.simulator.ledger import conditions
from partner.simulator.storage import Row, Storage

WAITING: Final = "WAITING"
HELD: Final = "HELD"  # kept back until a later notification has overtaken it
DELIVERED: Final = "DELIVERED"
GIVEN_UP: Final = "GIVEN_UP"
SUPPRESSED: Final = "SUPPRESSED"  # a fault wants it never sent


@dataclass(frozen=True, slots=True)
class Notification:
    """One piece of news for one receiver. `manner` holds what faults want done to it."""

    seq: int
    id: str
    sp_mchid: str
    sub_mchid: str | None
    out_trade_no: str | None
    event_type: str
    original_type: str
    summary: str
    notify_url: str
    origin: str
    plaintext: str
    wants_public_key: int
    manner: str
    created_at: float
    state: str
    next_try_at: float | None
    tries: int
    failures: int

    def as_dict(self, tries: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "event_type": self.event_type,
            "sp_mchid": self.sp_mchid,
            "sub_mchid": self.sub_mchid,
            "out_trade_no": self.out_trade_no,
            "notify_url": self.notify_url,
            "state": self.state,
            "created": rfc3339(self.created_at),
            "next_try": None if self.next_try_at is None else rfc3339(self.next_try_at),
            "resource": json.loads(self.plaintext),
            "tries": tries,
        }


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt. `status=None` means no answer came; `reply` then says what happened."""

    at: float
    status: int | None
    reply: str
    duration_ms: int
    signed_by: str
    signature: str

    @property
    def is_receipt(self) -> bool:
        return self.status in (200, 204)


_COLUMNS = tuple(Notification.__dataclass_fields__)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM notifications"  # noqa: S608 - our own column names
_NEW = tuple(name for name in _COLUMNS if name not in ("seq", "tries", "failures", "origin"))
_INSERT = (
    f"INSERT INTO notifications ({', '.join(_NEW)}, origin)"  # noqa: S608
    f" VALUES ({', '.join('?' * len(_NEW))}, ?)"
)


class Outbox:
    """The notifications, waiting and done."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def add(self, **columns: Any) -> int:
        """Write one down; its sequence number."""
        url = urlsplit(columns["notify_url"])
        origin = f"{url.scheme}://{url.netloc}"
        with self._storage.transaction() as connection:
            done = connection.execute(_INSERT, [*(columns[name] for name in _NEW), origin])
            return int(done.lastrowid or 0)

    def due(
        self, now: float, limit: int, except_origins: Collection[str] = ()
    ) -> list[Notification]:
        """Those whose time has come, the longest overdue first."""
        marks = ", ".join("?" * len(except_origins))
        where = f"WHERE next_try_at <= ? AND origin NOT IN ({marks})"
        rows = self._storage.rows(
            f"{_SELECT} {where} ORDER BY next_try_at, seq LIMIT ?", (now, *except_origins, limit)
        )
        return [_notification(row) for row in rows]

    def next_due_at(self) -> float | None:
        row = self._storage.row(
            "SELECT min(next_try_at) AS at FROM notifications WHERE next_try_at IS NOT NULL"
        )
        return None if row is None else row["at"]

    def record(
        self, notification: Notification, tried: Try, state: str, next_try_at: float | None
    ) -> None:
        """Write down a try and where it leaves the notification."""
        number = notification.tries + 1
        with self._storage.transaction() as connection:
            connection.execute(
                "INSERT INTO tries VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    notification.seq,
                    number,
                    tried.at,
                    tried.status,
                    tried.reply,
                    tried.duration_ms,
                    tried.signed_by,
                    tried.signature,
                ),
            )
            connection.execute(
                "UPDATE notifications SET state = ?, next_try_at = ?, tries = ?, failures = ?"
                " WHERE seq = ?",
                (
                    state,
                    next_try_at,
                    number,
                    notification.failures + (not tried.is_receipt),
                    notification.seq,
                ),
            )

    def release_held(self, sp_mchid: str, except_seq: int, at: float) -> None:
        """Let those held back leave, now that a later one is on its way."""
        self._storage.execute(
            "UPDATE notifications SET state = ?, next_try_at = ?"
            " WHERE state = ? AND sp_mchid = ? AND seq <> ?",
            (WAITING, at, HELD, sp_mchid, except_seq),
        )

    def has_held(self) -> bool:
        return self._storage.row("SELECT 1 FROM notifications WHERE state = ?", (HELD,)) is not None

    def listed(
        self, wanted: dict[str, str | None] | None = None, limit: int = 100, offset: int = 0
    ) -> list[dict[str, Any]]:
        """The last `limit` but `offset` that fit the filters, with their tries, newest last."""
        where, values = conditions(wanted or {})
        rows = self._storage.rows(
            f"{_SELECT} {where} ORDER BY seq DESC LIMIT ? OFFSET ?", (*values, limit, offset)
        )
        found = [_notification(row) for row in rows][::-1]
        return [one.as_dict(self._tries(one.seq)) for one in found]

    def count(self, state: str) -> int:
        row = self._storage.row(
            "SELECT count(*) AS number FROM notifications WHERE state = ?", (state,)
        )
        return int(row["number"]) if row else 0

    def _tries(self, seq: int) -> list[dict[str, Any]]:
        rows = self._storage.rows(
            "SELECT * FROM tries WHERE notification_seq = ? ORDER BY number", (seq,)
        )
        return [
            {
                "number": row["number"],
                "at": rfc3339(row["at"]),
                "status": row["status"],
                "reply": row["reply"],
                "duration_ms": row["duration_ms"],
                "signed_by": row["signed_by"],
                "signature": row["signature"],
            }
            for row in rows
        ]


def _notification(row: Row) -> Notification:
    return Notification(**{name: row[name] for name in _COLUMNS})
