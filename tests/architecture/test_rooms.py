"""Rooms read in one sitting, say what they are for, and are named for what they hold."""

from __future__ import annotations

import ast
import re

from tests.architecture.source import FLOORS, Room, rooms, rooms_of_tests

MOST_LINES_IN_A_ROOM = 400
MOST_LINES_IN_A_FUNCTION = 60
NAMES_THAT_SAY_NOTHING = {"utils", "util", "helpers", "common", "misc", "base", "manager", "lib"}


def test_no_room_is_longer_than_one_sitting() -> None:
    everything = (*rooms(), *rooms_of_tests())

    too_long = {room.place: room.lines for room in everything if room.lines > MOST_LINES_IN_A_ROOM}

    assert too_long == {}


def test_no_function_is_longer_than_a_page() -> None:
    lengths = {
        f"{room.place}:{function.name}": _lines(function)
        for room in (*rooms(), *rooms_of_tests())
        for function in room.functions()
    }

    too_long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES_IN_A_FUNCTION}

    assert too_long == {}


def test_every_room_says_what_it_is_for() -> None:
    silent = [
        room.place
        for room in (*rooms(), *rooms_of_tests())
        if room.text.strip() and not ast.get_docstring(room.tree)
    ]

    assert silent == []


def test_no_room_is_named_for_nothing() -> None:
    named = {
        part.removesuffix(".py")
        for room in (*rooms(), *rooms_of_tests())
        for part in room.place.split("/")
    }

    assert named & NAMES_THAT_SAY_NOTHING == set()


def test_nothing_is_imported_inside_a_function() -> None:
    hidden = [f"{room.place}:{node.lineno}" for room in rooms() for node in _inner_imports(room)]

    assert hidden == []


def test_nothing_is_left_for_later() -> None:
    # Written in halves, so that this file does not hold what it looks for.
    mark = re.compile(r"#.*\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")

    left = [room.place for room in (*rooms(), *rooms_of_tests()) if mark.search(room.text)]

    assert left == []


def test_lower_floors_do_not_import_the_tests() -> None:
    importers = [
        room.place
        for room in rooms()
        for node in ast.walk(room.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tests"
    ]

    assert FLOORS
    assert importers == []


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def _inner_imports(room: Room) -> list[ast.Import | ast.ImportFrom]:
    # The optional extras are imported where they are asked for; everything else stands at the top.
    optional = ("opentelemetry", "sentry_sdk")
    return [
        node
        for function in room.functions()
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and not _names(node)[0].startswith(optional)
    ]


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return [alias.name for alias in node.names]
