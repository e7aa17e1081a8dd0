"""Business time: held at a moment, and going again when everybody has let go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from config.clock import frozen_at, now

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)


def test_the_last_to_hold_it_counts() -> None:
    with frozen_at(NOON):
        with frozen_at(NOON + timedelta(hours=1)):
            inner = now()
        outer = now()

    assert (inner, outer) == (NOON + timedelta(hours=1), NOON)


def test_it_goes_again_whoever_lets_go_first() -> None:
    before = now()
    one, other = frozen_at(NOON), frozen_at(NOON + timedelta(hours=1))
    one.__enter__()
    other.__enter__()

    one.__exit__(None, None, None)
    held = now()
    other.__exit__(None, None, None)

    assert held == NOON + timedelta(hours=1)
    assert before <= now() < before + timedelta(minutes=1)
