"""Lists so short that they are read whole; they are answered in stretches as every list is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from config.errors import InvalidPayload
from payments.api.schemas import PageQuery

Row = TypeVar("Row")


def stretch_of(
    rows: Sequence[Row], query: PageQuery, cursor_of: Callable[[Row], str]
) -> tuple[Sequence[Row], str | None]:
    """The rows that were asked for, and the cursor of those behind them.

    Raises InvalidPayload for a cursor that no row of the list has.
    """
    places = [cursor_of(row) for row in rows]
    if query.cursor is not None and query.cursor not in places:
        raise InvalidPayload(
            "The cursor is not one this list gave out. Start again without it.",
            fields=[{"field": "cursor", "problem": "not a next_cursor of this list"}],
        )
    begin = 0 if query.cursor is None else places.index(query.cursor) + 1
    end = begin + query.limit
    return rows[begin:end], places[end - 1] if end < len(rows) else None
