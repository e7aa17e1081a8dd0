"""Writing many rows in few statements."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, CursorResult, Table, Text, any_, literal
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.dml import UpdateBase

from config.database import Base, db

ROWS_A_TRANSACTION = 500

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
) -> int | None:
    """Insert the rows that are not there yet; the unique constraint decides.

    Answers how many that were, or None where the database does not say.
    """
    target = cast("Table", table.__table__)
    dialect = db.session.get_bind().dialect.name
    if dialect in ("postgresql", "sqlite"):
        build = postgresql.insert if dialect == "postgresql" else sqlite.insert
        return write_many(build(target).on_conflict_do_nothing(index_elements=unique), rows)
    # Unlike INSERT IGNORE this swallows nothing but the duplicate.
    same = {unique[0]: target.c[unique[0]]}
    write_many(mysql.insert(target).on_duplicate_key_update(same), rows)
    return None


def one_of(column: InstrumentedAttribute[str], values: Collection[str]) -> ColumnElement[bool]:
    """Whether the column is one of many values.

    On PostgreSQL they travel as one array, so that the statement is the same however many they are.
    """
    if db.session.get_bind().dialect.name == "postgresql":
        return column == any_(literal(list(values), postgresql.ARRAY(Text)))
    return column.in_(values)
