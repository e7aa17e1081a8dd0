"""One measured run in a process of its own: `python -m tests.benchmarks.bill_runs WHAT DAY_FILE`.

Prints seconds, the process's peak memory and the number of differences as JSON. Time to start, to
import and to connect is not counted; memory counts from the first byte of the interpreter. The
process holds the rooms of the bill day and no others.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from flask import Flask
from sqlalchemy import delete, func, select

from config.clock import frozen_at
from config.database import db, init_database, release, transaction
from partner.models import Partner
from partner.wechatpay.resources.bills import BillTicket
from payments.bills.claims import ensure_download
from payments.bills.fetch import fetch_bill
from payments.reconciliation.models import Discrepancy, Reconciliation
from payments.reconciliation.run import reconcile_day
from payments.webhooks.models import WebhookEvent
from submerchants.tenancy import across_tenants
from tests.benchmarks.bill_day import DAY, BillDay
from tests.benchmarks.bill_floors import (
    split_into_dicts,
    staged_in_postgresql,
    staged_in_sqlite,
)

NEXT_MORNING = datetime(2031, 5, 7, 2, 30, tzinfo=UTC)
PIECE_BYTES = 262_144

FLOORS: dict[str, Callable[[BillDay], int]] = {
    "staged_in_postgresql": staged_in_postgresql,
    "staged_in_sqlite": staged_in_sqlite,
    "split_into_dicts": split_into_dicts,
}


class FileDesk:
    """Hands out a file of this disk as WeChat Pay would, unpacked."""

    def __init__(self, path: str) -> None:
        self._path = path

    def apply_trade_bill(
        self,
        bill_date: date,
        bill_type: str = "ALL",
        sub_mchid: str | None = None,
        gzip: bool = True,
    ) -> BillTicket:
        return BillTicket("SHA1", "0" * 40, self._path)

    def download(self, ticket: BillTicket) -> Iterator[bytes]:
        with open(self._path, "rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece


def fetch(day: BillDay) -> int:
    """Download, keep, divide: everything up to the moment before comparing."""
    partner = db.session.get_one(Partner, day.partner_id)
    download = ensure_download(partner_id=day.partner_id, scope="", bill_date=DAY)
    done = fetch_bill(download=download, partner=partner, bills=FileDesk(day.file))
    return done.stray_count


def reconcile(day: BillDay) -> int:
    """Compare the divided bill with the books and record every outcome."""
    reconcile_day(partner_id=day.partner_id, bill_date=DAY)
    with across_tenants("a benchmark looks"):
        ours = Reconciliation.partner_id == day.partner_id
        return int(db.session.scalar(select(func.sum(Reconciliation.open_count)).where(ours)) or 0)


def forget() -> None:
    """As before the first run."""
    with across_tenants("a benchmark starts over"), transaction():
        for table in (Discrepancy, Reconciliation):
            db.session.execute(delete(table))
        done = WebhookEvent.type == "reconciliation.completed"
        db.session.execute(delete(WebhookEvent).where(done))


def _measured(work: Callable[[BillDay], int], day: BillDay) -> dict[str, float]:
    started, cpu = time.perf_counter(), time.process_time()
    answer = work(day)
    return {
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - cpu,
        "answer": answer,
        "peak_mb": _peak_kb() / 1024,
    }


def _peak_kb() -> int:
    """The most this program has held; getrusage would count what its parent held at the fork."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1])


def main() -> None:
    what, day = sys.argv[1], BillDay.read(Path(sys.argv[2]))
    if what in FLOORS:
        told = _measured(FLOORS[what], day)
    else:
        app = Flask(__name__)
        init_database(app, day.database_url)
        with app.app_context(), frozen_at(NEXT_MORNING):
            if what == "reconcile":
                forget()
            db.session.scalar(select(1))
            release()
            told = _measured({"fetch": fetch, "reconcile": reconcile}[what], day)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
