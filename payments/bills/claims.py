"""The right to work on one download: claimed in the database, held by a lease, given up by token.

Any number of processes may try; one gets it. Whoever is killed loses the lease by its running out,
and whoever lost it can no longer write: every step names its own token.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, or_, select, update

from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from config.inserts import insert_new
from payments.bills.models import ALL_TRADE, BillDownload, DownloadState

LEASE = timedelta(minutes=15)  # longer than one download may take
_WITHOUT_BEING_ASKED = (DownloadState.WAITING, DownloadState.NOT_READY, DownloadState.STORED)
_UNIQUE = ("partner_id", "scope", "bill_date", "bill_type")


class ClaimLost(Exception):
    """The lease ran out and somebody else took over; what they do counts."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one download, for as long as its token stands in the row."""

    download_id: str
    token: str


def ensure_download(*, partner_id: str, scope: str, bill_date: date) -> BillDownload:
    """The row of this provider, scope and Beijing day, made if it is not there."""
    values = {
        "partner_id": partner_id,
        "scope": scope,
        "bill_date": bill_date,
        "bill_type": ALL_TRADE,
    }
    here = select(BillDownload).filter_by(**values)
    row = db.session.scalars(here).one_or_none()
    if row is not None:
        return row
    fresh = {"id": new_id("bdl"), "state": DownloadState.WAITING, "attempts": 0}
    counts = {"byte_count": 0, "row_count": 0, "stray_count": 0}
    times = {"created_at": now(), "updated_at": now()}
    with transaction():
        insert_new(BillDownload, {**values, **fresh, **counts, **times}, unique=_UNIQUE)
    return db.session.scalars(here).one()


def claim_download(download_id: str, *, forced: bool = False) -> Claim | None:
    """Take the right to work on a download that is due, or on any when a person asks."""
    moment, token = now(), new_id("clm")
    free = or_(BillDownload.claimed_until.is_(None), BillDownload.claimed_until < moment)
    due = and_(
        BillDownload.state.in_(_WITHOUT_BEING_ASKED),
        or_(BillDownload.next_try_at.is_(None), BillDownload.next_try_at <= moment),
    )
    here = update(BillDownload).where(BillDownload.id == download_id, free)
    if not forced:
        here = here.where(due)
    with transaction():
        taken = changed_rows(here.values(claim_token=token, claimed_until=moment + LEASE))
    return Claim(download_id, token) if taken else None


def hold(claim: Claim, **news: Any) -> None:
    """Write news and renew the lease, in the caller's transaction. Raises ClaimLost."""
    _write(claim, claimed_until=now() + LEASE, **news)


def settle(claim: Claim, **news: Any) -> None:
    """Write the outcome and give the claim up, in the caller's transaction. Raises ClaimLost."""
    _write(claim, claim_token=None, claimed_until=None, **news)


def _write(claim: Claim, **values: Any) -> None:
    mine = update(BillDownload).where(
        BillDownload.id == claim.download_id, BillDownload.claim_token == claim.token
    )
    if changed_rows(mine.values(updated_at=now(), **values)) != 1:
        raise ClaimLost(claim.download_id)
