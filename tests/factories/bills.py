"""Trade bills as WeChat Pay writes them, from rows a test names only in part."""

from __future__ import annotations

import hashlib
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from partner.models import Partner
from partner.wechatpay.errors import BillDigestMismatch
from partner.wechatpay.resources.bills import BillTicket
from payments.bills.claims import ensure_download
from payments.bills.fetch import fetch_bill
from payments.bills.models import BillDownload
from payments.money import format_yuan

FIRST = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额"
)
LAST = "商品名称,商户数据包,手续费,费率,订单金额"
REFUNDED = "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态"
HEADERS = {
    "ALL": f"{FIRST},{REFUNDED},{LAST},申请退款金额,费率备注",
    "SUCCESS": f"{FIRST},{LAST},费率备注",
    "REFUND": f"{FIRST},退款申请时间,退款成功时间,{REFUNDED},{LAST},申请退款金额,费率备注",
}
_LEGACY = {"特约商户号": "子商户号", "应结订单金额": "总金额", "充值券退款金额": "企业红包退款金额"}
SUMMARY = {
    "ALL": "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,"
    "订单总金额,申请退款总金额",
    "SUCCESS": "总交易单数,应结订单总金额,手续费总金额,订单总金额",
    "LEGACY": "总交易单数,总交易额,总退款金额,总企业红包退款金额,手续费总金额",
}
_SUMS = {
    "应结订单总金额": "应结订单金额",
    "总交易额": "应结订单金额",
    "退款总金额": "退款金额",
    "总退款金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "总企业红包退款金额": "充值券退款金额",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}
_numbers = itertools.count(1)

Row = dict[str, str]


def legacy_header(bill_type: str) -> str:
    """The header of a merchant whose bills were never brought up to date: three columns fewer."""
    titles = HEADERS[bill_type].split(",")
    dropped = ("订单金额", "申请退款金额", "费率备注")
    return ",".join(_LEGACY.get(title, title) for title in titles if title not in dropped)


def payment_row(
    *, sp_mchid: str, sub_mchid: str, day: date, amount_fen: int = 100, **fields: str
) -> Row:
    """A payment of this day; every column a test does not name is valid and dull."""
    number = next(_numbers)
    return {
        "交易时间": f"{day} 12:{number // 60 % 60:02}:{number % 60:02}",
        "公众账号ID": "wx0000000000000a01",
        "商户号": sp_mchid,
        "特约商户号": sub_mchid,
        "设备号": "",
        "微信订单号": f"42{number:026}",
        "商户订单号": f"B{number:012}",
        "用户标识": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o",
        "交易类型": "JSAPI",
        "交易状态": "SUCCESS",
        "付款银行": "OTHERS",
        "货币种类": "CNY",
        "应结订单金额": format_yuan(amount_fen),
        "代金券金额": "0.00",
        "微信退款单号": "0",
        "商户退款单号": "0",
        "退款金额": "0.00",
        "充值券退款金额": "0.00",
        "退款类型": "",
        "退款状态": "",
        "退款申请时间": "",
        "退款成功时间": "",
        "商品名称": "示例商品,大杯",
        "商户数据包": "",
        "手续费": "0.60000",
        "费率": "0.60%",
        "订单金额": format_yuan(amount_fen),
        "申请退款金额": "0.00",
        "费率备注": "",
        **fields,
    }


def refund_row(*, amount_fen: int, **fields: Any) -> Row:
    """A refund of this day, in part or whole."""
    number = next(_numbers)
    yuan = format_yuan(amount_fen)
    return {
        **payment_row(amount_fen=0, **fields),
        "交易状态": "REFUND",
        "微信退款单号": f"503{number:025}",
        "商户退款单号": f"R{number:012}",
        "退款金额": yuan,
        "申请退款金额": yuan,
        "退款类型": "ORIGINAL",
        "退款状态": "PROCESSING",
        "手续费": "-0.24000",
    }


def bill_bytes(
    rows: Iterable[Row],
    *,
    header: str = HEADERS["ALL"],
    summary: str = SUMMARY["ALL"],
    newline: str = "\r\n",
    bom: bool = True,
) -> bytes:
    """A whole file: header, rows, and the summary that adds them up."""
    rows, titles = list(rows), header.split(",")
    modern = {old: new for new, old in _LEGACY.items()}
    lines = [header]
    lines += [",".join(f"`{row[modern.get(one, one)]}" for one in titles) for row in rows]
    lines += [summary, ",".join(f"`{_figure(title, rows)}" for title in summary.split(","))]
    text = "".join(f"{line}{newline}" for line in lines)
    return (b"\xef\xbb\xbf" if bom else b"") + text.encode("utf-8", "surrogateescape")


def _figure(title: str, rows: Sequence[Row]) -> str:
    if title == "总交易单数":
        return str(len(rows))
    if title == "手续费总金额":
        units = sum(_scaled(row["手续费"], 5) for row in rows)
        sign = "-" if units < 0 else ""
        return f"{sign}{abs(units) // 100_000}.{abs(units) % 100_000:05}"
    return format_yuan(sum(_scaled(row[_SUMS[title]], 2) for row in rows))


def _scaled(text: str, places: int) -> int:
    whole, _, part = text.removeprefix("-").partition(".")
    size: int = int(whole) * 10**places + int(part.ljust(places, "0")[:places] or 0)
    return -size if text.startswith("-") else size


class PreparedBills:
    """WeChat Pay's bill desk with files a test has written: real digests, real gzip-free bytes.

    `answers` maps a day to bytes, or to the error that is raised instead; a callable is asked anew.
    """

    def __init__(self, answers: dict[date, Any], piece: int = 7_000) -> None:
        self.answers = answers
        self.applied: list[tuple[date, str | None]] = []
        self._piece = piece

    def apply_trade_bill(
        self,
        bill_date: date,
        bill_type: str = "ALL",
        sub_mchid: str | None = None,
        gzip: bool = True,
    ) -> BillTicket:
        self.applied.append((bill_date, sub_mchid))
        answer = self._answer(bill_date)
        digest = hashlib.sha1(answer, usedforsecurity=False).hexdigest()
        return BillTicket("SHA1", digest, bill_date.isoformat())

    def download(self, ticket: BillTicket) -> Iterator[bytes]:
        content = self._answer(date.fromisoformat(ticket.download_url))
        for start in range(0, len(content), self._piece):
            yield content[start : start + self._piece]
        if hashlib.sha1(content, usedforsecurity=False).hexdigest() != ticket.hash_value:
            raise BillDigestMismatch("The bill is not the one that was announced.")

    def _answer(self, day: date) -> bytes:
        answer = self.answers[day]
        if isinstance(answer, Callable):  # type: ignore[arg-type]
            answer = answer()
        if isinstance(answer, Exception):
            raise answer
        content: bytes = answer
        return content


def fetched(
    partner: Partner,
    day: date,
    content: Any,
    *,
    forced: bool = False,
    scope: str = "",
) -> BillDownload:
    """The download of a day after one attempt, with this file (or error) at WeChat Pay's side."""
    download = ensure_download(partner_id=partner.id, scope=scope, bill_date=day)
    bills = PreparedBills({day: content})
    return fetch_bill(download=download, partner=partner, bills=bills, forced=forced)


def unpacked(parts: Iterable[bytes]) -> bytes:
    """The bytes of compressed parts, in a row."""
    return b"".join(zlib.decompress(part) for part in parts)
