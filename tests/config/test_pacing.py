"""Once in a while, for each key."""

import time
import tracemalloc
from datetime import timedelta

from config.pacing import MOST_REMEMBERED, OnceEvery


def test_a_key_is_due_once_in_its_interval_and_others_are_not_held_up():
    minute = OnceEvery(timedelta(minutes=1))

    asked = [minute.is_due("a"), minute.is_due("a"), minute.is_due("b")]

    assert asked == [True, False, True]


def test_a_key_is_due_again_when_the_interval_is_over():
    moment = OnceEvery(timedelta(milliseconds=20))
    first = moment.is_due("a")

    time.sleep(0.03)

    assert (first, moment.is_due("a")) == (True, True)


def test_keys_whose_interval_is_over_are_forgotten():
    tracemalloc.start()
    moment = OnceEvery(timedelta(0))
    before, _ = tracemalloc.get_traced_memory()

    for number in range(10 * MOST_REMEMBERED):
        moment.is_due(f"ord_{number}")

    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 500 * MOST_REMEMBERED
