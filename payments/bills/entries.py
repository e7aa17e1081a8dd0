"""An entry: what reconciling needs of one bill line, as one line of text.

    kind ⇥ number ⇥ wechat_no ⇥ amount_fen ⇥ rest

The first four are compared, and together are the entry's core; the rest is shown beside a
difference. Our own books are written in the same words, so that comparing a million rows is
comparing texts, and the lines are at the same time what PostgreSQL's COPY reads: a bill is parsed
once, when it is divided, and never again. No field holds a tab, a backslash or a control character;
the shape is checked before an entry exists.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

REST = "\x1f"  # stands between the fields of the rest; no identifier holds it

_NUMBER = r"[!-\[\]-~]{1,64}"  # printable ASCII without the backslash
_PERHAPS = r"[!-\[\]-~]{0,64}"
_TIME = r"[0-9]{4}-[01][0-9]-[0-3][0-9] (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
SHAPE = re.compile(
    rf"[PRV]\t{_NUMBER}\t{_NUMBER}\t[0-9]{{1,15}}\t"
    rf"{_TIME}{REST}{_PERHAPS}{REST}{_PERHAPS}{REST}{_PERHAPS}{REST}{_PERHAPS}"
)


class EntryKind(enum.StrEnum):
    """What a line of a bill records; the letter that entries begin with."""

    PAYMENT = "P"  # number: out_trade_no, wechat_no: transaction_id
    REFUND = "R"  # number: out_refund_no, wechat_no: refund_id
    REVERSAL = "V"  # number: out_trade_no, wechat_no: transaction_id; payment-code orders only


ROW_KINDS = {
    "SUCCESS": EntryKind.PAYMENT,
    "REFUND": EntryKind.REFUND,
    "REVOKED": EntryKind.REVERSAL,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One side of a difference, taken apart. `rest` is empty for an entry of our own books."""

    kind: EntryKind
    number: str
    wechat_no: str
    amount_fen: int
    rest: tuple[str, ...] = ()

    @property
    def traded_at(self) -> str:
        """交易时间, Beijing time, as the bill prints it."""
        return self.rest[0]

    @property
    def out_trade_no(self) -> str:
        """Our number of the order that it belongs to."""
        return self.rest[2] if self.kind is EntryKind.REFUND and self.rest else self.number

    @property
    def transaction_id(self) -> str:
        """WeChat Pay's number of that order."""
        return self.rest[3] if self.kind is EntryKind.REFUND and self.rest else self.wechat_no


def core(letter: str, number: str, wechat_no: str | None, amount_fen: int) -> str:
    """The compared part of an entry of our books; `letter` is the value of its kind."""
    return f"{letter}\t{number}\t{wechat_no or ''}\t{amount_fen}"


def read_entry(line: str) -> Entry:
    """Take a whole entry, or a core, apart."""
    kind, number, wechat_no, amount, *rest = line.split("\t")
    details = tuple(rest[0].split(REST)) if rest else ()
    return Entry(EntryKind(kind), number, wechat_no, int(amount), details)
