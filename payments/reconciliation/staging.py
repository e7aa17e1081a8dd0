"""The same comparison for a day too large for memory: a temporary table and one join.

The bill's entries go into a temporary table the quickest way the database has, the database joins
them with our books where they lie, and only what differs comes back. The answer is that of
`compare`, row by row; a test runs both on the same days on every database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import groupby, islice
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.schema import CreateIndex, CreateTable

from config.database import db, identifier
from payments.bills.entries import EntryKind, core
from payments.reconciliation.books import SOURCES, entries_of
from payments.reconciliation.compare import Difference, compare

ROWS_A_STATEMENT = 5_000
DIFFERENCES_AT_A_TIME = 500
JOIN_MEMORY = "64MB"  # PostgreSQL's own, for the length of one comparison

_tables = MetaData()
_staged = Table(
    "staged_entries",
    _tables,
    Column("kind", String(1)),
    Column("number", identifier(64)),
    Column("wechat_no", identifier(64)),
    Column("amount_fen", BigInteger),
    Column("rest", identifier(320)),
    prefixes=["TEMPORARY"],
)
_differing = Table(
    "staged_differences",
    _tables,
    *(Column(column.name, column.type) for column in _staged.columns),
    Column("our_number", identifier(64)),
    Column("our_wechat_no", identifier(64)),
    Column("our_amount_fen", BigInteger),
    prefixes=["TEMPORARY"],
)
_repeated = Table(
    "staged_repeats", _tables, Column("number", identifier(64)), prefixes=["TEMPORARY"]
)
# With the kind, so that a look for a number alone never goes to the table.
_by_number = Index("ix_staged_entries_number", _staged.c.number, _staged.c.kind)
_by_repeat = Index("ix_staged_repeats_number", _repeated.c.number)


@dataclass(slots=True)
class StagedFigures:
    """What a staged comparison counts; complete once its differences have been read."""

    matched: int = 0
    ours_count: int = 0
    ours_amount_fen: int = 0


@contextmanager
def staged(blocks: Iterable[bytes]) -> Iterator[Connection]:
    """A connection that holds the bill's entries in a temporary table.

    It writes to nothing that stays, locks nothing anybody waits for, and sees one state of the
    books from first to last: always on SQLite, and on PostgreSQL at this level. MySQL would lock
    every order it copies at any level above READ COMMITTED; what is paid meanwhile is explained.
    """
    with db.engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        try:
            for table in (_staged, _differing, _repeated):
                connection.execute(CreateTable(table))
            _load(connection, blocks)
            yield connection
        finally:
            connection.invalidate()  # and with it the temporary tables


def staged_differences(
    connection: Connection, day: date, sub_merchant_id: str, figures: StagedFigures
) -> Iterator[list[Difference]]:
    """What differs, some hundred at a time; rows of one number are never torn apart."""
    of_kind = select(_staged.c.kind, func.count()).group_by(_staged.c.kind)
    counts: dict[str, int] = dict(connection.execute(of_kind).all())
    kept = {source.kind for source in SOURCES}
    for kind in (kind for kind in EntryKind if kind in kept or kind.value in counts):
        ours = _ours(kind, day, sub_merchant_id)
        _join(connection, kind, ours)
        _count(connection, kind, ours, counts.get(kind.value, 0), figures)
        found = _compared(connection, figures)
        while some := list(islice(found, DIFFERENCES_AT_A_TIME)):
            yield some
        connection.execute(delete(_differing))
        connection.execute(delete(_repeated))


def _load(connection: Connection, blocks: Iterable[bytes]) -> None:
    """Fill the table past SQLAlchemy: a million rows need no look at each of their parameters."""
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor()
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.set_config("work_mem", JOIN_MEMORY, True)))
        with cursor.copy(f"COPY {_staged.name} FROM STDIN") as copy:
            for block in blocks:
                copy.write(block)
        return
    statement = str(insert(_staged).compile(dialect=connection.dialect))
    rows = (line.split("\t") for block in blocks for line in block.decode().split("\n") if line)
    names = [column.name for column in _staged.columns]
    while some := list(islice(rows, ROWS_A_STATEMENT)):
        if connection.dialect.positional:
            cursor.executemany(statement, some)
        else:
            cursor.executemany(statement, [dict(zip(names, row, strict=True)) for row in some])
    connection.execute(CreateIndex(_by_number))


def _ours(kind: EntryKind, day: date, sub_merchant_id: str) -> Any:
    """Our books as a table to join with; one without rows for a kind nobody keeps."""
    for source in SOURCES:
        if source.kind is kind:
            return entries_of(source, day, [sub_merchant_id]).subquery("ours")
    empty = select(
        literal("").label("number"),
        literal("").label("wechat_no"),
        literal(0).label("amount_fen"),
    )
    return empty.where(literal(1) == 0).subquery("ours")


def _join(connection: Connection, kind: EntryKind, ours: Any) -> None:
    """Fill the table of differences with every pair that does not agree, and the single ones."""
    theirs = select(_staged).where(_staged.c.kind == kind).subquery("theirs")
    same = theirs.c.number == ours.c.number
    differs = or_(
        theirs.c.wechat_no != func.coalesce(ours.c.wechat_no, ""),
        theirs.c.amount_fen != ours.c.amount_fen,
    )
    one_sided = or_(theirs.c.number.is_(None), ours.c.number.is_(None))
    if connection.dialect.name == "postgresql":
        both = theirs.join(ours, same, full=True)
        _fill(
            connection, _pairs(kind, theirs, ours).select_from(both).where(or_(one_sided, differs))
        )
        return
    with_ours = theirs.join(ours, same, isouter=True)
    here = or_(ours.c.number.is_(None), differs)
    _fill(connection, _pairs(kind, theirs, ours).select_from(with_ours).where(here))
    with_theirs = ours.join(theirs, same, isouter=True)
    there = theirs.c.number.is_(None)
    _fill(connection, _pairs(kind, None, ours).select_from(with_theirs).where(there))


def _count(
    connection: Connection, kind: EntryKind, ours: Any, rows: int, figures: StagedFigures
) -> None:
    """Add up what agreed; where a number is on the bill twice, take all its rows out for a look."""
    count, amount = connection.execute(
        select(func.count(), func.coalesce(func.sum(ours.c.amount_fen), 0)).select_from(ours)
    ).one()
    sign = next((source.sign for source in SOURCES if source.kind is kind), 1)
    figures.ours_count += count
    figures.ours_amount_fen += sign * int(amount)
    agreed = _agreed(connection, rows)
    only_ours = _number_of_rows(connection, _differing.c.number.is_(None))
    if rows - _number_of_rows(connection, _differing.c.our_number.is_(None)) != count - only_ours:
        _take_repeats_out(connection, kind, ours)
        agreed = _agreed(connection, rows)
    figures.matched += agreed


def _agreed(connection: Connection, rows: int) -> int:
    return rows - _number_of_rows(connection, _differing.c.number.is_not(None))


def _number_of_rows(connection: Connection, condition: Any) -> int:
    counted = select(func.count()).select_from(_differing).where(condition)
    return connection.scalar(counted) or 0


def _take_repeats_out(connection: Connection, kind: EntryKind, ours: Any) -> None:
    repeated = select(_staged.c.number).where(_staged.c.kind == kind)
    repeated = repeated.group_by(_staged.c.number).having(func.count() > 1)
    connection.execute(insert(_repeated).from_select(["number"], repeated))
    connection.execute(CreateIndex(_by_repeat, if_not_exists=True))
    among = _differing.c.number.in_(select(_repeated.c.number))
    connection.execute(delete(_differing).where(among))
    theirs = _staged
    pairs = theirs.join(_repeated, _repeated.c.number == theirs.c.number)
    pairs = pairs.join(ours, theirs.c.number == ours.c.number, isouter=True)
    _fill(connection, _pairs(kind, theirs, ours).select_from(pairs).where(theirs.c.kind == kind))


def _pairs(kind: EntryKind, theirs: Any, ours: Any) -> Any:
    names = [column.name for column in list(_staged.columns)[1:]]
    return select(
        literal(kind.value).label("kind"),
        *(null().label(name) if theirs is None else theirs.c[name] for name in names),
        ours.c.number.label("our_number"),
        func.coalesce(ours.c.wechat_no, "").label("our_wechat_no"),
        ours.c.amount_fen.label("our_amount_fen"),
    )


def _fill(connection: Connection, pairs: Any) -> None:
    names = [column.name for column in _differing.columns]
    connection.execute(insert(_differing).from_select(names, pairs))


def _compared(connection: Connection, figures: StagedFigures) -> Iterator[Difference]:
    """The differences number by number; what two rows of one number mean is for `compare`."""
    number = func.coalesce(_differing.c.number, _differing.c.our_number)
    everything = select(number.label("of"), _differing).order_by(number)
    rows = connection.execute(everything.execution_options(yield_per=DIFFERENCES_AT_A_TIME))
    for _, group in groupby(rows, key=lambda row: row[0]):
        entries, cores = [], set()
        for row in group:
            if row.number is not None:
                text = f"{row.kind}\t{row.number}\t{row.wechat_no}\t{row.amount_fen}\t{row.rest}"
                entries.append(text)
            if row.our_number is not None:
                ours = row.our_number, row.our_wechat_no, row.our_amount_fen
                cores.add(core(row.kind, *ours))
        compared = compare(entries, cores)
        figures.matched += compared.matched
        yield from compared.differences
