"""Writing many rows in few statements: a bill day touches every sub-merchant of a provider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import CursorResult, Table
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.dml import UpdateBase

from config.database import Base, db

ROWS_A_TRANSACTION = 500  # tenants, parts or differences that share one commit

_Item = TypeVar("_Item")


def batches(items: Sequence[_Item], size: int = ROWS_A_TRANSACTION) -> Iterator[Sequence[_Item]]:
    """The items in order, `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def write_many(statement: UpdateBase, rows: Sequence[Mapping[str, Any]]) -> int:
    """Run one statement for every row; answers how many rows of the table it met together."""
    if not rows:
        return 0
    return cast("CursorResult[Any]", db.session.execute(statement, list(rows))).rowcount


def insert_missing(
    table: type[Base], rows: Sequence[Mapping[str, Any]], *, unique: tuple[str, ...]
) -> None:
    """Insert the rows that are not there yet; the unique constraint decides."""
    target = cast("Table", table.__table__)
    dialect = db.session.get_bind().dialect.name
    if dialect in ("postgresql", "sqlite"):
        build = postgresql.insert if dialect == "postgresql" else sqlite.insert
        write_many(build(target).on_conflict_do_nothing(index_elements=unique), rows)
    else:
        # Unlike INSERT IGNORE this swallows nothing but the duplicate.
        same = {unique[0]: target.c[unique[0]]}
        write_many(mysql.insert(target).on_duplicate_key_update(same), rows)
