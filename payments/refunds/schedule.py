"""When to look at a refund again. Pure: time and chance are handed in.

The next wait is a share of how long the refund has been waiting already, but not shorter than its
kind's shortest and not longer than an hour. So it is looked at often at first and less often later,
and nothing has to count the looks.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from payments.refunds.models import Refund, RefundState, Waiting

APART = timedelta(seconds=61)  # WeChat Pay wants a minute between refunds of one order
CALL_TAKES = timedelta(seconds=30)  # by then a call has ended, or its process has
# A request signed longer ago than this is turned away unread, so it can no longer be accepted.
MAY_STILL_ARRIVE = timedelta(minutes=6)
FUNDS_PATIENCE = timedelta(days=7)  # as long as WeChat Pay itself waits for funds

_LONGEST = timedelta(hours=1)
_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class _Rhythm:
    shortest: timedelta
    share: float  # of the time that has passed


_RHYTHMS: Mapping[RefundState | Waiting | None, _Rhythm] = MappingProxyType(
    {
        None: _Rhythm(timedelta(seconds=5), 1.0),
        Waiting.ANSWER: _Rhythm(timedelta(seconds=5), 1.0),
        Waiting.PACE: _Rhythm(timedelta(seconds=10), 1.0),
        Waiting.MINUTE: _Rhythm(APART, 0.0),
        Waiting.FUNDS: _Rhythm(timedelta(minutes=1), 0.25),
        # Change comes back within five minutes, a card within days.
        RefundState.PROCESSING: _Rhythm(timedelta(minutes=1), 0.2),
        RefundState.ABNORMAL: _Rhythm(timedelta(minutes=5), 1.0),
        # Closed after a refusal, and not yet looked for once more.
        RefundState.CLOSED: _Rhythm(timedelta(minutes=5), 1.0),
    }
)


def next_check(refund: Refund, moment: datetime) -> datetime:
    """When to ask about a refund that stands like this."""
    if refund.state is RefundState.REQUESTED:
        return next_wait(refund.waiting, refund.created_at, moment)
    return next_wait(refund.state, refund.asked_at or refund.created_at, moment)


def next_wait(kind: RefundState | Waiting | None, since: datetime, moment: datetime) -> datetime:
    """When to look again at what has been waiting like this since then."""
    rhythm = _RHYTHMS[kind]
    wait = min(max(rhythm.shortest, (moment - since) * rhythm.share), _LONGEST)
    spread = random.uniform(1, 1 + _JITTER)  # noqa: S311 - spreads load, guards nothing
    return moment + wait * spread
