"""The trade bill's file format, byte for byte (bills: "Trade-bill file format").

BOM, a header without backticks, rows in which every value follows one, a summary, CRLF after every
line. Rows come in one at a time and go out one at a time: memory does not grow with the bill.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

BOM: Final = b"\xef\xbb\xbf"

_FIRST = (
    *("交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号"),
    *("用户标识", "交易类型", "交易状态", "付款银行", "货币种类", "应结订单金额", "代金券金额"),
)
_REFUND = ("微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态")
_GOODS = ("商品名称", "商户数据包", "手续费", "费率", "订单金额")

COLUMNS: Final = {
    "ALL": (*_FIRST, *_REFUND, *_GOODS, "申请退款金额", "费率备注"),
    "SUCCESS": (*_FIRST, *_GOODS, "费率备注"),
    "REFUND": (
        *_FIRST,
        *("退款申请时间", "退款成功时间"),
        *_REFUND,
        *_GOODS,
        *("申请退款金额", "费率备注"),
    ),
}
# Summary column → the row column it adds up.
_SUMMARY: Final = {
    "应结订单总金额": "应结订单金额",
    "退款总金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "手续费总金额": "手续费",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}
SUMMARY_COLUMNS: Final = {
    "ALL": tuple(_SUMMARY),
    "SUCCESS": ("应结订单总金额", "手续费总金额", "订单总金额"),
    "REFUND": tuple(_SUMMARY),
}
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def yuan(fen: int) -> str:
    """Fen as yuan with two decimals; only fees are ever negative."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100}.{abs(fen) % 100:02}"


def fee_yuan(fen: int) -> str:
    """A fee: rounded to the fen, printed with five decimals."""
    return f"{yuan(fen)}000"


def percent(rate_ppm: int) -> str:
    return f"{rate_ppm // 10000}.{rate_ppm % 10000 // 100:02}%"


def fee_fen(base_fen: int, rate_ppm: int) -> int:
    """The fee on a settled amount, half a fen rounded up."""
    return (base_fen * rate_ppm + 500_000) // 1_000_000


def clean(text: str) -> str:
    """Control characters have no place in a row: line ends become two visible letters, others a
    blank."""
    text = text.replace("\r", "\\r").replace("\n", "\\n")
    return _CONTROL.sub(" ", text)


@dataclass(frozen=True, slots=True)
class BillRow:
    """One row: its texts by column name, its money in fen by column name."""

    texts: dict[str, str]
    money: dict[str, int]

    def values(self, columns: tuple[str, ...]) -> list[str]:
        return [self._value(name) for name in columns]

    def _value(self, name: str) -> str:
        if name == "手续费":
            return fee_yuan(self.money.get(name, 0))
        if name in _MONEY:
            return yuan(self.money.get(name, 0))
        return self.texts.get(name, "")


_MONEY: Final = frozenset({*_SUMMARY.values(), "代金券金额"})


def lines(rows: Iterable[BillRow], bill_type: str) -> Iterator[bytes]:
    """The file's lines, each with its CRLF; the BOM leads the first."""
    columns = COLUMNS[bill_type]
    yield BOM + _plain(columns)
    count, sums = 0, dict.fromkeys(SUMMARY_COLUMNS[bill_type], 0)
    for row in rows:
        count += 1
        for name in sums:
            sums[name] += row.money.get(_SUMMARY[name], 0)
        yield _ticked(row.values(columns))
    yield _plain(("总交易单数", *sums))
    totals = [fee_yuan(fen) if name == "手续费总金额" else yuan(fen) for name, fen in sums.items()]
    yield _ticked([str(count), *totals])


def _plain(names: Iterable[str]) -> bytes:
    return (",".join(names) + "\r\n").encode()


def _ticked(values: Iterable[str]) -> bytes:
    return ("`" + ",`".join(values) + "\r\n").encode()
