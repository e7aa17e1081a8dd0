"""MySQL and MariaDB: an UPDATE that names its row by a unique key goes there by that key.

Their optimizer takes any index that fits, and in a small table the tenant's or the state's is as
good as the key. Such an UPDATE locks the entry of that index first and the row behind it after. One
that came by the key holds the row and moves the entry: each waits for the other, and one of two
correct writers is thrown out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, cast

from sqlalchemy import (
    BinaryExpression,
    BindParameter,
    Column,
    Dialect,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    Update,
)
from sqlalchemy.sql import operators
from sqlalchemy.sql.dml import UpdateBase

from config.columns import MYSQL


def by_key(statement: UpdateBase, dialect: Dialect) -> UpdateBase:
    """The statement, told to go by the unique key that it names; any other as it is."""
    if dialect.name not in MYSQL or not isinstance(statement, Update):
        return statement
    named = frozenset(_named(statement))
    for key, columns in keys_of(cast("Table", statement.table)).items():
        if columns <= named:
            return statement.with_hint(f"FORCE INDEX ({key})", dialect_name=dialect.name)
    return statement


@cache
def keys_of(table: Table) -> Mapping[str, frozenset[str]]:
    """Each unique key of the table by the name that MySQL gives it, and its columns."""
    return {
        "PRIMARY" if isinstance(key, PrimaryKeyConstraint) else str(key.name): frozenset(
            key.columns.keys()
        )
        for key in (table.primary_key, *table.constraints)
        if isinstance(key, PrimaryKeyConstraint | UniqueConstraint)
    }


def _named(statement: Update) -> Iterator[str]:
    """The columns that must equal a value."""
    for condition in cast("tuple[Any, ...]", statement._where_criteria):
        if not isinstance(condition, BinaryExpression) or condition.operator is not operators.eq:
            continue
        if isinstance(condition.left, Column) and isinstance(condition.right, BindParameter):
            yield condition.left.key
