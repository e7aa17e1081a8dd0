"""Bill days: which are due, and one day's bills fetched for those who want them.

A Beijing day's bill exists from ten in the morning of the next day, for three months. The jobs look
back a week, so that a platform that was down for days catches up by itself.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import select

from config.clock import BEIJING, beijing_date, now
from config.database import db
from config.errors import RefusedHere
from config.logs import get_logger
from partner.errors import PartnerWithoutKey
from partner.gateway import wechatpay
from partner.models import BillScope, Partner
from payments.bills.claims import ensure_download
from payments.bills.fetch import fetch_bill
from payments.bills.models import ALL_TRADE, WHOLE_PROVIDER, BillDownload, DownloadState
from submerchants.tenants.models import SubMerchant

READY_HOUR: Final = 10
CATCH_UP_DAYS: Final = 7
KEPT_DAYS: Final = 90  # WeChat Pay hands a bill out for three months
_PAUSE_S: Final = 0.35  # between two applications: other bills allow three a second
_DONE: Final = (
    DownloadState.EMPTY,
    DownloadState.DIVIDED,
    DownloadState.REFUSED,
    DownloadState.FAILED,
)

log = get_logger(__name__)


class BillDateRefused(RefusedHere):
    """No bill of this day can be had."""

    code = "bill_date_out_of_range"

    def __init__(self, *, bill_date: date, earliest: date) -> None:
        super().__init__(
            f"There is no bill of {bill_date} any more: WeChat Pay keeps them for three months, "
            f"now from {earliest} on.",
            field="date",
            earliest=earliest.isoformat(),
        )


def require_kept_day(bill_date: date) -> None:
    """Raise BillDateRefused for a day too long ago.

    Whether a day is over is not asked here: WeChat Pay makes the bill, so its clock decides.
    """
    earliest = beijing_date(now()) - timedelta(days=KEPT_DAYS)
    if bill_date < earliest:
        raise BillDateRefused(bill_date=bill_date, earliest=earliest)


def due_days(moment: datetime, days: int = CATCH_UP_DAYS) -> list[date]:
    """The Beijing days whose bills should be here by now, oldest first."""
    local = moment.astimezone(BEIJING)
    newest = local.date() - timedelta(days=1 if local.hour >= READY_HOUR else 2)
    return [newest - timedelta(days=back) for back in reversed(range(min(days, KEPT_DAYS)))]


def fetch_due_bills() -> Mapping[str, object]:
    """Fetch what is due and not here yet, for every provider; answers how the bills ended."""
    counted: Counter[str] = Counter()
    for partner_id in db.session.scalars(select(Partner.id).order_by(Partner.id)).all():
        partner = db.session.get_one(Partner, partner_id)
        days = due_days(now())
        done = _done(partner, days)
        wanted = [(d, s) for d in days for s in scopes_of(partner) if (d, s) not in done]
        try:
            states = [one.state.lower() for one in _fetched(partner, wanted, forced=False)]
        except Exception as fault:
            # One provider's trouble must not keep the others from their bills.
            log.error("a provider's bills were not fetched", partner=partner_id, exc_info=fault)
            states = ["fault"]
        counted.update(states)
    return dict(counted)


def fetch_day(
    *, partner: Partner, bill_date: date, sub_mchid: str | None = None
) -> list[BillDownload]:
    """Fetch one day's bills because a person asks; those that are here stay as they are."""
    require_kept_day(bill_date)
    return _fetched(partner, [(bill_date, s) for s in scopes_of(partner, sub_mchid)], forced=True)


def scopes_of(partner: Partner, sub_mchid: str | None = None) -> list[str]:
    """Which files hold the provider's trade, or one sub-merchant's: a setting of the provider."""
    if partner.bill_scope is BillScope.PROVIDER:
        return [WHOLE_PROVIDER]
    if sub_mchid is not None:
        return [sub_mchid]
    here = select(SubMerchant.sub_mchid).where(SubMerchant.partner_id == partner.id)
    return list(db.session.scalars(here.order_by(SubMerchant.sub_mchid)))


def _fetched(
    partner: Partner, wanted: Iterable[tuple[date, str]], *, forced: bool
) -> list[BillDownload]:
    downloads = []
    for place, (bill_date, scope) in enumerate(wanted):
        if place and scope != WHOLE_PROVIDER:
            time.sleep(_PAUSE_S)
        row = ensure_download(partner_id=partner.id, scope=scope, bill_date=bill_date)
        try:
            bills = wechatpay(partner.id).bills
        except PartnerWithoutKey as error:
            log.warning("a provider cannot fetch bills", partner=partner.id, told=error.message)
            if forced:
                raise
            break
        downloads.append(fetch_bill(download=row, partner=partner, bills=bills, forced=forced))
    return downloads


def _done(partner: Partner, days: list[date]) -> set[tuple[date, str]]:
    rows = db.session.execute(
        select(BillDownload.bill_date, BillDownload.scope).where(
            BillDownload.partner_id == partner.id,
            BillDownload.bill_type == ALL_TRADE,
            BillDownload.bill_date.in_(days),
            BillDownload.state.in_(_DONE),
        )
    )
    return set(rows)
