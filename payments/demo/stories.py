"""Many stories that go on at once, each step at its moment, with both clocks there.

A story is an iterator that yields when it wants to go on: first the moment it begins, then the
moment of every further step. Here and at WeChat Pay it is that moment while the step happens, so
that times here, over there and in the bills agree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from heapq import heapify, heappop, heappush

from config import clock
from payments.demo.levers import Levers

Story = Iterator[datetime]


def unfold(stories: Iterable[Story], levers: Levers, until: datetime) -> Iterator[None]:
    """Let everything happen in the order of the clock, up to a moment; what lies behind it has not
    happened. Yields once for every story that goes no further.
    """
    waiting = [(next(story), number, story) for number, story in enumerate(stories)]
    heapify(waiting)
    while waiting:
        moment, number, story = heappop(waiting)
        following = _step(story, moment, levers) if moment <= until else None
        if following is None:
            yield
        else:
            heappush(waiting, (following, number, story))


def _step(story: Story, moment: datetime, levers: Levers) -> datetime | None:
    levers.set_clock(moment)
    with clock.frozen_at(moment):
        return next(story, None)
