"""Lists so short that they are read whole; they are answered in stretches as every list is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from payments.api.schemas import PageQuery
from payments.errors import NotACursor

Row = TypeVar("Row")


def stretch_of(
    rows: Sequence[Row], query: PageQuery, cursor_of: Callable[[Row], str]
) -> tuple[Sequence[Row], str | None]:
    """The rows that were asked for, and the cursor of those behind them.

    Raises NotACursor for a cursor that no row of the list has.
    """
    places = [cursor_of(row) for row in rows]
    if query.cursor is not None and query.cursor not in places:
        raise NotACursor
    begin = 0 if query.cursor is None else places.index(query.cursor) + 1
    end = begin + query.limit
    return rows[begin:end], places[end - 1] if end < len(rows) else None
