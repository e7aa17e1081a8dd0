"""The courier: carries events to tenants' endpoints, from the commit to the recorded receipt.

One thread sends, hundreds of requests at once; two speak to the database, and neither waits for the
other: one divides new events and claims due deliveries, in rounds, the other records what came of
tries. Each rests as long as its last round took, so that a busy database gets larger rounds instead
of more of them. Any number of couriers works on one database. One that is killed loses nothing: its
leases end, and another delivers. A receiver may therefore get an event twice, always under the same
id.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from flask import Flask
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from config.clock import now
from config.database import db
from config.logs import get_logger
from payments.webhooks.claims import claim_due, give_back, put_off
from payments.webhooks.divide import divide_events
from payments.webhooks.lanes import Lane, Lanes
from payments.webhooks.letters import Letter, Outcome, try_once
from payments.webhooks.outbound import Outbound
from payments.webhooks.record import count_of, record_each
from submerchants.tenancy import across_tenants

IDLE_SECONDS = 0.2  # between two looks when there was nothing to do for a while
AWAKE_SECONDS = 1.0  # after a new event: the next one is not made to wait
BUSY_SECONDS = 0.02  # between two rounds otherwise, at least,
LONGEST_BUSY_SECONDS = 0.1  # and at most
TROUBLE_SECONDS = 2.0  # after the database failed
TIDY_EVERY_ROUNDS = 50
LOOK_BACK = timedelta(minutes=2)
WHOLE_LOOK_SECONDS = 15.0
DUE_LOOK_SECONDS = 0.2  # how late a delivery that waited may be while new events keep coming
GRACE_SECONDS = 5.0  # for requests under way when the courier is told to stop

Result = TypeVar("Result")

log = get_logger(__name__)


@dataclass(slots=True)
class _Tray:
    """What the sending thread has for the next round."""

    outcomes: list[Outcome] = field(default_factory=list)
    returned: list[Letter] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.returned)


@dataclass(slots=True)
class Look:
    """How far back looks into a queue of the database's go: a little, and now and then all the way.

    What has left a queue still lies in PostgreSQL's index until it is vacuumed, and each look walks
    past it; the further back, the longer. What waits is nearly always of the last minutes.
    """

    _whole_at: float = 0.0  # monotonic
    _is_whole: bool = True
    _looked_at: float = 0.0

    @property
    def is_recent(self) -> bool:
        """Whether the last look was a moment ago."""
        return time.monotonic() < self._looked_at + DUE_LOOK_SECONDS

    def since(self, moment: datetime) -> datetime | None:
        """From when on to look now; None for all that waits."""
        self._is_whole = time.monotonic() >= self._whole_at
        return None if self._is_whole else moment - LOOK_BACK

    def note(self, *, is_more: bool) -> None:
        """After that look: one that went all the way is repeated at once while more waits."""
        self._looked_at = 0.0 if is_more else time.monotonic()
        if self._is_whole and not is_more:
            self._whole_at = time.monotonic() + WHOLE_LOOK_SECONDS


@dataclass(frozen=True, slots=True)
class _Round:
    """What a round found in the database."""

    letters: Sequence[Letter]
    is_more: bool
    has_new: bool  # whether new events were among it


_NOTHING_YET = _Round((), is_more=False, has_new=False)


class Courier:
    """Delivers until it is told to stop; `outbound` is its way to the receivers."""

    def __init__(self, app: Flask, outbound: Outbound | None = None) -> None:
        self._app = app
        networks = app.config["SETTINGS"].webhook_allowed_networks
        self._outbound = outbound or Outbound(networks)
        self._lanes = Lanes()
        self._tray = _Tray()
        self._at_due, self._at_events = Look(), Look()
        self._tasks: set[asyncio.Task[None]] = set()
        self._counted = {"delivered": 0, "failed": 0}

    def run(self, stopped: threading.Event) -> None:
        """Deliver until `stopped` is set; then end what is under way and give back the rest."""
        asyncio.run(self._run(stopped.is_set))

    def deliver_due(self) -> dict[str, int]:
        """Deliver what is due now and what that leads to at once, then end."""
        asyncio.run(self._run(self._is_idle))
        return self._counted

    async def _run(self, is_over: Callable[[], bool]) -> None:
        self._happened = asyncio.Event()
        self._idle = self._is_ending = False
        self._found = _NOTHING_YET
        self._recording: asyncio.Task[None] | None = None
        self._record_rest = BUSY_SECONDS
        self._awake_until = 0.0  # monotonic
        with ThreadPoolExecutor(2, thread_name_prefix="courier-desk") as desk:
            self._desk = desk
            try:
                await self._go_round(is_over)
                await self._end()
            finally:
                self._lanes.close()

    async def _go_round(self, is_over: Callable[[], bool]) -> None:
        number = 0
        while not is_over():
            pause = await self._one_round()
            number += 1
            if number % TIDY_EVERY_ROUNDS == 0:
                self._lanes.tidy(now())
            if not is_over():
                await self._rest(pause)

    async def _one_round(self) -> float:
        """Find what is to be sent; answers how long to wait before the next time."""
        started = time.monotonic()
        found = await self._find()
        if found is None:
            return TROUBLE_SECONDS
        self._found = found
        self._lanes.take(list(found.letters))
        self._start()
        if found.has_new:
            self._awake_until = time.monotonic() + AWAKE_SECONDS
        busy = found.is_more or found.has_new
        self._idle = not (busy or self._tasks or self._tray or self._recording)
        is_awake = busy or time.monotonic() < self._awake_until
        return _rest_after(started) if is_awake else IDLE_SECONDS

    def _record_soon(self) -> None:
        """See to it that results are put down, if there are any and nobody is at it."""
        if self._tray and self._recording is None and not self._is_ending:
            self._recording = asyncio.create_task(self._record())

    async def _record(self) -> None:
        """Wait for more results and put them down. What could not be written yet is kept."""
        await asyncio.sleep(self._record_rest)
        started, tray = time.monotonic(), self._tray
        self._tray = _Tray()
        try:
            await self._at_desk(lambda: self._put_down(tray))
            self._record_rest = _rest_after(started)
        except (OperationalError, PoolTimeout) as trouble:
            log.error("the courier cannot use the database", exc_info=trouble)
            self._tray.outcomes[:0], self._tray.returned[:0] = tray.outcomes, tray.returned
            self._record_rest = TROUBLE_SECONDS
        except SQLAlchemyError as fault:
            # What cannot be written now never can be: the leases bring those deliveries back.
            log.error("results of webhooks are lost", count=len(tray.outcomes), exc_info=fault)
        finally:
            self._recording = None
        self._record_soon()

    async def _find(self) -> _Round | None:
        """Divide and claim as much as there is room for; None when the database will not."""
        moment = now()
        rooms, resting = self._lanes.rooms(moment), self._lanes.resting(moment)
        is_hurried = self._found.has_new and self._at_due.is_recent

        def work() -> _Round:
            letters, is_more = [], is_hurried  # what was not looked for may be there
            if not is_hurried:
                # What has waited for longer comes first.
                moved = put_off(resting)
                claimed = claim_due(rooms, self._at_due.since(moment))
                self._at_due.note(is_more=claimed.is_more)
                letters, is_more = [*claimed.letters], bool(moved or claimed.is_more)
            divided = divide_events(rooms, self._at_events.since(moment))
            self._at_events.note(is_more=divided.is_more)
            return _Round([*letters, *divided.letters], is_more, has_new=divided.events > 0)

        try:
            return await self._at_desk(work)
        except SQLAlchemyError as trouble:
            log.error("the courier cannot look for webhooks", exc_info=trouble)
            return None

    def _put_down(self, tray: _Tray) -> None:
        """Record what came of tries, once: what is written is taken off the tray."""
        record_each(tray.outcomes)
        for name, count in count_of(tray.outcomes).items():
            self._counted[name] += count
        tray.outcomes.clear()
        give_back(tray.returned, now())
        tray.returned.clear()

    async def _at_desk(self, work: Callable[[], Result]) -> Result:
        def in_context() -> Result:
            with self._app.app_context(), across_tenants("the courier carries everybody's events"):
                try:
                    return work()
                finally:
                    db.session.remove()

        return await asyncio.get_running_loop().run_in_executor(self._desk, in_context)

    def _start(self) -> None:
        for lane, letter in self._lanes.start(now()):
            task = asyncio.create_task(self._send(lane, letter))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, lane: Lane, letter: Letter) -> None:
        outcome = await try_once(self._outbound, letter, lane.kept)
        self._tray.outcomes.append(outcome)
        self._tray.returned.extend(self._lanes.finish(lane, outcome, now()))
        self._happened.set()
        self._record_soon()
        self._start()

    async def _rest(self, seconds: float) -> None:
        """Wait; a try that ends cuts a wait for nothing short."""
        await asyncio.sleep(BUSY_SECONDS if seconds == IDLE_SECONDS else seconds)
        if seconds == IDLE_SECONDS:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._happened.wait(), IDLE_SECONDS - BUSY_SECONDS)
        self._happened.clear()

    async def _end(self) -> None:
        """Let go of what waits, give what is under way a moment, record what came of it."""
        waiting, self._is_ending = self._lanes.empty(), True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=GRACE_SECONDS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._recording is not None:
            await self._recording
        self._tray.returned.extend([*waiting, *self._lanes.unfinished()])
        try:
            await self._at_desk(lambda: self._put_down(self._tray))
        except SQLAlchemyError as trouble:
            log.error("the courier could not put down its last results", exc_info=trouble)

    def _is_idle(self) -> bool:
        return self._idle


def _rest_after(started: float) -> float:
    return min(max(BUSY_SECONDS, time.monotonic() - started), LONGEST_BUSY_SECONDS)
