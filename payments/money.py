"""Money: an `int` of fen everywhere; yuan as text exists at two edges, bill files in and pages out.

What cannot be said in whole fen is refused, never rounded. No float is taken or given.
"""

from __future__ import annotations

import re
from typing import NewType

Fen = NewType("Fen", int)

FEN_PLACES = 2
FEE_PLACES = 5  # WeChat Pay prints fees with five decimals
MAX_YUAN_DIGITS = 12  # far above any real amount, far below what a 64-bit column holds

_DECIMAL = re.compile(rf"-?[0-9]{{1,{MAX_YUAN_DIGITS}}}(\.[0-9]{{1,8}})?")


class InexactMoney(ValueError):
    """A text that is no amount, or one that whole units cannot hold."""


def parse_yuan(text: str) -> Fen:
    """Yuan as text into fen, exactly: `12.3` is 1230, `0.005` is refused. Raises InexactMoney."""
    return Fen(parse_decimal(text, FEN_PLACES))


def parse_decimal(text: str, places: int) -> int:
    """Decimal text as an integer of the unit `places` digits behind the point, exactly.

    Exponents, signs other than one leading minus, blanks, separators and digits of other scripts
    are refused like an amount that does not come out whole.
    """
    if not _DECIMAL.fullmatch(text):
        raise InexactMoney("The text is not a plain decimal number.")
    whole, _, part = text.removeprefix("-").partition(".")
    kept, beyond = part[:places], part[places:]
    if beyond.strip("0"):
        raise InexactMoney(f"The number has more than {places} decimals.")
    scaled = int(whole + kept.ljust(places, "0"))
    return -scaled if text.startswith("-") else scaled


def format_yuan(amount: int) -> str:
    """Fen as yuan with two decimals: 1230 is `12.30`."""
    return format_decimal(amount, FEN_PLACES)


def format_decimal(amount: int, places: int) -> str:
    """An integer of a small unit as decimal text, without passing through anything inexact."""
    sign = "-" if amount < 0 else ""
    whole, part = divmod(abs(amount), 10**places)
    return f"{sign}{whole}.{part:0{places}}"
