"""Reading a trade bill: bytes in, checked lines out. Pure: no database, no network, no clock.

The file is a header, lines whose values each begin with a backtick, a summary header and one
summary line (WeChat Pay document "交易账单字段说明"). Values are neither quoted nor escaped, so a
line is split on comma and backtick together. A file of any size is read in pieces; what is held is
one piece and one line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter

from payments.bills.entries import REST, ROW_KINDS, SHAPE
from payments.bills.faults import BillFault, Fault, StrayReason
from payments.bills.layout import ABSENT, Layout, read_layout
from payments.bills.totals import SUMMARY_MARK, Summary, read_summary
from payments.money import FEE_PLACES, FEN_PLACES, InexactMoney, parse_decimal

MAX_LINE_BYTES = 65_536
MAX_REMEMBERED_AMOUNTS = 65_536
BOM = b"\xef\xbb\xbf"
CRLF = b"\r\n"

# Bytes that are no UTF-8 can only stand in free text, and pass through to the tenant unchanged.
ENCODING, ERRORS = "utf-8", "surrogateescape"

_MARK = SUMMARY_MARK.encode()

Amounts = tuple[int, int, int, int, int, int]  # in the order of layout.AMOUNTS
Row = tuple[str, str, StrayReason | None, Amounts]  # sub_mchid, entry, why it is stray, amounts


class BillFile:
    """The frame of one file: header, batches of lines, summary.

    `layout` and `newline` are there at once, `summary` when `batches` has come to its end. Raises
    BillFault for a file whose frame is not whole.
    """

    layout: Layout
    summary: Summary

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        head = self._more(b"", b"\n")
        line, _, self._rest = head.removeprefix(BOM).partition(b"\n")
        self.newline = CRLF if line.endswith(b"\r") else b"\n"
        self.layout = read_layout(line.removesuffix(b"\r").decode(ENCODING, ERRORS))

    def batches(self) -> Iterator[list[str]]:
        """The lines between header and summary, as many at a time as a piece holds."""
        rest, newline = self._rest, self.newline
        while not rest.startswith(_MARK):
            end = rest.rfind(newline)
            if end < 0:
                rest = self._more(rest, newline)
                continue
            mark = rest.find(newline + _MARK)
            if mark >= 0:
                end = mark
            yield rest[:end].decode(ENCODING, ERRORS).split(newline.decode())
            rest = rest[end + len(newline) :]
        self.summary = self._summary(rest)

    def _more(self, rest: bytes, until: bytes) -> bytes:
        """`rest` and what follows, up to the next `until` at least."""
        while until not in rest:
            if len(rest) > MAX_LINE_BYTES:
                raise BillFault(Fault.LINE_TOO_LONG, f"A line passes {MAX_LINE_BYTES} bytes.")
            piece = next(self._pieces, None)
            if piece is None:
                raise BillFault(Fault.TRUNCATED, "The bill ends before its summary.")
            rest += piece
        return rest

    def _summary(self, rest: bytes) -> Summary:
        for piece in self._pieces:
            rest += piece
            if len(rest) > MAX_LINE_BYTES:
                raise BillFault(Fault.BAD_SUMMARY, "The summary is not the end of the bill.")
        lines = rest.decode(ENCODING, ERRORS).split(self.newline.decode())
        while lines and not lines[-1]:
            lines.pop()
        if len(lines) < 2:
            raise BillFault(Fault.TRUNCATED, "The bill ends within its summary.")
        if len(lines) > 2 or not lines[1].startswith("`"):
            raise BillFault(Fault.BAD_SUMMARY, "The summary is not one line at the end.")
        return read_summary(lines[0], lines[1])


class UnreadableLine(Exception):
    """The line's fields do not fit the header, or an amount in it is not exact."""


class _Remembered(dict[str, int]):
    """Amounts by their text: a day's prices repeat, and `0.00` stands on every line."""

    def __init__(self, places: int, *, signed: bool) -> None:
        super().__init__()
        self._places = places
        self._signed = signed

    def __missing__(self, text: str) -> int:
        amount = parse_decimal(text, self._places)
        if amount < 0 and not self._signed:
            raise InexactMoney("An amount of a line is negative.")
        if len(self) < MAX_REMEMBERED_AMOUNTS:
            self[text] = amount
        return amount


def line_reader(layout: Layout, *, mchid: str, day: str, currency: str) -> Callable[[str], Row]:
    """A function that reads one line of this layout; it raises UnreadableLine.

    A line that can be read but belongs to nobody here comes back with the reason, because its
    amounts are part of the file's totals all the same. `day` is a Beijing date as `yyyy-MM-dd`.
    """
    width, pick = layout.width, itemgetter(*layout.places)
    fen = _Remembered(FEN_PLACES, signed=False)
    fee_units = _Remembered(FEE_PLACES, signed=True)
    kinds, shape = ROW_KINDS, SHAPE.fullmatch

    def read(line: str) -> Row:
        fields = line[1:].split(",`")
        if len(fields) != width or line[0] != "`":
            fields = _anchored(layout, line)
        fields += ABSENT
        (
            time, row_mchid, sub_mchid, transaction_id, out_trade_no, trade_type, row_kind,
            row_currency, refund_id, out_refund_no, refund_status,
            settled, refund, voucher_refund, fee, order, requested,
        ) = pick(fields)  # fmt: skip
        try:
            amounts = (
                fen[settled],
                fen[refund],
                fen[voucher_refund],
                fee_units[fee],
                fen[order],
                fen[requested],
            )
        except InexactMoney as error:
            raise UnreadableLine("An amount is not exact.") from error
        kind = kinds.get(row_kind)
        if kind == "R":
            entry = (
                f"R\t{out_refund_no}\t{refund_id}\t{amounts[5]}\t{time}{REST}{trade_type}"
                f"{REST}{out_trade_no}{REST}{transaction_id}{REST}{refund_status}"
            )
        else:
            # What a reversal gave back stands where a refund's amount does.
            booked = amounts[4] or amounts[5]
            entry = (
                f"{kind}\t{out_trade_no}\t{transaction_id}\t{booked}\t{time}{REST}{trade_type}"
                f"{REST}{REST}{REST}"
            )
        reason = None
        if kind is None:
            reason = StrayReason.UNKNOWN_ROW_KIND
        elif row_mchid != mchid:
            reason = StrayReason.OTHER_PROVIDER
        elif not shape(entry):
            reason = StrayReason.UNUSABLE_NUMBER
        elif time[:10] != day:
            reason = StrayReason.OTHER_DAY
        elif row_currency != currency:
            reason = StrayReason.OTHER_CURRENCY
        return sub_mchid, entry, reason, amounts

    return read


def _anchored(layout: Layout, line: str) -> list[str]:
    """The fields of a line whose free text holds the separator itself.

    商品名称 and 商户数据包 are whatever a merchant wrote, and stand side by side. Every other
    column is WeChat Pay's own, so those before are counted from the left and those after from the
    right; only where one free text ends and the other begins stays unknown, and nobody asks.
    """
    fields = line[1:].split(",`")
    surplus = len(fields) - layout.width
    if not line.startswith("`") or surplus < 0 or layout.free_text is None:
        raise UnreadableLine(f"The line has {len(fields)} fields, the header {layout.width}.")
    first, second = layout.free_text
    return [
        *fields[:first],
        ",`".join(fields[first : second + surplus]),
        *fields[second + surplus :],
    ]
