"""Public ids: a prefix that names the kind, then letters nobody misreads.

An id starts with its moment of birth, so that a table's primary key grows at one end, and goes on
with 80 random bits, so that nobody guesses a neighbour's.
"""

from __future__ import annotations

import secrets
import time

# Crockford's alphabet: no i, l, o, u. It sorts as the numbers do.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = [one + other for one in _ALPHABET for other in _ALPHABET]  # ten bits each
_RANDOM_BITS = 80
_LETTERS = 26  # ten that tell the millisecond, sixteen by chance


def new_id(prefix: str) -> str:
    """A fresh id such as `ord_01jd…`; 26 letters after the prefix."""
    milliseconds = time.time_ns() // 1_000_000
    number = milliseconds << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    return f"{prefix}_{_letters(number, _LETTERS)}"


def random_letters(count: int) -> str:
    """`count` letters of five random bits each."""
    even = count + count % 2
    return _letters(secrets.randbits(5 * even), even)[:count]


def _letters(number: int, count: int) -> str:
    """The number in an even count of letters, five bits each."""
    shifts = range(5 * count - 10, -1, -10)
    return "".join([_PAIRS[number >> shift & 1023] for shift in shifts])
