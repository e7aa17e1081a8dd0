"""CSV that a spreadsheet opens without running anything in it.

Every field is quoted. A text that a spreadsheet would take for a formula, full-width forms
included, gets an apostrophe in front; numbers stay numbers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

from flask import Response, stream_with_context

BOM = "\ufeff"  # without it, spreadsheets take UTF-8 for a local encoding and Chinese for noise
FLUSH_ROWS = 200
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")

Cell = str | int | None


class Number(str):
    """Text that is a number, such as an amount in yuan, and must stay one."""

    __slots__ = ()


def csv_response(name: str, header: Sequence[Cell], rows: Iterable[Sequence[Cell]]) -> Response:
    """Stream rows as an attachment; memory does not grow with their number."""
    response = Response(stream_with_context(_lines(header, rows)), mimetype="text/csv")
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def safe_cell(value: Cell) -> str:
    """One field, quoted, and harmless in a spreadsheet."""
    if value is None:
        return '""'
    text = str(value)
    if not isinstance(value, int | Number) and _looks_like_formula(text):
        text = f"'{text}"
    return '"' + text.replace('"', '""') + '"'


def _lines(header: Sequence[Cell], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    waiting = [BOM, _line(header)]
    for row in rows:
        waiting.append(_line(row))
        if len(waiting) >= FLUSH_ROWS:
            yield "".join(waiting)
            waiting.clear()
    yield "".join(waiting)


def _line(cells: Sequence[Cell]) -> str:
    write: Callable[[Cell], str] = safe_cell
    return ",".join(map(write, cells)) + "\r\n"


def _looks_like_formula(text: str) -> bool:
    # A full-width ＝ is evaluated as = by some spreadsheets; blanks before it do not hinder them.
    plain = unicodedata.normalize("NFKC", text)
    return plain.startswith(_FORMULA_STARTS) or plain.lstrip().startswith(_FORMULA_STARTS)
