"""Statements of the paths that every payment takes, turned into the driver's SQL once.

Building, caching and interpreting a statement costs the application two to three times what the
driver needs to send it. A `Prepared` is compiled once for a dialect; after that only its values are
converted. It is for statements whose shape is fixed; everything else is better written plainly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, cast

from sqlalchemy import ClauseElement, ColumnElement, Dialect, Executable, Table
from sqlalchemy.engine import Row
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler

Convert = Callable[[Any], Any]


class Prepared:
    """One statement for one dialect: its SQL, how its values go in, how its columns come out."""

    def __init__(
        self,
        statement: Executable,
        dialect: Dialect,
        *,
        given: Collection[str] = (),
        returned: Mapping[str, ColumnElement[Any]] = MappingProxyType({}),
    ) -> None:
        keys = list(given) or None
        self.tables = frozenset(
            element.name
            for element in visitors.iterate(cast("ClauseElement", statement))
            if isinstance(element, Table)
        )
        compiled = cast("SQLCompiler", statement.compile(dialect=dialect, column_keys=keys))  # type: ignore[attr-defined]
        if compiled.isinsert and compiled.insert_prefetch:
            missing = ", ".join(column.key for column in compiled.insert_prefetch)
            raise TypeError(f"Nobody fills in defaults here; give a value for: {missing}.")
        self.sql = str(compiled)
        self.names = frozenset(compiled.binds)
        self._order = compiled.positiontup
        self._constants = {name: bind.value for name, bind in compiled.binds.items()}
        self._ways_in = _converters(
            {name: bind.type for name, bind in compiled.binds.items()}, dialect, "bind_processor"
        )
        self._ways_out = _converters(
            {name: column.type for name, column in returned.items()},
            dialect,
            "result_processor",
            None,
        )

    def bound(self, values: Mapping[str, Any]) -> dict[str, Any] | tuple[Any, ...]:
        """The values as this driver takes them."""
        bound = {**self._constants, **values}
        for name, convert in self._ways_in.items():
            bound[name] = convert(bound[name])
        return bound if self._order is None else tuple(bound[name] for name in self._order)

    def facts(self, row: Row[Any]) -> dict[str, Any]:
        """The returned columns by name, as the models would show them."""
        facts = dict(row._mapping)
        for name, convert in self._ways_out.items():
            facts[name] = convert(facts[name])
        return facts


def _converters(
    types: Mapping[str, Any], dialect: Dialect, kind: str, *arguments: object
) -> dict[str, Convert]:
    found = {}
    for name, type_ in types.items():
        convert = getattr(type_.dialect_impl(dialect), kind)(dialect, *arguments)
        if convert is not None:
            found[name] = convert
    return found
