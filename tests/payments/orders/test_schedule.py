"""When the sweep asks next."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from payments.orders.schedule import CLOSE_GRACE, next_check

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FAR = NOON + timedelta(days=7)


def test_the_first_question_comes_about_five_seconds_after_placing():
    due = next_check(checks=0, now=NOON, expires_at=FAR)

    assert timedelta(seconds=4.5) <= due - NOON <= timedelta(seconds=5.5)


def test_the_waits_grow_to_an_hour_and_stay_there():
    seconds = [
        (next_check(checks=checks, now=NOON, expires_at=FAR) - NOON).total_seconds()
        for checks in range(12)
    ]

    assert seconds[:7] == sorted(seconds[:7])
    assert all(3_240 <= wait <= 3_960 for wait in seconds[7:])


@given(checks=st.integers(0, 50), left=st.integers(0, 7 * 86_400))
def test_an_order_is_looked_at_when_its_time_is_up_and_not_long_after(checks, left):
    expires_at = NOON + timedelta(seconds=left)

    due = next_check(checks=checks, now=NOON, expires_at=expires_at)

    assert NOON < due <= expires_at + CLOSE_GRACE


@given(checks=st.integers(0, 50), late=st.integers(31, 86_400))
def test_an_order_past_its_time_is_still_asked_about(checks, late):
    due = next_check(checks=checks, now=NOON, expires_at=NOON - timedelta(seconds=late))

    assert due > NOON
