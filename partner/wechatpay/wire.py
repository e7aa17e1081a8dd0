"""JSON on the wire. What WeChat Pay wrote is read strictly, but may hold fields we do not know.

A message can be rightly signed and still be nonsense to us. Whatever is not of the documented
shape raises `Malformed` naming the field, so that a wrong type never becomes a wrong amount.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final, Never

from partner.wechatpay.errors import Malformed

MAX_DEPTH: Final = 32  # documented messages nest five deep
MAX_INTEGER: Final = 2**63 - 1
_MAX_INTEGER_DIGITS: Final = 19
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def read_object(raw: bytes) -> dict[str, object]:
    """One JSON object in UTF-8; two readers of the same bytes must not come to differ."""
    try:
        text = raw.decode("utf-8")
        value = _DECODER.decode(text)
        if "\\u" in text:
            _refuse_unstorable_text(value)
    except (ValueError, RecursionError) as error:
        raise Malformed("The message is not strict JSON.") from error
    if not isinstance(value, dict):
        raise Malformed("The message is not a JSON object.")
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _refuse_depth(value)
    return value


def text(source: Mapping[str, object], name: str, *, longest: int) -> str:
    """A required, non-empty string."""
    found = optional_text(source, name, longest=longest)
    if found is None:
        raise Malformed(f"{name} is missing.")
    return found


def optional_text(source: Mapping[str, object], name: str, *, longest: int) -> str | None:
    """A string, or None where it is absent, null or empty: nothing is ever said by no letters."""
    value = source.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > longest:
        raise Malformed(f"{name} is not a string of at most {longest} characters.")
    return value or None


def optional_fen(source: Mapping[str, object], name: str) -> int | None:
    """An amount in fen, or None where it is absent or null; True is not one fen."""
    value = source.get(name)
    if value is None:
        return None
    if type(value) is not int or not 0 <= value <= MAX_INTEGER:
        raise Malformed(f"{name} is not an amount in fen.")
    return value


def optional_object(source: Mapping[str, object], name: str) -> Mapping[str, object]:
    """A nested object; absent and null read as empty, as unpaid orders leave objects out."""
    value = source.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Malformed(f"{name} is not an object.")
    return value


def optional_moment(source: Mapping[str, object], name: str) -> datetime | None:
    """An RFC 3339 time as aware UTC, or None where it is absent, null or empty."""
    value = optional_text(source, name, longest=64)
    return None if value is None else parse_moment(value, name)


def moment(source: Mapping[str, object], name: str) -> datetime:
    """A required RFC 3339 time as aware UTC."""
    return parse_moment(text(source, name, longest=64), name)


def parse_moment(value: str, name: str) -> datetime:
    """An RFC 3339 text, with or without fractions, `Z` or an offset, as aware UTC."""
    if not _RFC_3339.fullmatch(value):
        raise Malformed(f"{name} is not an RFC 3339 time.")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{name} is not an RFC 3339 time.") from error


def compact_json(value: Mapping[str, object]) -> bytes:
    """A body as we send it: JSON in UTF-8 without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _bounded_integer(digits: str) -> int:
    if len(digits) > _MAX_INTEGER_DIGITS + 1:
        raise ValueError("an integer is too large")
    value = int(digits)
    if abs(value) > MAX_INTEGER:
        raise ValueError("an integer is too large")
    return value


def _finite_number(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


def _no_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


def _refuse_unstorable_text(value: object) -> None:
    # Escapes can smuggle in lone surrogates and NUL, which parse here and fail in the database.
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            if "\x00" in each:
                raise ValueError("a string holds NUL")
            each.encode("utf-8")
        elif isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            waiting += each


def _refuse_depth(value: object) -> None:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        if not (level := [child for parent in level for child in _children(parent)]):
            return
    raise Malformed("The message nests too deep.")


def _children(parent: object) -> Iterable[object]:
    if isinstance(parent, dict):
        return parent.values()
    return parent if isinstance(parent, list) else ()


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_without_repeats,
    parse_int=_bounded_integer,
    parse_float=_finite_number,
    parse_constant=_no_constant,
)
