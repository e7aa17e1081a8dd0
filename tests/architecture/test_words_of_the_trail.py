"""Whatever is written into the audit trail has words: every action, thing and kind of actor.

Names of actions are read out of the source. Where one is put together, its parts are looked up too;
a name this reading cannot follow is a failure, not a gap.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from admin_ui.audit_words import ACTIONS, ACTORS, RESULTS, THINGS
from admin_ui.reading import trail
from admin_ui.wording import FACTS
from payments.orders.confirm import passed_checks
from payments.orders.models import OrderState
from payments.refunds.models import RefundState
from tests.architecture.source import Room, dotted, rooms

# Actions that end in the name of a state: which states they are.
STATES = {"order.": OrderState, "refund.": RefundState}
UNKNOWN = "?"


def test_every_action_has_words() -> None:
    recorded = dict(_actions())

    assert len(recorded) > 60
    assert {name: place for name, place in recorded.items() if name not in ACTIONS} == {}


def test_no_words_are_kept_for_what_nobody_records() -> None:
    assert sorted(set(ACTIONS) - set(dict(_actions()))) == []


def test_every_kind_of_thing_has_words_and_a_group() -> None:
    recorded = {
        kind
        for room, call in _calls_of("audit.record")
        for kind in _texts(room, call, _keyword(call, "object_kind"))
    }
    grouped = [kind for kinds in trail.THINGS.values() for kind in kinds]

    assert recorded == set(THINGS) == set(grouped)
    assert len(grouped) == len(set(grouped))


def test_every_kind_of_actor_has_words_and_a_side() -> None:
    acting = {
        kind
        for room, call in _calls_of("Actor") + _calls_of("audit.Actor")
        if (given := _keyword(call, "kind"))
        for kind in _texts(room, call, given)
    }
    sides = [kind for kinds in trail.ACTORS.values() for kind in kinds]

    assert acting <= set(ACTORS) == set(sides)
    assert len(sides) == len(set(sides))


def test_every_result_has_words() -> None:
    recorded = {
        result
        for room, call in _calls_of("audit.record")
        if (given := _keyword(call, "result"))
        for result in _texts(room, call, given)
    }

    assert recorded - {"done"} == set(RESULTS)


def test_every_check_of_a_notification_has_words() -> None:
    names = {str(one["check"]) for one in passed_checks()}
    for room, call in _calls_of("Check"):
        if room.place.startswith("payments/") and isinstance(call.args[0], ast.Constant):
            names.add(str(call.args[0].value))

    assert len(names) > 15
    assert sorted(names - set(FACTS)) == []


def _actions() -> Iterator[tuple[str, str]]:
    for room, call in _calls_of("audit.record"):
        for name in _texts(room, call, call.args[0]):
            yield name, room.place


def _calls_of(name: str) -> list[tuple[Room, ast.Call]]:
    return _all_calls().get(name, [])


@cache
def _all_calls() -> dict[str, list[tuple[Room, ast.Call]]]:
    calls: dict[str, list[tuple[Room, ast.Call]]] = defaultdict(list)
    for room in rooms():
        for node in ast.walk(room.tree):
            if isinstance(node, ast.Call):
                calls[dotted(node.func)].append((room, node))
    return calls


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((one.value for one in call.keywords if one.arg == name), None)


def _texts(room: Room, at: ast.AST, value: ast.expr | None) -> set[str]:
    """Every text the expression may stand for, as far as the source says."""
    if isinstance(value, ast.Constant):
        return {str(value.value)}
    if isinstance(value, ast.IfExp):
        return _texts(room, at, value.body) | _texts(room, at, value.orelse)
    if isinstance(value, ast.JoinedStr):
        return _joined(room, at, value)
    if isinstance(value, ast.Name):
        return _given(room, at, value.id)
    return {UNKNOWN}


def _joined(room: Room, at: ast.AST, text: ast.JoinedStr) -> set[str]:
    prefix, part = text.values
    assert isinstance(prefix, ast.Constant)
    assert isinstance(part, ast.FormattedValue)
    begins = str(prefix.value)
    if isinstance(part.value, ast.Call) and begins in STATES:  # state.value.lower()
        return {f"{begins}{state.value.lower()}" for state in STATES[begins]}
    return {f"{begins}{rest}" for rest in _texts(room, at, part.value)}


def _given(room: Room, at: ast.AST, name: str) -> set[str]:
    """What callers hand in under this name, or what the file sets it to."""
    function = next(one for one in room.functions() if at in set(ast.walk(one)))
    names = [each.arg for each in function.args.args]
    if name not in names:
        return _set_in(room, name)
    place, found = names.index(name), set()
    for caller, call in _calls_of(function.name):
        if caller is not room and not _imports(caller, room, function.name):
            continue
        value = call.args[place] if place < len(call.args) else _keyword(call, name)
        if value is None:
            value = function.args.defaults[place - len(names)]
        found |= _texts(caller, call, value)
    return found or {UNKNOWN}


def _imports(caller: Room, room: Room, name: str) -> bool:
    return any(module == _module(room) for module in _sources_of(caller, name))


def _sources_of(room: Room, name: str) -> list[str | None]:
    return [
        node.module
        for node in ast.walk(room.tree)
        if isinstance(node, ast.ImportFrom) and any(each.name == name for each in node.names)
    ]


def _module(room: Room) -> str:
    return room.place.removesuffix(".py").replace("/", ".")


def _set_in(room: Room, name: str) -> set[str]:
    for node in ast.walk(room.tree):
        if isinstance(node, ast.Assign) and dotted(node.targets[0]) == name:
            return _texts(room, node, node.value)
        if isinstance(node, ast.AnnAssign) and dotted(node.target) == name:
            return _texts(room, node, node.value)
    sources = _sources_of(room, name)
    there = (_set_in(other, name) for other in rooms() if _module(other) in sources)
    return next(there, {UNKNOWN})
