"""One place reads the time of business, and one floor speaks raw SQL."""

from __future__ import annotations

import ast

from tests.architecture.source import Room, dotted, rooms

READS_OF_THE_CLOCK = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "datetime.datetime.now",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
}
# Wire time and WeChat Pay's side have clocks of their own; ids carry their moment of birth.
MAY_READ_THE_CLOCK = (
    "config/clock.py",
    "config/identifiers.py",
    "partner/wechatpay/",
    "partner/simulator/",
)
# These two are WeChat Pay's side, with a store of its own.
MAY_SPEAK_SQL = ("config/", "partner/simulator/")


def test_only_the_clock_reads_the_time() -> None:
    readers = [
        f"{room.place}:{line} {name}"
        for room in rooms()
        if not room.place.startswith(MAY_READ_THE_CLOCK)
        for line, name in _uses(room)
        if name in READS_OF_THE_CLOCK
    ]

    assert readers == []


def test_only_the_ground_floor_speaks_raw_sql() -> None:
    speakers = [
        room.place
        for room in rooms()
        if not room.place.startswith(MAY_SPEAK_SQL)
        for node in ast.walk(room.tree)
        if _imports_text(node) or (isinstance(node, ast.Attribute) and _is_driver_sql(node))
    ]

    assert speakers == []


def test_the_clock_test_can_fail() -> None:
    planted = Room("payments/x.py", "", ast.parse("import time\nmoment = time.time()\n"))

    found = [name for _, name in _uses(planted) if name in READS_OF_THE_CLOCK]

    assert found == ["time.time"]


def _uses(room: Room) -> list[tuple[int, str]]:
    uses = []
    for node in ast.walk(room.tree):
        if isinstance(node, ast.Attribute):
            uses.append((node.lineno, dotted(node)))
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            uses.extend((node.lineno, f"time.{alias.name}") for alias in node.names)
    return uses


def _imports_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("sqlalchemy")
        and any(alias.name == "text" for alias in node.names)
    )


def _is_driver_sql(node: ast.Attribute) -> bool:
    return node.attr == "exec_driver_sql" or dotted(node) in ("sqlalchemy.text", "sa.text")
