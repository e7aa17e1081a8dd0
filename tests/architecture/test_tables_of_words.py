"""Error codes are one language, and every table of states is complete."""

from __future__ import annotations

import enum
import importlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from config.errors import AppError
from tests.architecture.source import import_every_room, rooms


def test_every_error_code_means_one_thing() -> None:
    import_every_room()

    own = [error.code for error in _errors(AppError) if "code" in vars(error)]

    assert len(own) > 10
    assert [code for code, times in Counter(own).items() if times > 1] == []


def test_error_codes_are_words_a_program_can_compare() -> None:
    import_every_room()

    odd = [error.code for error in _errors(AppError) if not re.fullmatch(r"[a-z_]+", error.code)]

    assert odd == []


def test_every_error_has_a_status_that_is_an_error() -> None:
    import_every_room()

    wrong = [error.__name__ for error in _errors(AppError) if not 400 <= error.status < 600]

    assert wrong == []


def test_every_state_has_its_row_in_its_table() -> None:
    tables = dict(_tables_of_states())

    incomplete = [
        name
        for name, moves in tables.items()
        if set(moves) != set(type(next(iter(moves)))) or not _targets(moves) <= set(moves)
    ]

    assert "payments.orders.states" in tables
    assert incomplete == []


def _errors(parent: type[AppError]) -> Iterator[type[AppError]]:
    for child in parent.__subclasses__():
        if child.__module__.split(".")[0] != "tests":
            yield child
        yield from _errors(child)


def _tables_of_states() -> Iterator[tuple[str, Mapping[enum.Enum, Any]]]:
    for room in rooms():
        if room.place.endswith("/states.py") and not room.place.startswith("partner/simulator/"):
            name = room.place.removesuffix(".py").replace("/", ".")
            yield name, importlib.import_module(name).MOVES


def _targets(moves: Mapping[enum.Enum, Any]) -> set[enum.Enum]:
    return set().union(*moves.values())
