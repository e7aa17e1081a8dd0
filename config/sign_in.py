"""What the two doors have in common: an e-mail address, a password, and the same answer to all.

Operators and staff are kept in different tables on different floors; how a password is asked for
and judged is written once, here. Who they are and what they may do is theirs.
"""

from __future__ import annotations

import re
from typing import Protocol

from config.database import release
from config.errors import RefusedHere, Unauthorized
from config.passwords import password_matches
from config.throttle import Guess, count_guess
from config.vault import Secret

MAX_EMAIL_LENGTH = 254
_EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)*")


class Account(Protocol):
    """Whatever keeps a password."""

    password_hash: str


class InvalidEmail(RefusedHere):
    """The text is not an e-mail address."""

    code = "invalid_email"


class SignInRefused(Unauthorized):
    """Unknown account, wrong password, wrong code, disabled: one answer for all of them."""

    code = "sign_in_refused"

    def __init__(self) -> None:
        super().__init__("That did not match. Check what you typed and try again.")


def normalise_email(text: str) -> str:
    """The address as it is stored and compared. Raises InvalidEmail."""
    email = text.strip().lower()
    if len(email) > MAX_EMAIL_LENGTH or not _EMAIL.fullmatch(email):
        raise InvalidEmail("Give an e-mail address such as name@example.com.")
    return email


def counted_guess(door: str, typed_email: str, origin: str) -> tuple[str, Guess]:
    """The address as it is compared, and the try counted against it. Raises TooManyTries."""
    email = typed_email.strip().lower()[:MAX_EMAIL_LENGTH]
    guess = count_guess(door, email, origin)
    # What is no address at all is nobody's, and not every database takes it as text.
    return email if _EMAIL.fullmatch(email) else "", guess


def require_password(account: Account | None, password: Secret) -> None:
    """Raise SignInRefused unless the account exists and this is its password.

    Takes as long either way, and holds no database connection while it does.
    """
    release()
    if not password_matches(account.password_hash if account else None, password):
        raise SignInRefused
