"""What the lines of a bill add up to, and the summary that says what they should.

Every file ends with the number of its lines and the sums of its amount columns. They are the proof
that nothing was lost between WeChat Pay and our books, so a file that disagrees with its own
summary by one fen is not used at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType

from payments.bills.faults import BillFault, Fault
from payments.money import FEE_PLACES, FEN_PLACES, InexactMoney, format_decimal, parse_decimal

SUMMARY_MARK = "总交易单数"

_FIGURES: Mapping[str, str] = MappingProxyType(
    {
        SUMMARY_MARK: "row_count",
        "应结订单总金额": "settled_fen",
        "总交易额": "settled_fen",
        "退款总金额": "refund_fen",
        "总退款金额": "refund_fen",
        "充值券退款总金额": "voucher_refund_fen",
        "总企业红包退款金额": "voucher_refund_fen",
        "总代金券或立减优惠退款金额": "voucher_refund_fen",
        "手续费总金额": "fee_units",
        "订单总金额": "order_fen",
        "申请退款总金额": "requested_refund_fen",
    }
)
_PLACES = MappingProxyType({"row_count": 0, "fee_units": FEE_PLACES})


@dataclass(slots=True)
class Totals:
    """Sums over lines: amounts in fen, the fee in hundred-thousandths of a yuan, signed."""

    row_count: int = 0
    settled_fen: int = 0
    refund_fen: int = 0
    voucher_refund_fen: int = 0
    fee_units: int = 0
    order_fen: int = 0
    requested_refund_fen: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(*(getattr(self, n) + getattr(other, n) for n in FIGURES))

    def count(self, amounts: tuple[int, int, int, int, int, int]) -> None:
        """Add one line; its amounts come in the order of the columns of `layout.AMOUNTS`."""
        settled, refund, voucher_refund, fee, order, requested_refund = amounts
        self.row_count += 1
        self.settled_fen += settled
        self.refund_fen += refund
        self.voucher_refund_fen += voucher_refund
        self.fee_units += fee
        self.order_fen += order
        self.requested_refund_fen += requested_refund

    def as_dict(self) -> dict[str, int]:
        """The figures by the names of the columns that keep them."""
        return {name: getattr(self, name) for name in FIGURES}

    @property
    def net_fen(self) -> int:
        """Payments less refunds, as they were asked for: what our books know them by."""
        return self.order_fen - self.requested_refund_fen


FIGURES = tuple(field.name for field in fields(Totals))


@dataclass(frozen=True, slots=True)
class Summary:
    """The last two lines of a file: its titles, and the figures it states under them."""

    header: str
    stated: Mapping[str, int]


def read_summary(header: str, values: str) -> Summary:
    """Read the summary's titles and figures; figures such as `45.0` are whole numbers."""
    titles, texts = header.split(","), values.removeprefix("`").split(",`")
    if len(titles) != len(texts):
        raise BillFault(Fault.BAD_SUMMARY, "The summary has more titles than figures, or fewer.")
    stated = {}
    for title, text in zip(titles, texts, strict=True):
        name = _FIGURES.get(title.strip())
        if name is None:
            continue
        try:
            stated[name] = parse_decimal(text.strip(), _PLACES.get(name, FEN_PLACES))
        except InexactMoney as error:
            raise BillFault(
                Fault.BAD_SUMMARY, f"The summary's {name} is no exact figure."
            ) from error
    if "row_count" not in stated:
        raise BillFault(Fault.BAD_SUMMARY, "The summary does not say how many lines there are.")
    return Summary(header, MappingProxyType(stated))


def check_totals(summary: Summary, totals: Totals) -> None:
    """Raise BillFault with both figures when the lines are not what the summary says."""
    for name, stated in summary.stated.items():
        counted = getattr(totals, name)
        if counted != stated:
            raise BillFault(
                Fault.TOTALS_DISAGREE, f"{name}: the summary says {stated}, the lines {counted}."
            )


def summary_line(header: str, totals: Totals) -> str:
    """The figures of a part of the bill, under the titles of the whole."""
    texts = []
    for title in header.split(","):
        name = _FIGURES.get(title.strip())
        texts.append("" if name is None else _text(name, getattr(totals, name)))
    return ",".join(f"`{text}" for text in texts)


def _text(name: str, figure: int) -> str:
    places = _PLACES.get(name, FEN_PLACES)
    return str(figure) if places == 0 else format_decimal(figure, places)
