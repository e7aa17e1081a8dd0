"""Public ids: a prefix that names the kind, then letters nobody misreads.

An id starts with its moment of birth, so that a table's primary key grows at one end, and goes on
with 80 random bits, so that nobody guesses a neighbour's.
"""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u
_TIME_LETTERS = 10
_RANDOM_LETTERS = 16


def new_id(prefix: str) -> str:
    """A fresh id such as `ord_01jd…`; 26 letters after the prefix."""
    milliseconds = time.time_ns() // 1_000_000
    return f"{prefix}_{_letters(milliseconds, _TIME_LETTERS)}{random_letters(_RANDOM_LETTERS)}"


def random_letters(count: int) -> str:
    """`count` letters of five random bits each."""
    return _letters(secrets.randbits(5 * count), count)


def _letters(number: int, count: int) -> str:
    return "".join(_ALPHABET[(number >> (5 * place)) & 31] for place in reversed(range(count)))
