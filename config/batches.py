"""Writing and forgetting many rows in few statements."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CursorResult,
    Subquery,
    Table,
    Text,
    Update,
    any_,
    bindparam,
    delete,
    func,
    insert,
    inspect,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.dml import UpdateBase

from config.database import Base, changed_rows, db, transaction

ROWS_A_TRANSACTION = 500
FORGOTTEN_AT_ONCE = 1_000
GIVEN = "given_"  # and a column's name: the values of that column, on PostgreSQL

_Item = TypeVar("_Item")


def batches(items: Sequence[_Item], size: int = ROWS_A_TRANSACTION) -> Iterator[Sequence[_Item]]:
    """The items in order, `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))


def write_many(statement: UpdateBase, rows: Sequence[Mapping[str, Any]]) -> int:
    """Run one statement for every row; answers how many rows of the table it met together."""
    if not rows:
        return 0
    return cast("CursorResult[Any]", db.session.execute(statement, list(rows))).rowcount


def insert_rows(table: type[Base], rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows; answers how many that were. They name the same columns."""
    target = cast("Table", table.__table__)
    # A statement for each row costs PostgreSQL, and us, several times what the row itself does.
    if rows and db.session.get_bind().dialect.name == "postgresql":
        return _run(_insert_from_arrays(target, tuple(rows[0])), _as_arrays(rows))
    return write_many(insert(target), rows)


def insert_missing(
    table: type[Base], rows: Sequence[Mapping[str, Any]], *, unique: tuple[str, ...]
) -> int | None:
    """Insert the rows that are not there yet; the unique constraint decides.

    Answers how many that were, or None where the database does not say.
    """
    target = cast("Table", table.__table__)
    if not rows:
        return 0
    dialect = db.session.get_bind().dialect.name
    if dialect == "postgresql":
        here = _insert_from_arrays(target, tuple(rows[0]))
        return _run(here.on_conflict_do_nothing(index_elements=unique), _as_arrays(rows))
    if dialect == "sqlite":
        return write_many(sqlite.insert(target).on_conflict_do_nothing(index_elements=unique), rows)
    # Unlike INSERT IGNORE this swallows nothing but the duplicate.
    same = {unique[0]: target.c[unique[0]]}
    write_many(mysql.insert(target).on_duplicate_key_update(same), rows)
    return None


def update_rows(table: type[Base], rows: Sequence[Mapping[str, Any]], *, key: str) -> int:
    """Write each row's values where the table has its key; answers how many rows that met.

    They name the same columns, and none names a key that another one names.
    """
    if not rows:
        return 0
    target = cast("Table", table.__table__)
    if db.session.get_bind().dialect.name == "postgresql":
        return _run(_update_from_arrays(target, tuple(rows[0]), key), _as_arrays(rows))
    which: BindParameter[Any] = bindparam(f"which_{key}")
    named = [{which.key: row[key], **row} for row in rows]
    news: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != key}
    return write_many(update(target).where(target.c[key] == which).values(news), named)


def forget_rows(table: type[Base], over: ColumnElement[bool]) -> int:
    """Delete the rows whose time is over, some at a time; answers how many there were.

    One that somebody is writing stays for the next time. A DELETE that came by another index than
    the key would hold its entry there and wait for the row, while who writes the row waits for the
    entry: MySQL throws one of the two out.
    """
    key: Any = inspect(table).primary_key[0]
    some = select(key).where(over).limit(FORGOTTEN_AT_ONCE).with_for_update(skip_locked=True)
    forgotten, found = 0, FORGOTTEN_AT_ONCE
    while found == FORGOTTEN_AT_ONCE:
        with transaction() as session:
            ids = session.scalars(some).all()
            forgotten += changed_rows(delete(table).where(key.in_(ids)))
        found = len(ids)
    return forgotten


def one_of(
    column: InstrumentedAttribute[str] | InstrumentedAttribute[str | None] | ColumnElement[Any],
    values: Collection[str],
) -> ColumnElement[bool]:
    """Whether the column is one of many values.

    On PostgreSQL they travel as one array, so that the statement is the same however many they are.
    """
    if db.session.get_bind().dialect.name == "postgresql":
        return column == any_(literal(list(values), postgresql.ARRAY(Text)))
    return column.in_(values)


def _as_arrays(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {GIVEN + name: [row[name] for row in rows] for name in rows[0]}


@cache
def _insert_from_arrays(target: Table, names: tuple[str, ...]) -> postgresql.Insert:
    return postgresql.insert(target).from_select(names, select(_given(target, names)))


@cache
def _update_from_arrays(target: Table, names: tuple[str, ...], key: str) -> Update:
    given = _given(target, names)
    news = {name: given.c[name] for name in names if name != key}
    return update(target).where(target.c[key] == given.c[key]).values(news)


def _given(target: Table, names: Collection[str]) -> Subquery:
    """Rows that travel as one array for each column."""
    columns = [
        func.unnest(bindparam(GIVEN + name, type_=postgresql.ARRAY(target.c[name].type))).label(
            name
        )
        for name in names
    ]
    return select(*columns).subquery("given")


def _run(statement: UpdateBase, values: Mapping[str, Any]) -> int:
    options = {"preserve_rowcount": True}  # which an INSERT does not do by itself
    result = db.session.execute(statement, values, execution_options=options)
    return cast("CursorResult[Any]", result).rowcount
