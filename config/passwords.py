"""Passwords: what may be one, how it is kept, and whether a given one is right.

Kept as argon2id with 19 MiB and two passes. Nothing is ever cut short: a password over the limit is
refused when chosen and never right when given. An account that does not exist costs the same time
as one that does, because a hash of nothing is checked in its place.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from config.errors import RefusedHere
from config.vault import Secret

MIN_LENGTH = 12
MAX_LENGTH = 128
MIN_DISTINCT_LETTERS = 5
_MIN_NAME_LENGTH = 4

_HASHER = PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)

# The words leaked lists are made of. A password that is one of them with digits and signs around
# it, or several in a row, is guessed first.
_COMMON_WORDS = frozenset(
    (Path(__file__).with_name("common_password_words.txt")).read_text(encoding="ascii").split()
)
_SEQUENCES = ("0123456789" * 3, "9876543210" * 3, "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfgh")
_LOOKALIKES = str.maketrans("013457@$!", "oieastasi")


class PasswordRefused(RefusedHere):
    """The password is not one this platform lets anybody choose."""

    code = "password_refused"


def check_new_password(password: Secret, *, email: str = "") -> None:
    """Raise PasswordRefused with a sentence that says what to change."""
    text = _normalised(password)
    if len(text) < MIN_LENGTH:
        raise PasswordRefused(f"Choose a password of {MIN_LENGTH} characters or more.")
    if len(text) > MAX_LENGTH:
        raise PasswordRefused(f"Choose a password of {MAX_LENGTH} characters or fewer.")
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        raise PasswordRefused("The password holds a control character. Type it on one line.")
    if _is_easily_guessed(text, email):
        raise PasswordRefused("This password is among the first to be guessed. Choose another.")


def hash_password(password: Secret) -> str:
    """The text to store. Slow on purpose: never call it inside a transaction."""
    return _HASHER.hash(_normalised(password))


def password_matches(stored: str | None, password: Secret) -> bool:
    """Whether the password is the stored one; None stands for no account and takes as long."""
    text = _normalised(password)
    given = text if len(text) <= MAX_LENGTH else ""
    try:
        _HASHER.verify(stored or _nobodys_hash(), given)
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None and len(text) <= MAX_LENGTH


def needs_new_hash(stored: str) -> bool:
    """Whether the stored hash was made with older, cheaper parameters."""
    return _HASHER.check_needs_rehash(stored)


@cache
def _nobodys_hash() -> str:
    return _HASHER.hash(secrets.token_urlsafe(32))


def _normalised(password: Secret) -> str:
    # One keyboard composes é from two code points, another sends one: both are the same password.
    return unicodedata.normalize("NFKC", password.reveal())


def _is_easily_guessed(text: str, email: str) -> bool:
    folded = text.casefold()
    if len(set(folded)) < MIN_DISTINCT_LETTERS:
        return True
    if any(folded in sequence for sequence in _SEQUENCES):
        return True
    name = email.casefold().partition("@")[0]
    if len(name) >= _MIN_NAME_LENGTH and _only_letters(folded) == _only_letters(name):
        return True
    plain = re.sub(r"[^a-z]+", " ", folded)
    core = re.sub(r"^[^a-z]+|[^a-z]+$", "", folded)  # the year and the sign at the end
    disguised = re.sub(r"[^a-z]+", " ", core.translate(_LOOKALIKES))
    return _is_common_words(plain) or _is_common_words(disguised)


def _only_letters(text: str) -> str:
    return re.sub(r"[\W\d_]+", "", text)


def _is_common_words(text: str) -> bool:
    """Whether nothing is left of the text once common words are taken out."""
    return all(_splits_into_common_words(word) for word in text.split()) and bool(text.split())


def _splits_into_common_words(word: str) -> bool:
    reachable = [True] + [False] * len(word)
    for end in range(1, len(word) + 1):
        reachable[end] = any(
            reachable[start] and word[start:end] in _COMMON_WORDS for start in range(end)
        )
    return reachable[-1]
