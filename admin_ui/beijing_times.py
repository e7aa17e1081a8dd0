"""Moments as forms ask for them: a Beijing clock's day and minute, without a zone."""

from __future__ import annotations

from datetime import UTC, datetime

from config.clock import BEIJING
from config.errors import RefusedHere

_EARLIEST, _LATEST = 2000, 2200  # further out, a moment has no neighbours in every calendar


class NotAMoment(RefusedHere):
    """What was typed is no day and time."""

    code = "not_a_moment"

    def __init__(self) -> None:
        super().__init__("Give a day and a time.")


def typed_moment(text: str) -> datetime | None:
    """The moment of a `datetime-local` field; None when it was left empty. Raises NotAMoment."""
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise NotAMoment from error
    if moment.tzinfo is not None or not _EARLIEST <= moment.year <= _LATEST:
        raise NotAMoment
    return moment.replace(tzinfo=BEIJING).astimezone(UTC)


def for_field(moment: datetime) -> str:
    """The same the other way round: what such a field is filled with."""
    return moment.astimezone(BEIJING).strftime("%Y-%m-%dT%H:%M")
