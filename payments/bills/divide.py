"""Divide a stored bill: every line to the sub-merchant it belongs to, before anything else sees it.

The file is read once, sorted into temporary files by tenant, and added up on the way. Only when the
lines agree with the file's own summary to the fen is anything written for a tenant; a file that
disagrees is refused as a whole and kept for a person. A line that is nobody's here is set aside.
What is held in memory is one bucket, whatever the size of the file.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import IO, Any

from sqlalchemy import delete, insert, select

from config import audit
from config.batches import batches, write_many
from config.clock import now
from config.database import changed_rows, db, release, transaction
from config.identifiers import new_id
from config.logs import get_logger
from config.metrics import counter
from partner.models import Partner
from payments.bills.claims import Claim, hold, settle
from payments.bills.entries import SHAPE, read_entry
from payments.bills.faults import BillFault, StrayReason
from payments.bills.models import WHOLE_PROVIDER, BillDownload, BillStray, DownloadState
from payments.bills.originals import PART_BYTES, read_original
from payments.bills.shares import BillDay, PartWriter, Share, ensure_bills, show_shares
from payments.bills.totals import Totals, check_totals
from payments.bills.trade_bill import (
    ENCODING,
    ERRORS,
    BillFile,
    line_reader,
)
from submerchants.tenancy import across_tenants
from submerchants.tenants.models import SubMerchant

BUCKET_BYTES = 4 * 1024 * 1024
MAX_BUCKETS = 256
MAX_STRAYS_KEPT = 5_000  # the original holds them all; these are for the eye
MAX_STRAY_TEXT = 4_096
_BETWEEN = "\0"  # no entry holds it, and a line comes last

log = get_logger(__name__)
bills_refused = counter("bills_refused_total", "Bill files that contradict themselves.", "fault")
strays_found = counter("bill_strays_total", "Bill lines that are no tenant's.", "reason")


def divide(claim: Claim, download: BillDownload, partner: Partner) -> None:
    """Give every sub-merchant its share, or refuse the file. The caller holds the claim."""
    with across_tenants("bill day"), ExitStack() as spools:
        shares = _shares(partner, download)
        buckets: list[IO[bytes]] = [
            spools.enter_context(tempfile.TemporaryFile())
            for _ in range(min(MAX_BUCKETS, download.byte_count // BUCKET_BYTES + 1))
        ]
        sorting = _Sorting(shares, buckets)
        try:
            file = BillFile(read_original(download))
            sorting.sort(file, partner, download)
            check_totals(file.summary, sorting.totals())
        except BillFault as fault:
            _refuse(claim, download, fault, sorting.unreadable())
            return
        release()
        titles = {"header": file.layout.header, "summary_header": file.summary.header}
        _hand_out(claim, download, sorting, titles)
        _settle(claim, download, sorting, dict(file.summary.stated))


def divide_nothing(claim: Claim, download: BillDownload, partner: Partner) -> None:
    """Record that the day was empty for everybody. The caller holds the claim."""
    with across_tenants("bill day"):
        sorting = _Sorting(_shares(partner, download), [])
        _hand_out(claim, download, sorting, {})
        with transaction():
            settle(claim, state=DownloadState.EMPTY, next_try_at=None, refusal=None)
            record_step("bill.empty", download)


class _Sorting:
    """One pass over the lines of a file: whose each is, and what they add up to."""

    def __init__(self, shares: dict[str, Share], buckets: list[IO[bytes]]) -> None:
        self.shares = shares
        self.buckets = buckets
        self.strays: list[dict[str, Any]] = []
        self.stray_counts: dict[StrayReason, int] = defaultdict(int)
        self._stray_totals = Totals()

    def sort(self, file: BillFile, partner: Partner, download: BillDownload) -> None:
        """Read all lines; those of a tenant go to the tenant's bucket, with their entries."""
        day = download.bill_date.isoformat()
        read = line_reader(file.layout, mchid=partner.sp_mchid, day=day, currency=partner.currency)
        shares, line_no, spread = self.shares, 0, len(self.buckets)
        for batch in file.batches():
            waiting: list[list[str]] = [[] for _ in self.buckets]
            for record in batch:
                line_no += 1
                sub_mchid, entry, reason, amounts = read(record)
                share = shares.get(sub_mchid)
                if share is None or reason is not None:
                    reason = reason or StrayReason.UNKNOWN_SUB_MERCHANT
                    self._set_aside(line_no, reason, sub_mchid, entry, f"`{record}")
                    self._stray_totals.count(amounts)
                    continue
                share.totals.count(amounts)
                waiting[share.place % spread].append(
                    f"{share.place}{_BETWEEN}{entry}{_BETWEEN}`{record}\r\n"
                )
            for bucket, lines in zip(self.buckets, waiting, strict=True):
                if lines:
                    bucket.write("".join(lines).encode(ENCODING, ERRORS))

    def totals(self) -> Totals:
        """What all lines add up to, those of nobody included."""
        return sum((share.totals for share in self.shares.values()), self._stray_totals)

    def unreadable(self) -> str:
        """Where a person begins to look for why a file is refused; empty where all was read."""
        unread = StrayReason.UNREADABLE
        first = next((one["line_no"] for one in self.strays if one["reason"] is unread), None)
        if first is None:
            return ""
        count = self.stray_counts[unread]
        return f" Lines that cannot be read: {count}, the first is line {first} after the header."

    def _set_aside(
        self, line_no: int, reason: StrayReason, sub_mchid: str, entry: str, line: str
    ) -> None:
        self.stray_counts[reason] += 1
        if len(self.strays) < MAX_STRAYS_KEPT:
            self.strays.append(
                {
                    "line_no": line_no,
                    "reason": reason,
                    "sub_mchid": _storable(sub_mchid)[:64],
                    "number": read_entry(entry).number if SHAPE.fullmatch(entry) else None,
                    "line": _storable(line)[:MAX_STRAY_TEXT],
                }
            )


def _hand_out(
    claim: Claim,
    download: BillDownload,
    sorting: _Sorting,
    titles: Mapping[str, str | None],
) -> None:
    shares = list(sorting.shares.values())
    day = BillDay(download.partner_id, download.bill_date, download.bill_type)
    token = new_id("div")
    ensure_bills(day, shares)
    writer = PartWriter(claim, token)
    for bucket in sorting.buckets:
        _write_bucket(bucket, shares, writer)
    writer.flush()
    show_shares(claim, day, shares, token=token, titles=titles)


def _write_bucket(bucket: IO[bytes], shares: list[Share], writer: PartWriter) -> None:
    """Gather a bucket's lines by tenant; a tenant's lines leave as soon as they fill a part."""
    entries: dict[int, list[str]] = defaultdict(list)
    lines: dict[int, list[str]] = defaultdict(list)
    sizes: dict[int, int] = defaultdict(int)
    for record in _records(bucket):
        number, entry, line = record.split(_BETWEEN, 2)
        place = int(number)
        entries[place].append(entry)
        lines[place].append(line)
        sizes[place] += len(line)
        if sizes[place] >= PART_BYTES:
            writer.add(shares[place], entries.pop(place), lines.pop(place))
            del sizes[place]
    for place in sorted(entries):
        writer.add(shares[place], entries[place], lines[place])


def _records(bucket: IO[bytes]) -> Iterator[str]:
    bucket.seek(0)
    rest = b""
    while piece := bucket.read(PART_BYTES):
        whole, end, rest = (rest + piece).rpartition(b"\r\n")
        if end:
            yield from whole.decode(ENCODING, ERRORS).split("\r\n")


def _shares(partner: Partner, download: BillDownload) -> dict[str, Share]:
    """The tenants this file may speak of, by sub_mchid."""
    here = select(SubMerchant.sub_mchid, SubMerchant.id).where(SubMerchant.partner_id == partner.id)
    if download.scope != WHOLE_PROVIDER:
        here = here.where(SubMerchant.sub_mchid == download.scope)
    rows = db.session.execute(here.order_by(SubMerchant.id))
    return {number: Share(tenant, place) for place, (number, tenant) in enumerate(rows)}


def _refuse(claim: Claim, download: BillDownload, fault: BillFault, unreadable: str) -> None:
    told = f"{fault}{unreadable}"
    bills_refused.labels(fault.fault).inc()
    log.error("bill refused", download=download.id, fault=fault.fault, told=told)
    with transaction():
        settle(claim, state=DownloadState.REFUSED, refusal=f"{fault.fault}: {told}")
        record_step("bill.refused", download, fault=fault.fault, told=told)


def _settle(
    claim: Claim, download: BillDownload, sorting: _Sorting, stated: Mapping[str, int]
) -> None:
    strays = sum(sorting.stray_counts.values())
    for reason, count in sorting.stray_counts.items():
        strays_found.labels(reason).inc(count)
        log.error("bill lines set aside", download=download.id, reason=reason, count=count)
    _keep_strays(claim, download, sorting.strays)
    with transaction():
        settle(
            claim,
            state=DownloadState.DIVIDED,
            next_try_at=None,
            refusal=None,
            row_count=stated["row_count"],
            stray_count=strays,
            summary=json.dumps(stated),
        )
        record_step("bill.divided", download, rows=stated["row_count"], strays=strays)


def _keep_strays(claim: Claim, download: BillDownload, strays: list[dict[str, Any]]) -> None:
    moment = now()
    with transaction():
        hold(claim)
        changed_rows(delete(BillStray).where(BillStray.download_id == download.id))
    for some in batches(strays):
        rows = [
            {"id": new_id("stray"), "download_id": download.id, "created_at": moment, **stray}
            for stray in some
        ]
        with transaction():
            hold(claim)
            write_many(insert(BillStray.__table__), rows)  # type: ignore[arg-type]


def record_step(action: str, download: BillDownload, **detail: Any) -> None:
    """Audit one step of a bill's way, in the caller's transaction."""
    audit.record(
        action,
        object_kind="bill_download",
        object_id=download.id,
        bill_date=download.bill_date.isoformat(),
        scope=download.scope,
        **detail,
    )


def _storable(text: str) -> str:
    """The text as every database takes it: valid UTF-8 without NUL."""
    clean = text.encode(ENCODING, ERRORS).decode(ENCODING, "replace")
    return clean.replace("\0", "�")
