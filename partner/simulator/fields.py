"""Request bodies, checked field by field.

A body is described by a table: what may be sent, what must be, and within which limits. Whatever
the table does not name is refused, as WeChat Pay refuses it; the error points at the field with a
JSON Pointer. Products (JSAPI, Native, …) differ in their tables only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from partner.simulator.refusals import Refusal, param_error

MAX_NESTING = 16
EXTRA_PARAMETER = 270924358
OUT_OF_RANGE = 268435464


class Rule(Protocol):
    """A check for one value; raises Refusal."""

    @property
    def required(self) -> bool: ...

    def check(self, value: Any, pointer: str) -> None: ...


def _refuse(pointer: str, value: Any, issue: str, number: int = 268435461) -> NoReturn:
    message = f"输入源“/body{pointer}”{issue}"
    raise param_error(message, field=pointer, value=value, issue=issue, number=number)


@dataclass(frozen=True)
class Text:
    """A string of 1 to `longest` characters out of the Basic Multilingual Plane."""

    longest: int
    shortest: int = 1
    pattern: re.Pattern[str] | None = None
    choices: frozenset[str] | None = None
    required: bool = False

    def check(self, value: Any, pointer: str) -> None:
        if not isinstance(value, str):
            _refuse(pointer, value, "应为字符串")
        self._check_characters(value, pointer)
        if len(value) < self.shortest:
            _refuse(
                pointer, value, f"字符数 {len(value)}，小于最小值 {self.shortest}", OUT_OF_RANGE
            )
        if len(value) > self.longest:
            _refuse(pointer, value, f"字符数 {len(value)}，大于最大值 {self.longest}", OUT_OF_RANGE)
        if self.pattern is not None and not self.pattern.fullmatch(value):
            _refuse(pointer, value, "含有不允许的字符或格式不正确")
        if self.choices is not None and value not in self.choices:
            _refuse(pointer, value, f"取值须为 {'、'.join(sorted(self.choices))}")

    @staticmethod
    def _check_characters(value: str, pointer: str) -> None:
        # Only code points of one to three UTF-8 bytes are supported; half a surrogate pair is
        # none at all.
        if any(ord(c) > 0xFFFF or 0xD800 <= ord(c) <= 0xDFFF for c in value):
            shown = value.encode("utf-8", "replace").decode()
            _refuse(pointer, shown, "含有不支持的字符（仅支持1至3字节的UTF-8字符）")


@dataclass(frozen=True)
class Integer:
    least: int
    most: int
    required: bool = False

    def check(self, value: Any, pointer: str) -> None:
        # In Python True is an int; on the wire it is not.
        if not isinstance(value, int) or isinstance(value, bool):
            _refuse(pointer, value, "应为整数")
        if value < self.least:
            _refuse(pointer, value, f"数值规则校验失败，值低于最小值 {self.least}", OUT_OF_RANGE)
        if value > self.most:
            _refuse(pointer, value, f"数值规则校验失败，值高于最大值 {self.most}", OUT_OF_RANGE)


@dataclass(frozen=True)
class Boolean:
    required: bool = False

    def check(self, value: Any, pointer: str) -> None:
        if not isinstance(value, bool):
            _refuse(pointer, value, "应为布尔值")


@dataclass(frozen=True)
class Object:
    members: Mapping[str, Rule]
    required: bool = False

    def check(self, value: Any, pointer: str) -> None:
        if not isinstance(value, dict):
            _refuse(pointer, value, "应为对象")
        for name in value:
            if name not in self.members:
                _refuse(f"{pointer}/{_escaped(name)}", value[name], "是多余的参数", EXTRA_PARAMETER)
        for name, rule in self.members.items():
            if name in value:
                rule.check(value[name], f"{pointer}/{name}")
            elif rule.required:
                _refuse(f"{pointer}/{name}", None, "为必填项，不能缺少")


@dataclass(frozen=True)
class List:
    item: Rule
    longest: int
    required: bool = False

    def check(self, value: Any, pointer: str) -> None:
        if not isinstance(value, list) or not value:
            _refuse(pointer, value, "应为非空数组")
        if len(value) > self.longest:
            _refuse(pointer, len(value), f"元素个数大于最大值 {self.longest}", OUT_OF_RANGE)
        for index, item in enumerate(value):
            self.item.check(item, f"{pointer}/{index}")


def _escaped(name: str) -> str:
    return name.encode("utf-8", "replace").decode().replace("~", "~0").replace("/", "~1")


def _no_constants(name: str) -> NoReturn:
    raise ValueError(name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def parse_json(body: bytes) -> Any:
    """Strict JSON: UTF-8, no NaN, no name twice, no bottomless nesting; PARAM_ERROR otherwise."""
    try:
        text = body.decode("utf-8")
        document = json.loads(text, parse_constant=_no_constants, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise _not_json() from None
    if _depth(document) > MAX_NESTING:
        raise _not_json()
    return document


def parse_body(body: bytes, table: Object) -> dict[str, Any]:
    """The body as a checked object."""
    document = parse_json(body)
    if not isinstance(document, dict):
        raise _not_json()
    table.check(document, "")
    return document


def _not_json() -> Refusal:
    return param_error("请求内容不是合法的JSON对象")


def _depth(document: Any) -> int:
    # Depth by level, not by recursion: the very documents this looks for would overflow the stack.
    depth, level = 0, [document]
    while level and depth <= MAX_NESTING:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return depth
