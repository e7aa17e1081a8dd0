"""The least that reconciling can cost: hand-written for one day, one table and one database.

No validation of a field, no state to come back to, no second kind of row, nothing recorded but the
outcome. They read the file as it came and answer how many rows differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.bill_day import DAY, PAID_AT, BillDay

_SUB, _TRANSACTION, _NUMBER, _AMOUNT = 3, 5, 6, 24
_FROM, _UNTIL = "2031-05-05 16:00:00", "2031-05-06 16:00:00"


def _rows(day: BillDay) -> Iterator[list[str]]:
    with open(day.file, encoding="utf-8-sig", newline="") as file:
        file.readline()
        for line in file:
            if line[0] != "`":
                break
            yield line[1:].split(",`")


def staged_in_postgresql(day: BillDay) -> int:
    """Split, COPY into a temporary table, one full join."""
    connection = day.connect()
    connection.execute("CREATE TEMP TABLE staged (number text, wechat_no text, amount bigint)")
    total = count = 0
    with connection.cursor().copy("COPY staged FROM STDIN") as copy:
        for row in _rows(day):
            amount = int(row[_AMOUNT].replace(".", ""))
            total += amount
            count += 1
            copy.write(f"{row[_NUMBER]}\t{row[_TRANSACTION]}\t{amount}\n".encode())
    differing = connection.execute(
        "SELECT s.number, s.amount, o.out_trade_no, o.amount_fen FROM staged s FULL JOIN"
        " (SELECT out_trade_no, transaction_id, amount_fen FROM orders"
        "  WHERE partner_id = %s AND paid_at >= %s AND paid_at < %s) o"
        " ON s.number = o.out_trade_no WHERE s.number IS NULL OR o.out_trade_no IS NULL"
        " OR s.amount <> o.amount_fen OR s.wechat_no <> o.transaction_id",
        (day.partner_id, f"{_FROM}+00", f"{_UNTIL}+00"),
    ).fetchall()
    connection.execute("CREATE TEMP TABLE outcome (counted bigint, total bigint, odd bigint)")
    connection.execute("INSERT INTO outcome VALUES (%s, %s, %s)", (count, total, len(differing)))
    connection.commit()
    return len(differing)


def staged_in_sqlite(day: BillDay) -> int:
    """Split, a temporary table, an index, and a join from either side."""
    connection = day.connect()
    connection.execute("CREATE TEMP TABLE staged (number TEXT, wechat_no TEXT, amount INTEGER)")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO staged VALUES (?, ?, ?)",
        (
            (row[_NUMBER], row[_TRANSACTION], int(row[_AMOUNT].replace(".", "")))
            for row in _rows(day)
        ),
    )
    connection.execute("CREATE INDEX temp.by_number ON staged (number)")
    ours = "partner_id = ? AND paid_at >= ? AND paid_at < ?"
    arguments = (day.partner_id, _FROM, _UNTIL)
    differing = connection.execute(
        "SELECT s.number, s.amount, o.amount_fen FROM staged s LEFT JOIN orders o"
        f" ON o.out_trade_no = s.number AND {ours} WHERE o.id IS NULL"
        " OR s.amount <> o.amount_fen OR s.wechat_no <> o.transaction_id",
        arguments,
    ).fetchall()
    differing += connection.execute(
        "SELECT o.out_trade_no, NULL, o.amount_fen FROM orders o LEFT JOIN staged s"
        f" ON s.number = o.out_trade_no WHERE {ours} AND s.number IS NULL",
        arguments,
    ).fetchall()
    connection.execute("CREATE TEMP TABLE outcome (counted INTEGER, odd INTEGER)")
    connection.execute("INSERT INTO outcome VALUES (?, ?)", (day.rows, len(differing)))
    connection.execute("COMMIT")
    return len(differing)


def split_into_dicts(day: BillDay) -> int:
    """Split by tenant, the books in a dict, one row of outcome for each tenant."""
    theirs: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
    for row in _rows(day):
        amount = int(row[_AMOUNT].replace(".", ""))
        theirs[row[_SUB]].append((row[_NUMBER], row[_TRANSACTION], amount))
    connection = day.connect()
    ours: dict[str, dict[str, tuple[str, int]]] = defaultdict(dict)
    cursor = connection.execute(
        "SELECT sub_mchid, out_trade_no, transaction_id, amount_fen FROM orders"
        " WHERE partner_id = %s AND paid_at >= %s AND paid_at < %s",
        (day.partner_id, f"{_FROM}+00", f"{_UNTIL}+00"),
    )
    for sub_mchid, number, transaction_id, amount in cursor:
        ours[sub_mchid][number] = (transaction_id, amount)
    outcomes, odd = [], 0
    for sub_mchid in theirs.keys() | ours.keys():
        book = ours[sub_mchid]
        differing = [row for row in theirs[sub_mchid] if book.pop(row[0], None) != row[1:]]
        odd += len(differing) + len(book)
        outcomes.append((sub_mchid, DAY, len(theirs[sub_mchid]), len(differing) + len(book)))
    _write_outcomes(connection, outcomes)
    return odd


def _write_outcomes(connection: Any, outcomes: list[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS floor_outcomes"
            " (sub_mchid text, bill_date date, counted bigint, odd bigint,"
            "  recorded_at timestamptz, PRIMARY KEY (sub_mchid, bill_date))"
        )
        cursor.execute("TRUNCATE floor_outcomes")
        cursor.executemany(
            "INSERT INTO floor_outcomes VALUES (%s, %s, %s, %s, %s)",
            [(*outcome, PAID_AT) for outcome in outcomes],
        )
    connection.commit()
