"""One bill day to measure with: where its tables and its file are, and what is in them."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Self

import psycopg
from sqlalchemy import make_url

PAID_AT = datetime(2031, 5, 6, 4, 0, tzinfo=UTC)
DAY = date(2031, 5, 6)


@dataclass(frozen=True)
class BillDay:
    """One provider's day: where its file is, and what is in it."""

    database_url: str
    file: str
    partner_id: str
    sp_mchid: str
    rows: int
    tenants: int
    variables: dict[str, str]

    def write(self, path: Path) -> Path:
        """Keep it for a program of its own to read."""
        path.write_text(json.dumps(asdict(self)))
        return path

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(**json.loads(path.read_text()))

    @property
    def is_postgresql(self) -> bool:
        return self.database_url.startswith("postgresql")

    def connect(self) -> Any:
        """The database by its bare driver."""
        url = make_url(self.database_url)
        if self.is_postgresql:
            plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
            return psycopg.connect(plain)
        connection = sqlite3.connect(url.database or "", isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        return connection
