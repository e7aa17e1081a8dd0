"""Each sub-merchant's share of a bill: written in parts first, shown in one step afterwards.

Parts carry the token of the division that wrote them, and count only when the share's row names it.
A division that is killed half way has shown nothing; the next one starts over and sweeps its parts
away. Everything here runs across tenants and in batches: a provider has thousands.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, insert, select

from config.batches import batches, insert_missing, one_of, update_rows, write_many
from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from payments.bills.claims import Claim, hold
from payments.bills.models import TradeBill, TradeBillPart, TradeBillState
from payments.bills.originals import LEVEL
from payments.bills.presenter import present_bill
from payments.bills.totals import Totals
from payments.bills.trade_bill import ENCODING, ERRORS
from payments.webhooks.models import WebhookEvent
from payments.webhooks.publish import EVENT_IDENTITY, event_row

NEWLINE = "\r\n"
PARTS_HELD_BYTES = 4 * 1024 * 1024

_bills: Any = TradeBill.__table__
_parts: Any = TradeBillPart.__table__
_unique = ("sub_merchant_id", "bill_date", "bill_type")


@dataclass(slots=True)
class Share:
    """What one sub-merchant gets of a file."""

    sub_merchant_id: str
    place: int  # among the shares of this file
    totals: Totals = field(default_factory=Totals)
    bill_id: str = ""
    parts: int = 0


@dataclass(frozen=True, slots=True)
class BillDay:
    """Which bill is divided."""

    partner_id: str
    bill_date: date
    bill_type: str


def ensure_bills(day: BillDay, shares: Sequence[Share]) -> None:
    """Give every share a row to hang its parts on; rows that are there already stay as they are."""
    for some in batches(shares):
        with transaction():
            insert_missing(TradeBill, [_new_bill(day, share) for share in some], unique=_unique)
        ids: dict[str, str] = dict(
            db.session.execute(
                select(_bills.c.sub_merchant_id, _bills.c.id).where(
                    one_of(_bills.c.sub_merchant_id, [share.sub_merchant_id for share in some]),
                    _bills.c.bill_date == day.bill_date,
                    _bills.c.bill_type == day.bill_type,
                )
            ).all()
        )
        for share in some:
            share.bill_id = ids[share.sub_merchant_id]


class PartWriter:
    """Collects compressed parts and stores many of them in one commit."""

    def __init__(self, claim: Claim, token: str) -> None:
        self._claim = claim
        self._token = token
        self._waiting: list[dict[str, Any]] = []
        self._bytes = 0

    def add(self, share: Share, entries: list[str], lines: list[str]) -> None:
        """Some more lines of a share, in the order of the file."""
        packed_entries = zlib.compress("".join(f"{one}\n" for one in entries).encode(), LEVEL)
        text = "".join(f"{line}{NEWLINE}" for line in lines)
        packed_lines = zlib.compress(text.encode(ENCODING, ERRORS), LEVEL)
        self._waiting.append(
            {
                "bill_id": share.bill_id,
                "token": self._token,
                "position": share.parts,
                "sub_merchant_id": share.sub_merchant_id,
                "entries": packed_entries,
                "lines": packed_lines,
            }
        )
        share.parts += 1
        self._bytes += len(packed_entries) + len(packed_lines)
        if self._bytes > PARTS_HELD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Store what is held."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if waiting:
            with transaction():
                hold(self._claim)
                write_many(insert(_parts), waiting)


def show_shares(
    claim: Claim,
    day: BillDay,
    shares: Sequence[Share],
    *,
    token: str,
    titles: Mapping[str, str | None],
) -> None:
    """Make the written parts count, and tell the tenants: a batch of shares in each commit."""
    moment = now()
    for some in batches(shares):
        rows = [_shown(share, token, titles, moment) for share in some]
        with transaction():
            hold(claim)
            update_rows(TradeBill, rows, key="id")
            events = [
                _event(day, share, row)
                for share, row in zip(some, rows, strict=True)
                if row["state"] is TradeBillState.READY
            ]
            insert_missing(WebhookEvent, events, unique=EVENT_IDENTITY)
            changed_rows(
                delete(_parts).where(
                    one_of(_parts.c.bill_id, [share.bill_id for share in some]),
                    _parts.c.token != token,
                )
            )


def _new_bill(day: BillDay, share: Share) -> dict[str, Any]:
    return {
        "id": new_id("bill"),
        "sub_merchant_id": share.sub_merchant_id,
        "partner_id": day.partner_id,
        "bill_date": day.bill_date,
        "bill_type": day.bill_type,
        "state": TradeBillState.NOT_READY,
        "created_at": now(),
        **Totals().as_dict(),
    }


def _shown(
    share: Share, token: str, titles: Mapping[str, str | None], moment: datetime
) -> dict[str, Any]:
    has_rows = share.totals.row_count > 0
    return {
        "id": share.bill_id,
        "state": TradeBillState.READY if has_rows else TradeBillState.EMPTY,
        "token": token,
        "header": titles.get("header") if has_rows else None,
        "summary_header": titles.get("summary_header") if has_rows else None,
        "ready_at": moment,
        **share.totals.as_dict(),
    }


def _event(day: BillDay, share: Share, shown: Mapping[str, Any]) -> dict[str, object]:
    bill = TradeBill(
        partner_id=day.partner_id, bill_date=day.bill_date, bill_type=day.bill_type, **shown
    )
    return event_row(
        sub_merchant_id=share.sub_merchant_id,
        type="bill.ready",
        event_key=f"bill.ready:{bill.id}",
        object_id=bill.id,
        data=present_bill(bill),
    )
