"""Inserting where a row may stand already: one statement, in which the unique key decides.

No look beforehand would tell, since another process may insert between the look and the INSERT.
Each database has its own word for it; which one a caller wants depends on what it needs to know:

- `insert_new` answers whether the row was new.
- `insert_later` does not ask, and may wait for COMMIT to take it along.
- `insert_or_renew` writes over what stands there.
- `ensure_row` makes sure that there is a row for the UPDATE that follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from sqlalchemy import Dialect, Insert, Table, insert
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from config.by_key import keys_of
from config.columns import MYSQL
from config.database import Base, db, dialect_here, run, run_later
from config.prepared import Prepared

_MYSQL_DUPLICATE_KEY = 1062


def insert_new(table: type[Base], values: Mapping[str, Any], *, unique: tuple[str, ...]) -> bool:
    """Insert unless a row with the same unique columns stands there; answer whether it was new.

    One statement on every database; the unique constraint decides, never a look beforehand.
    """
    dialect = dialect_here()
    target = cast("Table", table.__table__)
    try:
        inserted = run(_prepared_insert(target, dialect, unique, tuple(values)), values)
    except IntegrityError as error:
        # A failed statement leaves a MySQL transaction as it was, so no savepoint is needed.
        clashing = keys_of(target).get(_clashing_key(error) or "")
        if dialect.name not in MYSQL or clashing != frozenset(unique):
            raise
        return False
    return inserted.rowcount == 1


def insert_later(table: type[Base], values: Mapping[str, Any], *, unique: tuple[str, ...]) -> None:
    """`insert_new` for whoever does not ask whether it was new: it travels with COMMIT."""
    dialect = dialect_here()
    if dialect.name in MYSQL:
        insert_new(table, values, unique=unique)
        return
    target = cast("Table", table.__table__)
    run_later(_prepared_insert(target, dialect, unique, tuple(values)), values)


def insert_or_renew(
    table: type[Base],
    values: Mapping[str, Any],
    *,
    unique: tuple[str, ...],
    news: tuple[str, ...],
    counted: str,
) -> None:
    """Insert; where a row with the same unique columns stands, write `news` of `values` over it.

    The column `counted` goes up by one there. Like `insert_later` it travels with COMMIT.
    """
    target, dialect = cast("Table", table.__table__), dialect_here()
    renewal = _prepared_renewal(target, dialect, unique, news, counted, tuple(values))
    run_later(renewal, values)


def ensure_row(table: type[Base], values: Mapping[str, Any], *, unique: tuple[str, ...]) -> None:
    """Insert unless the row stands there already, when an UPDATE of it follows.

    `insert_new` is not for that: on MySQL an INSERT that meets a duplicate keeps a shared lock, and
    two callers who then update the row wait for each other until one is thrown out.
    """
    statement = _ensure_row(cast("Table", table.__table__), dialect_here().name, unique)
    db.session.execute(statement, values)


def _clashing_key(error: IntegrityError) -> str | None:
    """The name of the key that MySQL says is taken; the value before it may be anything."""
    number, message = (*getattr(error.orig, "args", ()), 0, "")[:2]
    named = str(message).rpartition(" for key ")[2].strip("'`")
    return named.rpartition(".")[2] if number == _MYSQL_DUPLICATE_KEY else None


@cache
def _prepared_insert(
    target: Table, dialect: Dialect, unique: tuple[str, ...], given: tuple[str, ...]
) -> Prepared:
    return Prepared(_insert_new(target, dialect.name, unique).inline(), dialect, given=given)


@cache
def _prepared_renewal(
    target: Table,
    dialect: Dialect,
    unique: tuple[str, ...],
    news: tuple[str, ...],
    counted: str,
    given: tuple[str, ...],
) -> Prepared:
    one_more = {counted: target.c[counted] + 1}
    if dialect.name in MYSQL:
        row = mysql.insert(target)
        renewal: Insert = row.on_duplicate_key_update(
            {**{n: row.inserted[n] for n in news}, **one_more}
        )
    else:
        new = (postgresql.insert if dialect.name == "postgresql" else sqlite.insert)(target)
        changes = {**{name: new.excluded[name] for name in news}, **one_more}
        renewal = new.on_conflict_do_update(index_elements=unique, set_=changes)
    return Prepared(renewal.inline(), dialect, given=given)


@cache
def _ensure_row(target: Table, dialect: str, unique: tuple[str, ...]) -> Insert:
    if dialect in MYSQL:
        same = {unique[0]: target.c[unique[0]]}
        return mysql.insert(target).on_duplicate_key_update(same)
    return _insert_new(target, dialect, unique)


@cache
def _insert_new(target: Table, dialect: str, unique: tuple[str, ...]) -> Insert:
    # Kept, because building a statement costs more than running it.
    if dialect in MYSQL:
        return insert(target)
    build = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return build(target).on_conflict_do_nothing(index_elements=unique)
