"""Fetch one bill: claim, apply, download at once, keep, divide.

A download address lives for half a minute, so it is used the moment it is given and never stored;
when it dies on the way, a new one is applied for. No transaction is open while WeChat Pay is asked.
An empty day and a bill that is not written yet are answers like any other (WeChat Pay documents
"申请交易账单", "下载账单").
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from http import HTTPStatus
from typing import Protocol

from sqlalchemy import and_, select

from config.clock import beijing_date, now
from config.database import db, release, transaction
from config.logs import get_logger
from config.metrics import counter
from partner.models import Partner
from partner.wechatpay.errors import (
    FREQUENCY_LIMITED,
    BillAddressRefused,
    BillDamaged,
    BillTooLarge,
    OutcomeUnknown,
    Refused,
    WeChatPayError,
)
from partner.wechatpay.resources.bills import BillTicket
from payments.bills.claims import Claim, ClaimLost, claim_download, hold, settle
from payments.bills.divide import divide, divide_nothing, record_step
from payments.bills.models import (
    WHOLE_PROVIDER,
    BillDownload,
    DownloadState,
    TradeBill,
    TradeBillState,
)
from payments.bills.originals import Kept, forget_other_parts, keep_original
from submerchants.tenancy import across_tenants
from submerchants.tenants.models import SubMerchant

APPLICATIONS = 3  # how often one attempt applies anew because a download broke off
CREATING_WAIT = timedelta(minutes=30)
_WAITS = (1, 5, 15, 30, 60)  # minutes after a call without an answer

log = get_logger(__name__)
fetches = counter("bill_fetches_total", "Attempts to fetch a bill, by how they ended.", "outcome")


class BillSource(Protocol):
    """WeChat Pay's bills; `partner.wechatpay.resources.bills.Bills` is one."""

    def apply_trade_bill(
        self, bill_date: date, bill_type: str = ..., sub_mchid: str | None = ..., gzip: bool = ...
    ) -> BillTicket: ...

    def download(self, ticket: BillTicket) -> Iterator[bytes]: ...


def fetch_bill(
    *, download: BillDownload, partner: Partner, bills: BillSource, forced: bool = False
) -> BillDownload:
    """Bring one bill as far as it goes today, and answer how it then stands.

    Does nothing when another process is at it, when it is not due, or when it is done; a person who
    asks (`forced`) has an empty, refused or failed day asked for again, and a divided one whose
    lines were not all somebody's divided anew.
    """
    claim = claim_download(download.id, forced=forced)
    if claim is not None:
        try:
            _work(claim, _fresh(download), partner, bills)
        except ClaimLost:
            log.warning("another process took the bill over", download=download.id)
    return _fresh(download)


def _work(claim: Claim, download: BillDownload, partner: Partner, bills: BillSource) -> None:
    if download.state is DownloadState.DIVIDED and not _is_owed_to_somebody(download):
        _give_up(claim)
        return
    if download.state in (DownloadState.STORED, DownloadState.DIVIDED):
        divide(claim, download, partner)
        return
    try:
        kept, ticket = _download(claim, download, bills)
    except WeChatPayError as trouble:
        _note(claim, download, partner, trouble)
        return
    with transaction():
        hold(
            claim,
            state=DownloadState.STORED,
            hash_value=ticket.hash_value.lower(),
            parts_token=kept.token,
            byte_count=kept.byte_count,
            attempts=download.attempts + 1,
            next_try_at=None,
            refusal=None,
        )
        forget_other_parts(download.id, kept.token)
        record_step("bill.stored", download, bytes=kept.byte_count, sha1=ticket.hash_value.lower())
    fetches.labels("stored").inc()
    divide(claim, _fresh(download), partner)


def _download(claim: Claim, download: BillDownload, bills: BillSource) -> tuple[Kept, BillTicket]:
    for left in reversed(range(APPLICATIONS)):
        release()
        ticket = bills.apply_trade_bill(
            download.bill_date, download.bill_type, download.scope or None
        )
        try:
            return keep_original(claim, bills.download(ticket)), ticket
        except (Refused, OutcomeUnknown, BillDamaged) as broken:
            if not left:
                raise _BrokeOff(str(broken)) from broken
            log.info("bill download broke off", download=download.id, told=str(broken))
    raise AssertionError("unreachable")


class _BrokeOff(WeChatPayError):
    """Every download of this attempt failed; the address may have died each time."""


def _note(claim: Claim, download: BillDownload, partner: Partner, trouble: WeChatPayError) -> None:
    """Write down why there is no file, and when to ask again."""
    code = trouble.code if isinstance(trouble, Refused) else None
    if code == "NO_STATEMENT_EXIST":
        fetches.labels("empty").inc()
        divide_nothing(claim, download, partner)
        return
    attempts = download.attempts + 1
    # WeChat Pay takes the bill of a day that is not over for an invalid date.
    if code == "STATEMENT_CREATING" or (code == "INVALID_REQUEST" and _is_not_over(download)):
        state, wait = DownloadState.NOT_READY, CREATING_WAIT
    elif _is_final(trouble):
        state, wait = DownloadState.FAILED, None
        log.error("bill cannot be fetched", download=download.id, told=str(trouble))
    else:
        state = DownloadState.WAITING
        wait = timedelta(minutes=_WAITS[min(attempts, len(_WAITS)) - 1])
        log.warning("bill will be asked for again", download=download.id, told=str(trouble))
    fetches.labels(state.lower()).inc()
    with transaction():
        due = now() + wait if wait else None
        refusal = str(trouble)[:1_000]
        settle(claim, state=state, attempts=attempts, next_try_at=due, refusal=refusal)
        if state is DownloadState.FAILED:
            record_step("bill.failed", download, told=refusal)


def _is_final(trouble: WeChatPayError) -> bool:
    if isinstance(trouble, Refused):
        # A signature is refused while a key is being changed, and taken again afterwards.
        return trouble.code != FREQUENCY_LIMITED and trouble.status != HTTPStatus.UNAUTHORIZED
    return isinstance(trouble, BillTooLarge | BillAddressRefused)


def _is_not_over(download: BillDownload) -> bool:
    return download.bill_date >= beijing_date(now())


def _is_owed_to_somebody(download: BillDownload) -> bool:
    """Whether dividing anew may help: lines were set aside, or a tenant came after the division."""
    if download.stray_count:
        return True
    its_bill = and_(
        TradeBill.sub_merchant_id == SubMerchant.id,
        TradeBill.bill_date == download.bill_date,
        TradeBill.state != TradeBillState.NOT_READY,
    )
    without = select(SubMerchant.id).outerjoin(TradeBill, its_bill)
    without = without.where(SubMerchant.partner_id == download.partner_id, TradeBill.id.is_(None))
    if download.scope != WHOLE_PROVIDER:
        without = without.where(SubMerchant.sub_mchid == download.scope)
    with across_tenants("bill day"):
        return db.session.scalars(without.limit(1)).first() is not None


def _give_up(claim: Claim) -> None:
    with transaction():
        settle(claim)


def _fresh(download: BillDownload) -> BillDownload:
    db.session.refresh(download)
    return download
