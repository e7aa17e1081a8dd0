"""When a refund is looked at next."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.refunds.models import RefundState, Waiting
from payments.refunds.schedule import next_wait

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KINDS = [None, *Waiting, RefundState.PROCESSING, RefundState.ABNORMAL]
LATE = 1.1  # the jitter only ever adds


def wait(kind, passed):
    return (next_wait(kind, NOON, NOON + passed) - NOON - passed).total_seconds()


def test_an_unknown_outcome_is_asked_about_within_seconds():
    assert 5 <= wait(Waiting.ANSWER, timedelta()) <= 5 * LATE


@pytest.mark.parametrize("minutes", [0, 1, 3, 5])
def test_a_refund_at_work_is_asked_about_each_minute_at_first(minutes):
    assert 60 <= wait(RefundState.PROCESSING, timedelta(minutes=minutes)) <= 60 * LATE


def test_later_the_waits_grow_to_an_hour_and_stay_there():
    waits = [wait(RefundState.PROCESSING, timedelta(minutes=m)) for m in (10, 60, 300, 9_000)]

    assert waits[0] < waits[1] < waits[2]
    assert all(3_600 <= one <= 3_600 * LATE for one in waits[2:])


@given(kind=st.sampled_from(KINDS), passed=st.timedeltas(timedelta(), timedelta(days=400)))
def test_whatever_waits_is_looked_at_again_within_little_more_than_an_hour(kind, passed):
    assert 5 <= wait(kind, passed) <= 3_600 * LATE
