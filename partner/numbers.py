"""Merchant numbers, appids and names: what they may be made of, before any database sees them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_NAME_LENGTH: Final = 128

_MCHID: Final = re.compile(r"[0-9]{8,32}")  # eight to ten digits today; the protocol allows 32
_APPID: Final = re.compile(r"wx[0-9A-Za-z]{1,30}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def mchid_fault(text: str) -> str | None:
    """What is wrong with a merchant number, or None."""
    return None if _MCHID.fullmatch(text) else "must be 8 to 32 digits"


def appid_fault(text: str) -> str | None:
    """What is wrong with an appid, or None."""
    if _APPID.fullmatch(text):
        return None
    return f"{printable(text)} must be wx followed by letters and digits, 32 characters at most"


def currency_fault(text: str) -> str | None:
    """What is wrong with a currency, or None."""
    return None if _CURRENCY.fullmatch(text) else "must be three capital letters such as CNY"


def name_fault(text: str) -> str | None:
    """What is wrong with a name that people read, or None."""
    if not text.strip():
        return "must not be empty"
    if len(text) > MAX_NAME_LENGTH:
        return f"must be at most {MAX_NAME_LENGTH} characters long"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in text):
        return "must not hold control characters or text that cannot be stored"
    return None


def printable(text: str, longest: int = 64) -> str:
    """A stranger's text as it may stand in one line of an error."""
    shown = text if len(text) <= longest else text[:longest] + "…"
    return ascii(shown)[1:-1]
