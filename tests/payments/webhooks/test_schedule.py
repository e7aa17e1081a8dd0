"""When a failed delivery is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from payments.webhooks.schedule import MOST_TRIES, next_try

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
PAUSES = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]


@pytest.mark.parametrize(("tries", "seconds"), list(enumerate(PAUSES, start=1)))
def test_each_pause_is_as_told_give_or_take_a_fifth(tries: int, seconds: int) -> None:
    pauses = {_pause(tries) for _ in range(200)}

    assert min(pauses) >= seconds * 0.8
    assert max(pauses) <= seconds * 1.2
    assert max(pauses) - min(pauses) > seconds * 0.1


def test_after_the_last_try_there_is_none() -> None:
    assert next_try(tries=MOST_TRIES, now=NOON) is None
    assert len(PAUSES) + 1 == MOST_TRIES


def test_a_longer_wish_of_the_receiver_is_honoured_and_a_shorter_one_is_not() -> None:
    longer = next_try(tries=1, now=NOON, retry_after=timedelta(minutes=2))
    shorter = next_try(tries=2, now=NOON, retry_after=timedelta(seconds=1))

    assert longer == NOON + timedelta(minutes=2)
    assert shorter is not None
    assert shorter > NOON + timedelta(minutes=3)


def _pause(tries: int) -> float:
    due_at = next_try(tries=tries, now=NOON)
    assert due_at is not None
    return (due_at - NOON).total_seconds()
