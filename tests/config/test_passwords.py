"""What may be a password, and how one is compared."""

from __future__ import annotations

import time
from statistics import median

import pytest
from argon2 import PasswordHasher, extract_parameters

from config.passwords import (
    MAX_LENGTH,
    PasswordRefused,
    check_new_password,
    hash_password,
    needs_new_hash,
    password_matches,
)
from config.vault import Secret

GOOD = Secret("seven green kettles")


def test_passwords_are_kept_as_argon2id_with_enough_memory_and_passes() -> None:
    stored = hash_password(GOOD)

    parameters = extract_parameters(stored)

    assert stored.startswith("$argon2id$")
    assert parameters.memory_cost >= 19 * 1024
    assert parameters.time_cost >= 2


def test_only_the_password_itself_matches() -> None:
    stored = hash_password(GOOD)

    assert password_matches(stored, GOOD)
    assert not password_matches(stored, Secret("seven green kettle"))
    assert not password_matches(stored, Secret("Seven green kettles"))


def test_nothing_is_cut_short() -> None:
    long = "k7" * (MAX_LENGTH // 2)
    stored = hash_password(Secret(long))

    assert password_matches(stored, Secret(long))
    assert not password_matches(stored, Secret(long[:-1]))
    assert not password_matches(stored, Secret(long + "x"))


def test_the_same_letters_typed_on_two_keyboards_are_the_same_password() -> None:
    composed, decomposed = "caf\u00e9 sur la plage", "cafe\u0301 sur la plage"

    stored = hash_password(Secret(composed))

    assert password_matches(stored, Secret(decomposed))


@pytest.mark.parametrize(
    "text",
    [
        "short-11-ch",
        "x" + "long-and-longer" * 9,
        "aaaaaaaaaaaa",
        "abababababab",
        "123456789012",
        "abcdefghijkl",
        "password1234",
        "P@ssw0rd2026!",
        "AdminAdmin123",
        "wechat-2026-weixin",
        "qwertyuiop123",
        "anna.kovacs-1987",
        "line\nbreak in it",
    ],
)
def test_what_is_guessed_first_is_refused(text: str) -> None:
    with pytest.raises(PasswordRefused):
        check_new_password(Secret(text), email="anna.kovacs@example.test")


@pytest.mark.parametrize(
    "text", ["seven green kettles", "七只绿色的水壶在山上唱歌", "x9$kPq2!vLm7"]
)
def test_what_is_hard_to_guess_is_taken(text: str) -> None:
    check_new_password(Secret(text), email="anna@example.test")

    assert password_matches(hash_password(Secret(text)), Secret(text))


def test_an_account_that_does_not_exist_takes_as_long() -> None:
    stored = hash_password(GOOD)
    password_matches(None, GOOD)  # makes the hash of nobody, once per process

    known = median(_seconds(stored) for _ in range(7))
    unknown = median(_seconds(None) for _ in range(7))

    assert not password_matches(None, GOOD)
    assert 0.4 < unknown / known < 2.5


def test_a_cheaper_hash_is_made_anew() -> None:
    cheap = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash("x")

    assert needs_new_hash(cheap)
    assert not needs_new_hash(hash_password(GOOD))


def _seconds(stored: str | None) -> float:
    started = time.perf_counter()
    password_matches(stored, Secret("some other password"))
    return time.perf_counter() - started
