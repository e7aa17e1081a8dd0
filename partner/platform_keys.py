"""WeChat Pay's own keys as we hold them: fetched by a job and swapped as a whole.

A refresh that fails leaves the set from before in use. A provider whose number has a public key
only is told by WeChat Pay that there are no certificates; that is a state, not an error. Requests
never come here: they read what the gateway keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from config import audit, metrics
from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from config.logs import get_logger
from partner.gateway import look_again, wechatpay
from partner.models import (
    Partner,
    PlatformKeyRefresh,
    RefreshState,
    WeChatPayKey,
    WeChatPayKeyKind,
)
from partner.refresh_requests import note_outcome
from partner.wechatpay.errors import Refused, Undecryptable, WeChatPayError
from partner.wechatpay.resources.certificates import DownloadedCertificate

NO_CERTIFICATES = "RESOURCE_NOT_EXISTS"

log = get_logger(__name__)
refreshes = metrics.counter(
    "partner_key_refreshes_total", "Downloads of platform certificates, by outcome.", "outcome"
)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How a refresh ended; `problem` is empty unless it failed."""

    state: RefreshState
    serials: tuple[str, ...] = ()
    changed: bool = False
    problem: str = ""


def refresh(partner: Partner) -> Refreshed:
    """Fetch the platform certificates now and swap the set. Failing is an outcome, not an error."""
    try:
        downloaded = wechatpay(partner.id).certificates.download()
    except Refused as refusal:
        if refusal.status == 404 and refusal.code == NO_CERTIFICATES:
            return _noted(partner, Refreshed(RefreshState.PUBLIC_KEY_ONLY))
        return _failed(partner, f"WeChat Pay refused: {refusal.code} {refusal.message}")
    except Undecryptable:
        return _failed(partner, "the API v3 key does not open what WeChat Pay sent")
    except WeChatPayError as error:
        return _failed(partner, str(error))
    with transaction():
        changed = _swap(partner, downloaded)
        note_outcome(partner.id, RefreshState.DONE)
    look_again(partner.id)
    refreshes.labels(RefreshState.DONE).inc()
    serials = tuple(sorted(each.serial_no for each in downloaded))
    return Refreshed(RefreshState.DONE, serials, changed)


def wechatpay_keys(partner_id: str) -> Sequence[WeChatPayKey]:
    """Every key of WeChat Pay's that is held for a provider, public keys first."""
    here = select(WeChatPayKey).where(WeChatPayKey.partner_id == partner_id)
    order = (WeChatPayKey.kind.desc(), WeChatPayKey.created_at, WeChatPayKey.serial)
    return db.session.scalars(here.order_by(*order)).all()


def last_refresh(partner_id: str) -> PlatformKeyRefresh | None:
    """When the certificates were last asked for, and what came of it."""
    here = select(PlatformKeyRefresh).where(PlatformKeyRefresh.id == partner_id)
    return db.session.scalar(here, execution_options={"populate_existing": True})


def _swap(partner: Partner, downloaded: Sequence[DownloadedCertificate]) -> bool:
    """Put the downloaded set in place of the stored one; False when it is the same set."""
    certificates = (
        WeChatPayKey.partner_id == partner.id,
        WeChatPayKey.kind == WeChatPayKeyKind.CERTIFICATE,
    )
    # Two refreshes at once take turns here, or each would insert what the other did.
    db.session.execute(select(Partner.id).where(Partner.id == partner.id).with_for_update())
    stored = set(db.session.scalars(select(WeChatPayKey.serial).where(*certificates)))
    if stored == {each.serial_no for each in downloaded}:
        return False
    changed_rows(delete(WeChatPayKey).where(*certificates))
    moment = now()
    db.session.add_all(
        WeChatPayKey(
            id=new_id("wpk"),
            partner_id=partner.id,
            kind=WeChatPayKeyKind.CERTIFICATE,
            serial=each.serial_no,
            pem=each.pem.decode(),
            effective_at=each.effective_at,
            expires_at=each.expires_at,
            created_at=moment,
        )
        for each in downloaded
    )
    here = update(Partner).where(Partner.id == partner.id)
    changed_rows(here.values(key_revision=Partner.key_revision + 1))
    audit.record(
        "partner.platform_certificates_swapped",
        object_kind="partner",
        object_id=partner.id,
        sp_mchid=partner.sp_mchid,
        serials=sorted(each.serial_no for each in downloaded),
        before=sorted(stored),
    )
    return True


def _failed(partner: Partner, problem: str) -> Refreshed:
    log.warning("platform certificates not refreshed", sp_mchid=partner.sp_mchid, problem=problem)
    return _noted(partner, Refreshed(RefreshState.FAILED, problem=problem))


def _noted(partner: Partner, outcome: Refreshed) -> Refreshed:
    with transaction():
        note_outcome(partner.id, outcome.state, outcome.problem)
    refreshes.labels(outcome.state).inc()
    return outcome
