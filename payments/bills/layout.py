"""The columns of a trade bill, found by name.

Column sets differ by bill type and by the age of a merchant's account, and may grow; WeChat Pay's
document "交易账单字段说明" lists them. A column is therefore known by its Chinese title, early
titles included, and never by its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from payments.bills.faults import BillFault, Fault

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "交易时间": "traded_at",
        "商户号": "mchid",
        "特约商户号": "sub_mchid",
        "子商户号": "sub_mchid",
        "微信订单号": "transaction_id",
        "商户订单号": "out_trade_no",
        "交易类型": "trade_type",
        "交易状态": "row_kind",
        "货币种类": "currency",
        "应结订单金额": "settled",
        "总金额": "settled",
        "微信退款单号": "refund_id",
        "商户退款单号": "out_refund_no",
        "退款金额": "refund",
        "充值券退款金额": "voucher_refund",
        "企业红包退款金额": "voucher_refund",
        "代金券或立减优惠退款金额": "voucher_refund",
        "退款状态": "refund_status",
        "手续费": "fee",
        "订单金额": "order",
        "申请退款金额": "requested_refund",
    }
)
# What is asked of every line, in this order. A bill of payments has no columns about refunds.
TEXTS = (
    "traded_at",
    "mchid",
    "sub_mchid",
    "transaction_id",
    "out_trade_no",
    "trade_type",
    "row_kind",
    "currency",
    "refund_id",
    "out_refund_no",
    "refund_status",
)
AMOUNTS = ("settled", "refund", "voucher_refund", "fee", "order", "requested_refund")

# Early layouts have one amount where later ones tell what was asked from what was settled.
_INSTEAD = MappingProxyType({"order": "settled", "requested_refund": "refund"})
_MAY_BE_ABSENT = frozenset({"refund_id", "out_refund_no", "refund_status"})
_AMOUNTS_MAY_BE_ABSENT = frozenset({"refund", "voucher_refund", "requested_refund"})
_FREE_TEXT = ("商品名称", "商户数据包")

ABSENT = ("", "0.00")  # appended to the fields of a line, so that an absent column has a value


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each column stands in the lines of one file."""

    header: str  # the column titles as they came
    width: int
    places: tuple[int, ...]  # of TEXTS, then AMOUNTS, in a line's fields with ABSENT appended
    free_text: tuple[int, int] | None  # where 商品名称 and 商户数据包 begin and end, side by side


def read_layout(header: str) -> Layout:
    """Find the columns in a header line. Raises BillFault naming the columns that are missing."""
    titles = header.split(",")
    found: dict[str, int] = {}
    for place, title in enumerate(titles):
        name = COLUMNS.get(title.strip())
        if name in found:
            raise BillFault(Fault.UNKNOWN_LAYOUT, f"Two columns of the bill mean {name}.")
        if name:
            found[name] = place
    places = tuple(_place(name, found, len(titles)) for name in (*TEXTS, *AMOUNTS))
    return Layout(header=header, width=len(titles), places=places, free_text=_free_text(titles))


def _place(name: str, found: Mapping[str, int], width: int) -> int:
    if name in found:
        return found[name]
    if _INSTEAD.get(name) in found:
        return found[_INSTEAD[name]]
    if name in _MAY_BE_ABSENT:
        return width
    if name in _AMOUNTS_MAY_BE_ABSENT:
        return width + 1
    raise BillFault(Fault.UNKNOWN_LAYOUT, f"The bill has no column that means {name}.")


def _free_text(titles: list[str]) -> tuple[int, int] | None:
    """The columns a merchant writes; None where WeChat Pay's own stand between them."""
    places = [place for place, title in enumerate(titles) if title.strip() in _FREE_TEXT]
    if not places or places[-1] - places[0] >= len(places):
        return None
    return places[0], places[-1] + 1
