"""Statements of the paths that every payment takes, turned into the driver's SQL once.

Building, caching and interpreting a statement costs the application two to three times what the
driver needs to send it. A `Prepared` is compiled once for a dialect; after that only its values are
converted. It is for statements whose shape is fixed; everything else is better written plainly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import ClauseElement, Dialect, Executable, Table, Update
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler

from config.by_key import by_key

Convert = Callable[[Any], Any]


class Prepared:
    """One statement for one dialect: its SQL, how its values go in, how its columns come out."""

    def __init__(
        self,
        statement: Executable,
        dialect: Dialect,
        *,
        given: Collection[str] = (),
    ) -> None:
        keys = list(given) or None
        self.tables = frozenset(
            element.name
            for element in visitors.iterate(cast("ClauseElement", statement))
            if isinstance(element, Table)
        )
        written_for = _written_for(dialect)
        if isinstance(statement, Update):
            statement = by_key(statement, dialect)
        compiled = cast("SQLCompiler", statement.compile(dialect=written_for, column_keys=keys))  # type: ignore[attr-defined]
        if compiled.isinsert and compiled.insert_prefetch:
            missing = ", ".join(column.key for column in compiled.insert_prefetch)
            raise TypeError(f"Nobody fills in defaults here; give a value for: {missing}.")
        self.sql = str(compiled)
        self.names = frozenset(compiled.binds)
        self._order = compiled.positiontup
        self._constants = {
            name: bind.value for name, bind in compiled.binds.items() if not bind.required
        }
        self._ways_in = _converters(
            {name: bind.type for name, bind in compiled.binds.items()}, dialect, "bind_processor"
        )
        returned = statement.exported_columns.items()  # type: ignore[attr-defined]
        self._columns = tuple(name for name, _ in returned)
        self._ways_out = _converters(
            {name: column.type for name, column in returned}, dialect, "result_processor", None
        )

    def bound(self, values: Mapping[str, Any]) -> dict[str, Any] | tuple[Any, ...]:
        """The values as this driver takes them."""
        bound = {**self._constants, **values}
        for name, convert in self._ways_in.items():
            bound[name] = convert(bound[name])
        return bound if self._order is None else tuple([bound[name] for name in self._order])

    def facts(self, row: Sequence[Any]) -> dict[str, Any]:
        """The returned columns by name, as the models would show them."""
        facts = dict(zip(self._columns, row, strict=True))
        for name, convert in self._ways_out.items():
            facts[name] = convert(facts[name])
        return facts


def goes_in_pipeline(dialect: Dialect) -> bool:
    """Whether statements for this dialect travel through `config.pipeline`."""
    return dialect.driver == "psycopg"


@cache
def _written_for(dialect: Dialect) -> Dialect:
    # The pipeline speaks to the server itself, whose places are `$1`, not the driver's `%(name)s`.
    if not goes_in_pipeline(dialect):
        return dialect
    return psycopg.dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


def _converters(
    types: Mapping[str, Any], dialect: Dialect, kind: str, *arguments: object
) -> dict[str, Convert]:
    found = {}
    for name, type_ in types.items():
        convert = getattr(type_.dialect_impl(dialect), kind)(dialect, *arguments)
        if convert is not None:
            found[name] = convert
    return found
