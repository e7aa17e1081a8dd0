"""Read JSON strictly: what two parsers could understand differently is refused.

A duplicate field, `NaN`, a number of a thousand digits, nesting without end, a lone surrogate or a
top level that is not an object gets a clear 400 before any schema looks at it.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from flask import Request
from flask.json.provider import DefaultJSONProvider
from pydantic import BaseModel, ValidationError

from config.errors import InvalidPayload

MAX_BODY_BYTES = 64 * 1024
MAX_NESTING = 16
MAX_NUMBER_LENGTH = 20
_SHOWN_PROBLEMS = 20
# Where the schema's own words speak of Python, or of nothing a sender knows.
_WORDS = {
    "extra_forbidden": "There is no such field here; mind its spelling and its place",
    "model_type": "Should be a JSON object",
}

Model = TypeVar("Model", bound=BaseModel)


def read_object(text: str | bytes) -> dict[str, Any]:
    """Parse one JSON object. Raises InvalidPayload saying what is wrong and where."""
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        # Counting brackets is a hundred times quicker than following them, and mostly enough.
        openings = decoded.count("{") + decoded.count("[")
        if openings > MAX_NESTING and _depth(decoded) > MAX_NESTING:
            raise InvalidPayload(f"The JSON is nested deeper than {MAX_NESTING} levels.")
        value = json.loads(
            decoded,
            object_pairs_hook=_unique_fields,
            parse_constant=_no_constant,
            parse_int=_bounded_int,
            parse_float=_bounded_float,
        )
        if "\\u" in decoded or decoded is text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # a lone surrogate fails here
    except UnicodeError as error:
        raise InvalidPayload("The body holds text that is not valid UTF-8.") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InvalidPayload(f"The body is not valid JSON: see {place}.") from error
    if not isinstance(value, dict):
        raise InvalidPayload("The body must be a JSON object.")
    return value


class StrictJSONProvider(DefaultJSONProvider):
    """Flask's JSON, reading with `read_object` and writing Chinese as Chinese."""

    ensure_ascii = False
    sort_keys = False

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        """One JSON object. Raises InvalidPayload."""
        return read_object(s)


def parse(schema: type[Model], request: Request) -> Model:
    """The request's JSON body as a checked payload. Raises InvalidPayload naming each field."""
    if not request.is_json:
        raise InvalidPayload("Send JSON with Content-Type: application/json.")
    try:
        return schema.model_validate(read_object(request.get_data()))
    except ValidationError as error:
        raise invalid_fields(error) from error


def invalid_fields(error: ValidationError) -> InvalidPayload:
    """A schema's complaints in our shape: a field and a sentence for each."""
    fields = [
        {
            "field": ".".join(str(part) for part in problem["loc"]),
            "problem": _WORDS.get(problem["type"], problem["msg"]),
        }
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    ][:_SHOWN_PROBLEMS]
    told = "; ".join(f"{item['field'] or 'body'}: {item['problem']}" for item in fields)
    return InvalidPayload(f"Some fields are not acceptable. {told}.", fields=fields)


def _depth(text: str) -> int:
    deepest = depth = 0
    in_text = escaped = False
    for letter in text:
        if in_text:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                in_text = False
        elif letter == '"':
            in_text = True
        elif letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
    return deepest


def _unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in fields if names.count(name) > 1)
        problem = "A field is given twice in the JSON."
        raise InvalidPayload(problem, fields=[{"field": twice, "problem": problem}])
    return fields


def _no_constant(name: str) -> Any:
    raise InvalidPayload(f"{name} is not JSON.")


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise InvalidPayload("A number in the JSON is too long.")
    return int(digits)


def _bounded_float(digits: str) -> float:
    if len(digits) > MAX_NUMBER_LENGTH + 10:
        raise InvalidPayload("A number in the JSON is too long.")
    return float(digits)
