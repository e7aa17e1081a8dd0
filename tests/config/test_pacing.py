"""Once in a while, for each key."""

import time
from datetime import timedelta

from config.pacing import OnceEvery


def test_a_key_is_due_once_in_its_interval_and_others_are_not_held_up():
    minute = OnceEvery(timedelta(minutes=1))

    asked = [minute.is_due("a"), minute.is_due("a"), minute.is_due("b")]

    assert asked == [True, False, True]


def test_a_key_is_due_again_when_the_interval_is_over():
    moment = OnceEvery(timedelta(milliseconds=20))
    first = moment.is_due("a")

    time.sleep(0.03)

    assert (first, moment.is_due("a")) == (True, True)
