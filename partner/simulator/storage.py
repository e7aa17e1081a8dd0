"""Where the ledger lives: one SQLite file, or memory.

One connection behind one lock. WAL with `synchronous=NORMAL` hands every commit to the operating
system before the caller goes on, so a killed process loses nothing; only a machine that loses power
may lose its last moments, which is a fair price here for hundreds of orders a second.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    seq INTEGER PRIMARY KEY,
    sp_mchid TEXT NOT NULL, out_trade_no TEXT NOT NULL, sub_mchid TEXT NOT NULL,
    sp_appid TEXT NOT NULL, sub_appid TEXT,
    product TEXT NOT NULL, description TEXT NOT NULL, attach TEXT, device_id TEXT,
    notify_url TEXT NOT NULL,
    total INTEGER NOT NULL CHECK (total > 0), currency TEXT NOT NULL,
    parameters TEXT NOT NULL, wants_public_key INTEGER NOT NULL,
    sp_openid TEXT, sub_openid TEXT,
    prepay_id TEXT NOT NULL,
    created_at REAL NOT NULL, expires_at REAL NOT NULL, closes_at REAL NOT NULL,
    trade_state TEXT NOT NULL, transaction_id TEXT UNIQUE, success_at INTEGER, bank_type TEXT,
    payer_total INTEGER, promotion TEXT,
    UNIQUE (sp_mchid, out_trade_no)
);
CREATE INDEX IF NOT EXISTS orders_by_number ON orders (out_trade_no);
CREATE INDEX IF NOT EXISTS orders_by_success ON orders (sp_mchid, success_at)
    WHERE success_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS prepays (
    prepay_id TEXT PRIMARY KEY, order_seq INTEGER NOT NULL REFERENCES orders (seq),
    created_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refunds (
    seq INTEGER PRIMARY KEY, refund_id TEXT NOT NULL UNIQUE,
    order_seq INTEGER NOT NULL REFERENCES orders (seq),
    sp_mchid TEXT NOT NULL, sub_mchid TEXT NOT NULL,
    out_trade_no TEXT NOT NULL, transaction_id TEXT NOT NULL, out_refund_no TEXT NOT NULL,
    origin TEXT NOT NULL, parameters TEXT NOT NULL, reason TEXT, notify_url TEXT,
    wants_public_key INTEGER NOT NULL, funds_account TEXT NOT NULL, paid_from TEXT NOT NULL,
    total INTEGER NOT NULL, refund INTEGER NOT NULL CHECK (refund > 0 AND refund <= total),
    payer_total INTEGER NOT NULL, payer_refund INTEGER NOT NULL,
    settlement_total INTEGER NOT NULL, settlement_refund INTEGER NOT NULL,
    refund_fee INTEGER NOT NULL, promotion_detail TEXT NOT NULL,
    channel TEXT NOT NULL, user_received_account TEXT NOT NULL,
    created_at REAL NOT NULL, outcome TEXT NOT NULL, settles_at REAL,
    status TEXT NOT NULL, success_at INTEGER, billed_status TEXT,
    UNIQUE (sp_mchid, out_refund_no)
);
CREATE INDEX IF NOT EXISTS refunds_by_number ON refunds (out_refund_no);
CREATE INDEX IF NOT EXISTS refunds_by_order ON refunds (order_seq);
CREATE INDEX IF NOT EXISTS refunds_by_acceptance ON refunds (sp_mchid, created_at);
CREATE INDEX IF NOT EXISTS refunds_due ON refunds (settles_at) WHERE settles_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS balances (
    sub_mchid TEXT PRIMARY KEY, balance_fen INTEGER NOT NULL CHECK (balance_fen >= 0)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notifications (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
    sp_mchid TEXT NOT NULL, sub_mchid TEXT, out_trade_no TEXT, event_type TEXT NOT NULL,
    original_type TEXT NOT NULL, summary TEXT NOT NULL,
    notify_url TEXT NOT NULL, origin TEXT NOT NULL,
    plaintext TEXT NOT NULL, wants_public_key INTEGER NOT NULL, manner TEXT NOT NULL,
    created_at REAL NOT NULL, state TEXT NOT NULL, next_try_at REAL,
    tries INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS notifications_due ON notifications (next_try_at)
    WHERE next_try_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS notifications_by_order ON notifications (out_trade_no);
CREATE TABLE IF NOT EXISTS tries (
    notification_seq INTEGER NOT NULL REFERENCES notifications (seq), number INTEGER NOT NULL,
    at REAL NOT NULL, status INTEGER, reply TEXT NOT NULL, duration_ms INTEGER NOT NULL,
    signed_by TEXT NOT NULL, signature TEXT NOT NULL,
    PRIMARY KEY (notification_seq, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS openids (
    openid TEXT PRIMARY KEY, appid TEXT NOT NULL, person TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS payment_codes (
    auth_code TEXT PRIMARY KEY, person TEXT NOT NULL, behaviour TEXT NOT NULL,
    created_at REAL NOT NULL, order_seq INTEGER REFERENCES orders (seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reversals (
    order_seq INTEGER PRIMARY KEY REFERENCES orders (seq), reversed_at INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS merchants (
    sp_mchid TEXT PRIMARY KEY, document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

Row = sqlite3.Row


class Storage:
    """The connection, its lock, and the few ways to use them."""

    def __init__(self, path: Path | None) -> None:
        self._lock = threading.RLock()
        if path is not None:
            path.touch(mode=0o600)  # its journal files take over the mode
        self._connection = sqlite3.connect(
            ":memory:" if path is None else path,
            check_same_thread=False,
            isolation_level=None,
            cached_statements=256,
            timeout=10.0,
        )
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, alone. Keep it short: every other request waits at the lock."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        with self._lock:
            found: Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement in its own commit; the number of rows it changed."""
        with self.transaction() as connection:
            return connection.execute(sql, values).rowcount

    def setting(self, name: str, default: Any = None) -> Any:
        row = self.row("SELECT value FROM settings WHERE name = ?", (name,))
        return default if row is None else json.loads(row["value"])

    def remember_setting(self, name: str, value: Any) -> None:
        self.execute(
            "INSERT INTO settings VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, json.dumps(value)),
        )

    def close(self) -> None:
        with self._lock:
            self._connection.close()
