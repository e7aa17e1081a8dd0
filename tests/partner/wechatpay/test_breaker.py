"""The circuit breaker by itself: counting, trying again, and sharing between threads."""

import threading

from partner.wechatpay.breaker import CircuitBreaker


class Hands:
    """A clock the test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_opens_only_after_failures_in_a_row() -> None:
    breaker = CircuitBreaker(opens_after=2, stays_open_s=10)

    breaker.failed()
    breaker.succeeded()
    breaker.failed()

    assert breaker.lets_through()
    breaker.failed()
    assert breaker.is_open
    assert not breaker.lets_through()


def test_one_call_at_a_time_tries_whether_the_other_side_is_back() -> None:
    clock = Hands()
    breaker = CircuitBreaker(opens_after=1, stays_open_s=10, monotonic=clock)
    breaker.failed()
    clock.now = 10.0

    let_through = [breaker.lets_through() for _ in range(3)]

    assert let_through == [True, False, False]


def test_a_failed_trial_keeps_it_open_for_another_while() -> None:
    clock = Hands()
    breaker = CircuitBreaker(opens_after=1, stays_open_s=10, monotonic=clock)
    breaker.failed()
    clock.now = 10.0
    assert breaker.lets_through()

    clock.now = 12.0
    breaker.failed()

    clock.now = 21.9
    assert not breaker.lets_through()
    clock.now = 22.0
    assert breaker.lets_through()


def test_a_trial_that_never_reports_back_does_not_jam_it() -> None:
    clock = Hands()
    breaker = CircuitBreaker(opens_after=1, stays_open_s=10, monotonic=clock)
    breaker.failed()
    clock.now = 10.0
    assert breaker.lets_through()

    clock.now = 20.0

    assert breaker.lets_through()


def test_no_failure_is_lost_between_threads() -> None:
    breaker = CircuitBreaker(opens_after=8 * 500, stays_open_s=10)

    def fail_often() -> None:
        for _ in range(500):
            breaker.failed()

    threads = [threading.Thread(target=fail_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert breaker.is_open
