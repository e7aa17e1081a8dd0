"""The API's description in the language of whoever reads its page.

Programs read the English one, which is the source. Its texts stand in docstrings, fields and
tables, where nothing marks them for translation: they have a catalogue of their own, `api`, and a
test holds it against the description itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import Domain

from payments.api.describe import REFUSALS

LookUp = Callable[[str], str]

READERS_LABELS = (
    *("Authorize", "Authorized", "Logout", "Close", "Available authorizations", "Value:"),
    *("Parameters", "No parameters", "Name", "Description", "Type", "Example"),
    *("Request body", "Media type", "Example Value", "Edit Value", "Examples", "Schema", "Schemas"),
    *("Responses", "Code", "Headers:", "Expand all", "Collapse all"),
    *("Try it out", "Cancel", "Execute", "Clear", "Reset"),
    *("Server response", "Details", "Request URL", "Response body", "Response headers"),
    *("Download", "Request duration"),
)  # what the embedded reader itself says, in English alone

_FOR_PEOPLE = frozenset({"summary", "description"})
_DATA = frozenset({"default", "enum", "example", "examples"})
_REFUSALS = {refusal.told(): refusal for refusal in REFUSALS.values()}
_CATALOGUE = Domain(domain="api")


def in_readers_language(text: str) -> str:
    """One text of the description."""
    return str(_CATALOGUE.gettext(text))


def readers_labels() -> dict[str, str]:
    """The embedded reader's own words, each with what it is in the language of the page."""
    return {label: in_readers_language(label) for label in READERS_LABELS}


def worded(part: Any, look_up: LookUp = in_readers_language) -> Any:
    """The description, or a part of it, with every text for people as `look_up` has it."""
    if isinstance(part, list):
        return [worded(each, look_up) for each in part]
    if not isinstance(part, dict):
        return part
    return {name: _member(name, each, look_up) for name, each in part.items()}


def _member(name: str, value: Any, look_up: LookUp) -> Any:
    if name in _DATA:
        return value
    if name in _FOR_PEOPLE and isinstance(value, str):
        return _text(value, look_up)
    if name == "tags" and isinstance(value, list):
        return [_tag(each, look_up) for each in value]
    return worded(value, look_up)


def _tag(tag: str | dict[str, Any], look_up: LookUp) -> str | dict[str, Any]:
    """What an operation calls its group, or the group itself: the reader shows both as a name."""
    if isinstance(tag, str):
        return look_up(tag)
    return {**worded(tag, look_up), "name": look_up(tag["name"])}


def _text(text: str, look_up: LookUp) -> str:
    refusal = _REFUSALS.get(text)
    if refusal is not None:
        return refusal.told(look_up)
    # Looked up by paragraph in one line, so that where a docstring breaks its lines is no matter.
    lines = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return "\n\n".join(look_up(line) if line else "" for line in lines)
