"""Trade bills: applied for with a signed call, fetched with a short-lived link.

A bill is written to a file when it is applied for, so that its digest is known and the download
streams; the ledger is read page by page. Which day exists is decided by the simulator's clock, how
long a link lives by real time.
"""

from __future__ import annotations

import gzip
import hashlib
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Final, NoReturn

from flask import Response

from partner.simulator.bill_faults import tampered
from partner.simulator.bill_file import BillRow, lines
from partner.simulator.bill_rows import payment_row, refund_row, reversal_row
from partner.simulator.clock import BEIJING, MovableClock
from partner.simulator.faults import BILL_KINDS, Fault, FaultBook
from partner.simulator.ledger import Ledger
from partner.simulator.merchants import Provider
from partner.simulator.order_fields import MCHID
from partner.simulator.refund_book import RefundBook
from partner.simulator.refusals import Refusal, invalid_request, no_auth, param_error

LINK_LIFE_S: Final = 300
READY_AT: Final = time_of_day(10, 0)
KEPT_DAYS: Final = 92
DAY_S: Final = 86400
BILL_TYPES: Final = ("ALL", "SUCCESS", "REFUND")
ACCOUNT_TYPES: Final = ("BASIC", "OPERATION", "FEES")
CHUNK: Final = 64 * 1024


@dataclass(frozen=True)
class Ticket:
    """A download link: whose it is, which file it opens, until when."""

    sp_mchid: str
    path: Path
    is_gzip: bool
    ends_at: float


class Bills:
    """The bill desk. Links live in memory: one that outlived the process would be too old."""

    def __init__(
        self,
        folder: Path,
        ledger: Ledger,
        refunds: RefundBook,
        settle_refunds: Callable[[], object],
        clock: MovableClock,
        faults: FaultBook,
        wire_time: Callable[[], float],
    ) -> None:
        self._folder = folder
        self._ledger = ledger
        self._refunds = refunds
        self._settle_refunds = settle_refunds
        self._clock = clock
        self._faults = faults
        self._wire_time = wire_time
        self._tickets: dict[str, Ticket] = {}
        self._lock = threading.Lock()
        for left_over in folder.glob("*.csv"):
            left_over.unlink(missing_ok=True)

    def apply(self, provider: Provider, query: dict[str, str], base_url: str) -> dict[str, str]:
        """A link to the bill and the digest of its uncompressed bytes; Refusal if there is none."""
        bill_type = _choice(query, "bill_type", BILL_TYPES, "ALL")
        is_gzip = _choice(query, "tar_type", ("GZIP",), "") == "GZIP"
        day = _bill_day(query, self._clock.now().astimezone(BEIJING))
        sub_mchid = _sub_mchid(provider, query)
        fault = self._faults.take(BILL_KINDS, about={"sub_mchid": sub_mchid})
        if fault and fault.kind == "bill_creating":
            raise _creating()
        token = secrets.token_urlsafe(48)
        path = self._folder / f"{token}.csv"
        digest = self._write(path, provider, day, bill_type, sub_mchid, fault)
        self._keep(token, Ticket(provider.sp_mchid, path, is_gzip, self._wire_time() + LINK_LIFE_S))
        suffix = "&tartype=gzip" if is_gzip else ""
        return {
            "hash_type": "SHA1",
            "hash_value": digest,
            "download_url": f"{base_url.rstrip('/')}/v3/billdownload/file?token={token}{suffix}",
        }

    def apply_fund_flow(self, query: dict[str, str]) -> NoReturn:
        """There never is one: it is of the provider's own accounts, and no money comes by them."""
        _choice(query, "account_type", ACCOUNT_TYPES, "BASIC")
        _choice(query, "tar_type", ("GZIP",), "")
        _bill_day(query, self._clock.now().astimezone(BEIJING))
        raise _no_statement()

    def download(self, provider: Provider, query: dict[str, str]) -> Response:
        """The file as it is, unsigned; only for whoever applied for it, and not for long."""
        with self._lock:
            ticket = self._tickets.get(query.get("token", ""))
        if ticket is None or self._wire_time() > ticket.ends_at:
            raise invalid_request("下载链接已失效，请重新申请账单")
        if ticket.sp_mchid != provider.sp_mchid:
            raise no_auth("无权下载该账单，请使用申请账单的商户号下载")
        content_type = "application/x-gzip" if ticket.is_gzip else "text/plain"
        response = Response(_content(ticket))
        response.headers["Content-Type"] = content_type
        if not ticket.is_gzip:
            response.headers["Content-Length"] = str(ticket.path.stat().st_size)
        return response

    def _write(
        self,
        path: Path,
        provider: Provider,
        day: date,
        bill_type: str,
        sub_mchid: str | None,
        fault: Fault | None,
    ) -> str:
        """Write the bill; the digest to announce. NO_STATEMENT_EXIST when the day saw nothing."""
        rows = tampered(self._rows(provider, day, bill_type, sub_mchid), fault, bill_type)
        first = next(rows, None)
        if first is None:
            raise _no_statement()
        self._folder.mkdir(mode=0o700, exist_ok=True)
        digest = hashlib.sha1(usedforsecurity=False)
        with path.open("wb") as file:
            for line in lines(_again(first, rows), bill_type):
                digest.update(line)
                file.write(line)
        if fault and fault.kind == "bill_truncated":
            return _truncate(path, digest.hexdigest(), fault)
        if fault and fault.kind == "bill_bad_digest":
            return digest.hexdigest()[::-1]
        return digest.hexdigest()

    def _rows(
        self, provider: Provider, day: date, bill_type: str, sub_mchid: str | None
    ) -> Iterator[BillRow]:
        start = int(datetime.combine(day, time_of_day(), BEIJING).timestamp())
        asked = (provider.sp_mchid, start, start + DAY_S, sub_mchid)
        if bill_type != "REFUND":
            for order in self._ledger.paid_between(*asked):
                yield payment_row(order, provider)
        if bill_type != "SUCCESS":
            self._settle_refunds()
            self._refunds.bill(provider.sp_mchid, start, start + DAY_S)
            for refunds in self._refunds.accepted_between(*asked):
                orders = self._ledger.with_seqs({one.order_seq for one in refunds})
                for refund in refunds:
                    yield refund_row(refund, orders[refund.order_seq], provider)
        if bill_type == "ALL":
            for order, reversed_at in self._ledger.reversed_between(*asked):
                yield reversal_row(order, reversed_at, provider)

    def _keep(self, token: str, ticket: Ticket) -> None:
        """Remember the link and forget those that have run out, files and all."""
        now = self._wire_time()
        with self._lock:
            old = [name for name, known in self._tickets.items() if now > known.ends_at]
            for name in old:
                self._tickets.pop(name).path.unlink(missing_ok=True)
            self._tickets[token] = ticket


def _truncate(path: Path, whole_digest: str, fault: Fault) -> str:
    """Cut the file off inside its last row; announce the digest the fault asks for."""
    content = path.read_bytes()
    kept = content[: content.rindex("总交易单数".encode()) - 20]
    path.write_bytes(kept)
    if fault.params.get("digest") == "whole":
        return whole_digest
    return hashlib.sha1(kept, usedforsecurity=False).hexdigest()


def _content(ticket: Ticket) -> Iterator[bytes]:
    """The file in pieces; compressed on the way out when that was asked for."""
    with ticket.path.open("rb") as file:
        if not ticket.is_gzip:
            yield from iter(lambda: file.read(CHUNK), b"")
            return
        # One gzip member per chunk: a valid gzip stream, and no more in memory than a chunk.
        yield from (gzip.compress(chunk, 6) for chunk in iter(lambda: file.read(CHUNK * 16), b""))


def _again(first: BillRow, rest: Iterator[BillRow]) -> Iterator[BillRow]:
    yield first
    yield from rest


def _choice(query: dict[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = query.get(name, default)
    if name in query and value not in allowed:
        message = f"{name}取值须为{'、'.join(allowed)}"
        raise param_error(message, field=name, value=value, location="query")
    return value


def _bill_day(query: dict[str, str], now: datetime) -> date:
    """The Beijing day asked for; Refusal when it has no bill yet, any more, or ever."""
    text = query.get("bill_date", "")
    if len(text) != 10 or text[4] + text[7] != "--" or not text.replace("-", "").isdecimal():
        message = "bill_date格式应为yyyy-MM-dd"
        raise param_error(message, field="bill_date", value=text, location="query")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise invalid_request("bill_date不是有效的日期") from None
    age = (now.date() - day).days
    if age < 1 or age > KEPT_DAYS:
        raise invalid_request("bill_date须为三个月内的日期，且不能为当日或将来的日期")
    if datetime.combine(day + timedelta(days=1), READY_AT, BEIJING) > now:
        raise _creating()
    return day


def _no_statement() -> Refusal:
    message = "账单文件不存在，请检查当前商户号在该日期是否有交易"
    return Refusal(400, "NO_STATEMENT_EXIST", message)


def _creating() -> Refusal:
    return Refusal(400, "STATEMENT_CREATING", "账单生成中，请稍后再试（建议次日10点后获取）")


def _sub_mchid(provider: Provider, query: dict[str, str]) -> str | None:
    sub_mchid = query.get("sub_mchid")
    if sub_mchid is None:
        return None
    if not MCHID.fullmatch(sub_mchid):
        raise invalid_request("sub_mchid不正确")
    sub = provider.sub_merchants.get(sub_mchid)
    if sub is None or "BILL" not in sub.permissions:
        raise no_auth("无权获取该特约商户的账单")
    return sub_mchid
