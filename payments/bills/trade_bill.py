"""Reading a trade bill: bytes in, checked lines out. Pure: no database, no network, no clock.

The file is a header, lines whose values each begin with a backtick, a summary header and one
summary line (WeChat Pay document "交易账单字段说明"). Values are neither quoted nor escaped, so a
line is split on comma and backtick together. Free text may even break the line: a backtick begins
a record, and whatever does not begin with one continues the record before it. A file of any size is
read in pieces; what is held is one piece and one record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter

from payments.bills.entries import REST, ROW_KINDS, SHAPE
from payments.bills.faults import BillFault, Fault, StrayReason
from payments.bills.layout import ABSENT, Layout, read_layout
from payments.bills.totals import SUMMARY_MARK, Summary, read_summary
from payments.money import FEE_PLACES, FEN_PLACES, InexactMoney, parse_decimal

MAX_LINE_BYTES = 65_536  # of one record, with the line breaks inside it
MAX_REMEMBERED_AMOUNTS = 65_536
BOM = b"\xef\xbb\xbf"
CRLF = b"\r\n"

# Bytes that are no UTF-8 can only stand in free text, and pass through to the tenant unchanged.
ENCODING, ERRORS = "utf-8", "surrogateescape"

_MARK = SUMMARY_MARK.encode()

Amounts = tuple[int, int, int, int, int, int]  # in the order of layout.AMOUNTS
Row = tuple[str, str, StrayReason | None, Amounts]  # sub_mchid, entry, why it is stray, amounts

_UNREADABLE: Row = ("", "", StrayReason.UNREADABLE, (0, 0, 0, 0, 0, 0))


class BillFile:
    """The frame of one file: header, batches of lines, summary.

    `layout` and `newline` are there at once, `summary` when `batches` has come to its end. Raises
    BillFault for a file whose frame is not whole.
    """

    layout: Layout
    summary: Summary

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        head = b""
        while b"\n" not in head:
            head = self._longer(head)
        line, _, self._rest = head.removeprefix(BOM).partition(b"\n")
        self.newline = CRLF if line.endswith(b"\r") else b"\n"
        self.layout = read_layout(line.removesuffix(b"\r").decode(ENCODING, ERRORS))

    def batches(self) -> Iterator[list[str]]:
        """The records between header and summary, as many at a time as a piece holds.

        Each comes without the backtick it begins with, and is one line: where free text broke it,
        that is told as WeChat Pay's fund bill tells it, by the letters `\\r\\n` or `\\n`.
        """
        rest, newline = self._rest, self.newline
        while not rest.startswith(_MARK):
            end = rest.find(newline + _MARK)
            if end < 0:
                end = rest.rfind(newline + b"`")
            if end < 0:
                rest = self._longer(rest)
                continue
            yield self._records(rest[:end])
            rest = rest[end + len(newline) :]
        self.summary = self._summary(rest)

    def _records(self, block: bytes) -> list[str]:
        records = block.decode(ENCODING, ERRORS).split(self.newline.decode() + "`")
        records[0] = records[0].removeprefix("`")
        if block.count(b"\n") >= len(records):
            if max(map(len, records)) > MAX_LINE_BYTES:
                raise _too_long()
            records = [one.replace("\r\n", r"\r\n").replace("\n", r"\n") for one in records]
        return records

    def _longer(self, rest: bytes) -> bytes:
        """`rest`, which holds no end of a line or record, and the next piece."""
        if len(rest) > MAX_LINE_BYTES:
            raise _too_long()
        piece = next(self._pieces, None)
        if piece is None:
            raise BillFault(Fault.TRUNCATED, "The bill ends before its summary.")
        return rest + piece

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


def _too_long() -> BillFault:
    return BillFault(Fault.LINE_TOO_LONG, f"A line passes {MAX_LINE_BYTES} bytes.")


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

    def or_nothing(self, text: str) -> int:
        """The amount, or nothing where the text is none."""
        try:
            return self[text]
        except InexactMoney:
            return 0


def line_reader(layout: Layout, *, mchid: str, day: str, currency: str) -> Callable[[str], Row]:
    """A function that reads one line of this layout, whatever the line is.

    One that is nobody's here comes back with the reason, because its amounts are part of the totals
    all the same; what cannot be read counts as nothing. `day` is a Beijing date as `yyyy-MM-dd`.
    """
    width, pick = layout.width, itemgetter(*layout.places)
    fen = _Remembered(FEN_PLACES, signed=False)
    fee_units = _Remembered(FEE_PLACES, signed=True)
    kinds, shape = ROW_KINDS, SHAPE.fullmatch

    def read(record: str) -> Row:
        fields = record.split(",`")
        if len(fields) != width and not _anchor(fields, layout):
            return _UNREADABLE
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
        except InexactMoney:
            texts = settled, refund, voucher_refund, fee, order, requested
            return sub_mchid, "", StrayReason.UNREADABLE, _exact_ones(fen, fee_units, texts)
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


def _exact_ones(
    fen: _Remembered, fee_units: _Remembered, texts: tuple[str, str, str, str, str, str]
) -> Amounts:
    """What a line adds up to that has an amount which is none: that one counts as nothing."""
    settled, refund, voucher_refund, fee, order, requested = texts
    return (
        fen.or_nothing(settled),
        fen.or_nothing(refund),
        fen.or_nothing(voucher_refund),
        fee_units.or_nothing(fee),
        fen.or_nothing(order),
        fen.or_nothing(requested),
    )


def _anchor(fields: list[str], layout: Layout) -> bool:
    """Put the fields of a line whose free text holds the separator itself in their places.

    商品名称 and 商户数据包 are whatever a merchant wrote, and stand side by side. Every other
    column is WeChat Pay's own, so those before are counted from the left and those after from the
    right; what stands between them is dropped, because nobody asks for it. False where that does
    not help.
    """
    surplus = len(fields) - layout.width
    if surplus < 0 or layout.free_text is None:
        return False
    first, end = layout.free_text
    fields[first : end + surplus] = [""] * (end - first)
    return True
