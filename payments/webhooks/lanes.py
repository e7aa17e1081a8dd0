"""Who is sent to next: a lane for each endpoint, so that no receiver stands in another's way.

Kept in memory by one courier and touched by its one thread; nothing here waits or reads the
database. A lane begins narrow, widens while its receiver answers well and quickly, and is one
request wide while it fails. After several failures in a row it rests, longer each time. Failing
lanes together may use only a part of the slots, and a tenant only its share, so that whoever
answers always finds room. Order within a lane is kept as far as that goes.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from payments.webhooks.letters import Letter, Outcome
from payments.webhooks.outbound import DEADLINE_SECONDS, Kept

SLOTS = 400  # requests under way at once; each is a socket
FAILING_SLOTS = 160  # of these, for lanes whose last try failed
TENANT_SLOTS = 32
LANE_WIDTH = 16
WAITING_FOR_EACH = 16  # letters a lane may hold for each request it may have under way,
WAITING_SECONDS = 2.0  # or more: what a quick receiver takes in this time,
MOST_WAITING = 500  # but not more than this
SLOW_SECONDS = 1.0  # while a receiver takes longer than this, its lane gets nothing new
FAILURES_BEFORE_REST = 3
FIRST_REST = timedelta(seconds=5)
LONGEST_REST = timedelta(minutes=5)
REMEMBERED_FOR = 2 * LONGEST_REST  # how long a lane that failed is known to have failed
TIME_FOR_A_TRY = timedelta(seconds=DEADLINE_SECONDS + 2)


@dataclass
class Rooms:
    """How many more letters each endpoint's lane takes; one that is not named has a new lane."""

    left: dict[str, int] = field(default_factory=dict)
    is_closed: bool = False

    @property
    def full(self) -> list[str]:
        """The endpoints whose lanes take nothing more."""
        return [endpoint_id for endpoint_id, room in self.left.items() if room <= 0]

    def take(self, endpoint_id: str) -> bool:
        """Whether there was room for one more; it is taken then."""
        room = 0 if self.is_closed else self.left.get(endpoint_id, WAITING_FOR_EACH)
        self.left[endpoint_id] = max(0, room - 1)
        return room > 0

    def close(self) -> None:
        """Nothing more is taken."""
        self.is_closed = True


@dataclass(slots=True, eq=False)
class Lane:
    """One endpoint's letters, and how its receiver has been doing."""

    endpoint_id: str
    sub_merchant_id: str
    waiting: deque[Letter] = field(default_factory=deque)
    under_way: dict[str, Letter] = field(default_factory=dict)  # by delivery, the oldest first
    width: int = 1
    failures: int = 0  # in a row
    rests_until: datetime | None = None
    noted_at: datetime | None = None  # when its last try ended
    usual_seconds: float = SLOW_SECONDS  # that its receiver takes, the last tries counting most
    kept: Kept = field(default_factory=Kept)

    @property
    def room(self) -> int:
        """How many more letters it takes."""
        quickly = int(self.width * WAITING_SECONDS / max(self.usual_seconds, 0.001))
        most = max(self.width * WAITING_FOR_EACH, min(quickly, MOST_WAITING))
        return most - len(self.waiting) - len(self.under_way)

    @property
    def is_slow(self) -> bool:
        """Whether something it was given a while ago is still under way."""
        oldest = next(iter(self.under_way.values()), None)
        return oldest is not None and time.monotonic() - oldest.started_at > SLOW_SECONDS

    def rests(self, moment: datetime) -> bool:
        """Whether nothing is sent there yet, after failures."""
        return self.rests_until is not None and moment < self.rests_until

    def has_something_to_tell(self, moment: datetime) -> bool:
        """Whether anything would be lost with it. The database knows of failures longer ago."""
        if self.waiting or self.under_way or self.kept.idle:
            return True
        noted_at = self.noted_at or moment
        return self.failures > 0 and moment < noted_at + REMEMBERED_FOR

    def note(self, outcome: Outcome, moment: datetime) -> None:
        """Learn from a try that has ended."""
        self.noted_at = moment
        if outcome.is_receipt:
            self.failures, self.rests_until = 0, None
            self.width = min(self.width * 2, LANE_WIDTH)
            self.usual_seconds += (outcome.took_ms / 1000 - self.usual_seconds) / 4
            return
        self.failures, self.width, self.usual_seconds = self.failures + 1, 1, SLOW_SECONDS
        rest = outcome.retry_after or timedelta()
        if self.failures >= FAILURES_BEFORE_REST:
            rest = max(rest, FIRST_REST * 2 ** min(self.failures - FAILURES_BEFORE_REST, 10))
        if rest:
            self.rests_until = moment + min(rest, LONGEST_REST)


class Lanes:
    """Every lane of one courier."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._ready: deque[Lane] = deque()  # have letters waiting; asked in turn
        self._under_way: Counter[str] = Counter()  # by tenant
        self._all = 0  # requests under way
        self._failing = 0  # of these, in lanes that fail

    def rooms(self, moment: datetime) -> Rooms:
        """How many letters each known lane takes just now; 0 is a full one, or one that rests."""
        return Rooms(
            {
                lane.endpoint_id: 0 if lane.rests(moment) else max(0, lane.room)
                for lane in self._lanes.values()
            }
        )

    def resting(self, moment: datetime) -> dict[str, datetime]:
        """Until when which lanes rest."""
        return {
            lane.endpoint_id: lane.rests_until
            for lane in self._lanes.values()
            if lane.rests_until is not None and lane.rests(moment)
        }

    def take(self, letters: list[Letter]) -> None:
        """Queue claimed letters in their lanes."""
        for letter in letters:
            lane = self._lanes.get(letter.endpoint_id)
            if lane is None:
                lane = Lane(letter.endpoint_id, letter.sub_merchant_id)
                lane.failures = 1 if letter.is_failing else 0  # as another courier left it
                self._lanes[letter.endpoint_id] = lane
            if not lane.waiting:
                self._ready.append(lane)
            lane.waiting.append(letter)

    def start(self, moment: datetime) -> Iterator[tuple[Lane, Letter]]:
        """The letters to be sent now, one lane after the other; each is under way from here on.

        One whose lease would end while it is under way is dropped: it is claimed again then.
        """
        stuck = 0
        while stuck < len(self._ready) and self._all < SLOTS:
            lane = self._ready.popleft()
            if not self._may_start(lane):
                self._ready.append(lane)
                stuck += 1
                continue
            letter = lane.waiting.popleft()
            if lane.waiting:
                self._ready.append(lane)
            stuck = 0
            if letter.claimed_until < moment + TIME_FOR_A_TRY:
                continue
            letter.started_at = time.monotonic()
            lane.under_way[letter.delivery_id] = letter
            self._under_way[lane.sub_merchant_id] += 1
            self._all += 1
            self._failing += lane.failures > 0
            letter.counts_as_failing = lane.failures > 0
            yield lane, letter

    def finish(self, lane: Lane, outcome: Outcome, moment: datetime) -> list[Letter]:
        """A try has ended; answers the letters to give back, when the lane begins to rest."""
        del lane.under_way[outcome.letter.delivery_id]
        self._under_way[lane.sub_merchant_id] -= 1
        self._all -= 1
        self._failing -= outcome.letter.counts_as_failing
        lane.note(outcome, moment)
        return self._emptied(lane) if lane.rests(moment) else []

    def empty(self) -> list[Letter]:
        """Every letter that waits, to be given back at the end."""
        return [letter for lane in self._lanes.values() for letter in self._emptied(lane)]

    def unfinished(self) -> list[Letter]:
        """Every letter under way."""
        return [letter for lane in self._lanes.values() for letter in lane.under_way.values()]

    def tidy(self, moment: datetime) -> None:
        """Close connections nobody used for a while, and forget lanes that have nothing to tell."""
        self._under_way += Counter()  # drops tenants at zero
        for lane in list(self._lanes.values()):
            lane.kept.close_stale()
            if not lane.has_something_to_tell(moment):
                del self._lanes[lane.endpoint_id]

    def close(self) -> None:
        for lane in self._lanes.values():
            lane.kept.close()

    def _emptied(self, lane: Lane) -> list[Letter]:
        letters = list(lane.waiting)
        if letters:
            lane.waiting.clear()
            self._ready.remove(lane)
        return letters

    def _may_start(self, lane: Lane) -> bool:
        return (
            len(lane.under_way) < lane.width
            and not lane.is_slow
            and self._under_way[lane.sub_merchant_id] < TENANT_SLOTS
            and not (lane.failures and self._failing >= FAILING_SLOTS)
        )
