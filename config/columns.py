"""Types of columns that mean the same on SQLite, PostgreSQL and MariaDB or MySQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, String, Text, TypeDecorator
from sqlalchemy.dialects import mysql

MYSQL = ("mysql", "mariadb")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware in, aware UTC out, to the microsecond on every database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        if dialect.name in MYSQL:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A moment without its zone cannot be stored.")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def identifier(length: int) -> String:
    """Text that is compared byte by byte everywhere: `abc` is never `ABC`."""
    binary = String(length, collation="utf8mb4_bin")
    return String(length).with_variant(binary, "mysql", "mariadb")


def long_text() -> Text:
    """Text without a practical limit; plain TEXT ends at 64 KiB on MySQL."""
    return Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


big_integer = BigInteger().with_variant(Integer, "sqlite")
