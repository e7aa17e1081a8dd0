"""The numbers we send to WeChat Pay: random, unique under the provider, ours at sight.

A number carries the Beijing day it was minted, so a person can find it in a bill, and 100 random
bits, so that nobody meets another's. Letters and digits only: WeChat Pay also takes `|` and `*`,
which URLs do not carry well.
"""

from __future__ import annotations

import re
from datetime import datetime

from config.clock import BEIJING
from config.identifiers import random_letters

# What WeChat Pay takes as a number of a refund, whoever makes it.
OUT_REFUND_NO = r"^[A-Za-z0-9_\-|*@]{1,64}$"

_RANDOM_LETTERS = 20
_PLAIN = re.compile(r"[!-~]+")


def new_out_trade_no(moment: datetime) -> str:
    """A number for one order: `T`, the Beijing day, 20 random letters; 29 characters."""
    return f"T{moment.astimezone(BEIJING):%Y%m%d}{random_letters(_RANDOM_LETTERS)}"


def new_out_refund_no(moment: datetime) -> str:
    """A number for one refund: `R`, the Beijing day, 20 random letters; 29 characters."""
    return f"R{moment.astimezone(BEIJING):%Y%m%d}{random_letters(_RANDOM_LETTERS)}"


def is_plain(number: str) -> bool:
    """Whether a number that WeChat Pay named is visible ASCII without blanks.

    Checked before such a number is looked up: MySQL takes `R1` with a blank behind it for `R1`.
    """
    return _PLAIN.fullmatch(number) is not None
