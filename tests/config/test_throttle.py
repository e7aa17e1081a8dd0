"""Guessing has an end, whoever guesses and from wherever."""

from __future__ import annotations

from functools import partial

import pytest
from flask import Flask
from sqlalchemy import select

from config.clock import frozen_at, now
from config.database import db, transaction
from config.throttle import (
    TRIES_FROM_ONE_PLACE,
    TRIES_PER_ACCOUNT,
    TRIES_PER_PLACE,
    WINDOW,
    Budget,
    GuessCount,
    TooManyTries,
    count_guess,
    forget_old_guesses,
)
from tests.together import at_once

pytestmark = pytest.mark.usefixtures("app")


def test_one_place_may_try_one_account_a_few_times() -> None:
    for _ in range(TRIES_FROM_ONE_PLACE):
        count_guess("operator", "anna@example.test", "192.0.2.1")

    with pytest.raises(TooManyTries) as refused:
        count_guess("operator", "Anna@Example.test", "192.0.2.1")

    assert refused.value.status == 429
    assert 0 < (refused.value.retry_after_seconds or 0) <= WINDOW.total_seconds()
    count_guess("operator", "anna@example.test", "192.0.2.2")
    count_guess("staff", "anna@example.test", "192.0.2.1")


def test_guessing_one_account_from_many_places_ends() -> None:
    for place in range(TRIES_PER_ACCOUNT):
        count_guess("operator", "anna@example.test", f"192.0.2.{place}")

    with pytest.raises(TooManyTries):
        count_guess("operator", "anna@example.test", "198.51.100.1")


def test_guessing_many_accounts_from_one_place_ends() -> None:
    for number in range(TRIES_PER_PLACE):
        count_guess("operator", f"a{number}@example.test", "192.0.2.1")

    with pytest.raises(TooManyTries):
        count_guess("operator", "new@example.test", "192.0.2.1")


def test_a_new_window_begins_when_the_old_one_is_over() -> None:
    for _ in range(TRIES_FROM_ONE_PLACE):
        count_guess("operator", "anna@example.test", "192.0.2.1")

    with frozen_at(now() + WINDOW):
        count_guess("operator", "anna@example.test", "192.0.2.1")

        assert forget_old_guesses() == {"forgotten": 0}
    with frozen_at(now() + 3 * WINDOW):
        assert forget_old_guesses() == {"forgotten": 3}


@pytest.mark.mysql_only  # PostgreSQL would only wait, and SQLite has one writer
def test_whoever_counts_and_whoever_forgets_do_not_wait_for_each_other(app: Flask) -> None:
    budget = Budget("budget", tries=20, window=WINDOW)
    for owner in ("anna", "ben"):
        with transaction():
            budget.spend(owner)
    forget = partial(at_once, app, 1, forget_old_guesses)

    with frozen_at(now() + WINDOW), transaction():
        budget.give_back("anna")  # holds the row, as whoever spends does
        forgotten = forget()
        allowed = budget.spend("anna")

    assert forgotten == [{"forgotten": 1}]
    assert allowed == 0


def test_a_right_answer_takes_back_the_tries_from_its_place() -> None:
    guesses = [
        count_guess("operator", "anna@example.test", "192.0.2.1")
        for _ in range(TRIES_FROM_ONE_PLACE)
    ]

    with transaction():
        guesses[-1].was_right()

    count_guess("operator", "anna@example.test", "192.0.2.1")


def test_no_address_and_no_account_is_stored() -> None:
    count_guess("operator", "anna@example.test", "192.0.2.1")

    stored = " ".join(db.session.scalars(select(GuessCount.id)))

    assert "anna" not in stored
    assert "192" not in stored


def test_people_who_sign_in_at_the_same_moment_are_all_counted(app: Flask) -> None:
    for number in range(6):
        account = f"anna{number}@example.test"
        at_once(app, TRIES_FROM_ONE_PLACE, partial(count_guess, "staff", account, None))

        with pytest.raises(TooManyTries):
            count_guess("staff", account, None)
