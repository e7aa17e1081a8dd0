"""The inbox: stands in for a merchant's own server, which is no part of WeChat Pay.

It takes whatever a platform sends there and says thank you; nothing is checked, the newest letters
are kept in memory. So a webhook has somewhere to go before anybody has written a receiver.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

KEPT_LETTERS: Final = 50


@dataclass(frozen=True)
class Letter:
    """One thing that was sent here. `at` is machine time."""

    at: float
    headers: dict[str, str]
    body: str


class Inbox:
    """What came, the oldest first."""

    def __init__(self, wire_time: Callable[[], float]) -> None:
        self._wire_time = wire_time
        self._letters: deque[Letter] = deque(maxlen=KEPT_LETTERS)

    def take(self, headers: dict[str, str], body: str) -> None:
        self._letters.append(Letter(self._wire_time(), headers, body))

    def letters(self) -> list[Letter]:
        return list(self._letters)
