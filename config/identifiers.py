"""Public ids: a prefix that names the kind, then letters nobody misreads.

An id starts with its moment of birth, so that a table's primary key grows at one end, and goes on
with 80 random bits, so that nobody guesses a neighbour's.
"""

from __future__ import annotations

import base64
import secrets
import time

# Crockford's alphabet: no i, l, o, u. It sorts as the numbers do.
_CROCKFORD = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789abcdefghjkmnpqrstvwxyz"
)
_TIME_LETTERS = 10
_RANDOM_LETTERS = 16


def new_id(prefix: str) -> str:
    """A fresh id such as `ord_01jd…`; 26 letters after the prefix."""
    milliseconds = time.time_ns() // 1_000_000
    moment = _letters((milliseconds << 30).to_bytes(10, "big"))[:_TIME_LETTERS]
    return f"{prefix}_{moment}{random_letters(_RANDOM_LETTERS)}"


def random_letters(count: int) -> str:
    """`count` letters of five random bits each."""
    return _letters(secrets.token_bytes(-(-count * 5 // 8)))[:count]


def _letters(raw: bytes) -> str:
    return base64.b32encode(raw).translate(_CROCKFORD).decode("ascii")
