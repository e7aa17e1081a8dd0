"""The way to WeChat Pay: one ready client a provider, kept for as long as its keys stay the same.

Parsing a private key costs a hundred signatures, so each is parsed once a process and key revision.
Every few seconds one small query looks whether the revision moved; between two looks nothing is
read at all. This room opens no connection by itself and decides nothing about money.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from flask import Flask, current_app
from requests.adapters import BaseAdapter
from sqlalchemy import select

from config import metrics
from config.clock import now
from config.database import POOL_SIZE, db, release
from config.settings import Settings
from partner.errors import PartnerNotFound, PartnerWithoutKey
from partner.key_material import load_stored_private_key, read_public_key
from partner.models import (
    ApiV3Key,
    KeyState,
    MerchantKey,
    Partner,
    WeChatPayKey,
    WeChatPayKeyKind,
)
from partner.numbers import mchid_fault
from partner.refresh_requests import ask_for_refresh
from partner.wechatpay.client import WeChatPayClient
from partner.wechatpay.errors import Distrust, Untrusted
from partner.wechatpay.resources.refunds import SealingKey
from partner.wechatpay.sessions import new_session
from partner.wechatpay.signing import Signer
from partner.wechatpay.transport import MAX_TRIES, Transport
from partner.wechatpay.verification import Headers, VerifiedBy, Verifier

LOOK_AGAIN_AFTER_S: Final = 5.0  # how long a rotated key may go unnoticed in another process
_AS_IT_STANDS: Final = {"populate_existing": True}  # not as this session read it before
USER_AGENT: Final = "partner-platform/0.1 (+https://pay.weixin.qq.com/docs/partner/)"

key_loads = metrics.counter(
    "partner_key_loads_total", "Keys parsed from PEM, by kind; flat once all are warm.", "kind"
)


class WatchfulVerifier(Verifier):
    """A verifier that leaves a note when a message names a key nobody here has seen.

    The message is refused all the same; the refresh job reads the note later.
    """

    def __init__(self, partner_id: str, keys: Mapping[str, RSAPublicKey]) -> None:
        super().__init__(keys)
        self._partner_id = partner_id

    def verify(self, headers: Headers, body: bytes) -> VerifiedBy:
        """As `Verifier.verify`; an unknown serial leaves the note before it is refused."""
        try:
            return super().verify(headers, body)
        except Untrusted as distrust:
            if distrust.reason is Distrust.UNKNOWN_SERIAL:
                ask_for_refresh(self._partner_id)
            raise


@dataclass(frozen=True, slots=True)
class KeyRing:
    """What proves and opens a notification to one provider; the current API v3 key comes first."""

    partner_id: str
    sp_mchid: str
    verifier: Verifier
    api_v3_keys: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Everything a client is built from, as it stands in the database, parsed."""

    partner_id: str
    sp_mchid: str
    signer: Signer
    keys: Mapping[str, RSAPublicKey]  # by what Wechatpay-Serial says
    public_key_id: str | None
    sealing_key: SealingKey | None
    api_v3_keys: tuple[bytes, ...] = field(repr=False)
    valid_until: datetime | None  # when the first certificate among `keys` runs out


@dataclass(slots=True)
class _Held:
    revision: int
    client: WeChatPayClient
    key_ring: KeyRing
    valid_until: datetime | None
    look_again_at: float  # on the scale of time.monotonic


class Gateway:
    """One process's clients; shared by all its threads."""

    def __init__(
        self,
        settings: Settings,
        adapter: BaseAdapter | None = None,
        look_again_after_s: float = LOOK_AGAIN_AFTER_S,
    ) -> None:
        self._look_again_after_s = look_again_after_s
        self._base_url = settings.wechatpay_base_url
        self._fallback_base_url = settings.wechatpay_fallback_base_url
        self._session: requests.Session = new_session(POOL_SIZE, adapter)
        self._held: dict[str, _Held] = {}
        self._partner_ids: dict[str, str] = {}  # by sp_mchid
        self._building = threading.Lock()

    def held(self, partner_id: str) -> _Held:
        """The provider's client and keys, at most a few seconds behind the database."""
        held = self._held.get(partner_id)
        if held is not None and time.monotonic() < held.look_again_at:
            return held
        if held is not None:
            # Moved first, so that of many threads one looks and the others carry on.
            held.look_again_at = time.monotonic() + self._look_again_after_s
            if held.revision == _revision(partner_id) and not _has_passed(held.valid_until):
                return held
        return self._built(partner_id, held)

    def look_again(self, partner_id: str) -> None:
        """Ask the database at the next use: this process itself changed the provider's keys."""
        if (held := self._held.get(partner_id)) is not None:
            held.look_again_at = 0.0

    def partner_id(self, sp_mchid: str) -> str | None:
        """The provider's id; remembered, because a provider keeps its number for life."""
        if sp_mchid not in self._partner_ids:
            if mchid_fault(sp_mchid):  # strangers choose it, so it is checked before it is asked
                return None
            found = db.session.scalar(select(Partner.id).where(Partner.sp_mchid == sp_mchid))
            if found is None:
                return None
            self._partner_ids[sp_mchid] = found
        return self._partner_ids[sp_mchid]

    def transport(
        self, credentials: Credentials, verifier: Verifier, public_key_id: str | None
    ) -> Transport:
        """A way to WeChat Pay over this process's connections."""
        return self._transport(
            credentials,
            lambda: self._newest_verifier(credentials.partner_id, verifier),
            public_key_id,
            max_tries=MAX_TRIES,
        )

    def unshared_transport(
        self, credentials: Credentials, verifier: Verifier, public_key_id: str | None
    ) -> Transport:
        """The same with exactly this verifier, breakers of its own and two tries: for checks."""
        return self._transport(credentials, lambda: verifier, public_key_id, max_tries=2)

    def _transport(
        self,
        credentials: Credentials,
        verifier_source: Callable[[], Verifier],
        public_key_id: str | None,
        *,
        max_tries: int,
    ) -> Transport:
        return Transport(
            session=self._session,
            signer=credentials.signer,
            verifier_source=verifier_source,
            base_url=self._base_url,
            fallback_base_url=self._fallback_base_url,
            user_agent=USER_AGENT,
            public_key_id=public_key_id,
            max_tries=max_tries,
        )

    def _built(self, partner_id: str, before: _Held | None) -> _Held:
        with self._building:
            held = self._held.get(partner_id)
            if held is not None and held is not before:
                return held
            revision = _revision(partner_id)
            if revision is None:
                raise PartnerNotFound(partner_id)
            credentials = load_credentials(partner_id)
            held = self._assembled(credentials, revision)
            self._held[partner_id] = held
            return held

    def _assembled(self, credentials: Credentials, revision: int) -> _Held:
        verifier = WatchfulVerifier(credentials.partner_id, credentials.keys)
        transport = self.transport(credentials, verifier, credentials.public_key_id)
        return _Held(
            revision=revision,
            client=WeChatPayClient(transport, credentials.api_v3_keys, credentials.sealing_key),
            key_ring=KeyRing(
                credentials.partner_id, credentials.sp_mchid, verifier, credentials.api_v3_keys
            ),
            valid_until=credentials.valid_until,
            look_again_at=time.monotonic() + self._look_again_after_s,
        )

    def _newest_verifier(self, partner_id: str, built_with: Verifier) -> Verifier:
        # A call under way while the keys are swapped is judged by the new set.
        held = self._held.get(partner_id)
        return built_with if held is None else held.key_ring.verifier


def init_gateway(app: Flask, settings: Settings, adapter: BaseAdapter | None = None) -> None:
    """Give the application its way to WeChat Pay; `adapter` stands in for the network."""
    app.extensions["gateway"] = Gateway(settings, adapter)


def gateway() -> Gateway:
    """The gateway of the current application."""
    return cast("Gateway", current_app.extensions["gateway"])


def wechatpay(partner_id: str) -> WeChatPayClient:
    """The provider's client. Gives the database connection back, since a call comes next.

    Raises PartnerNotFound, PartnerWithoutKey, and RuntimeError inside an open transaction.
    """
    release()
    held = gateway().held(partner_id)
    release()
    return held.client


def key_ring(sp_mchid: str) -> KeyRing | None:
    """The keys that prove and open a notification to this provider; None for a number not ours."""
    ways = gateway()
    partner_id = ways.partner_id(sp_mchid)
    return None if partner_id is None else ways.held(partner_id).key_ring


def look_again(partner_id: str) -> None:
    """Let this process notice a change of keys at once; the others do within seconds."""
    gateway().look_again(partner_id)


def other_key_rings(partner_id: str) -> Iterator[KeyRing]:
    """The keys of every other provider here that can open anything."""
    for other_id in db.session.scalars(select(Partner.id).where(Partner.id != partner_id)).all():
        with suppress(PartnerWithoutKey):
            yield gateway().held(other_id).key_ring


def warm() -> int:
    """Parse every provider's keys before traffic comes; answers how many providers are ready."""
    ready = 0
    for sp_mchid in list(db.session.scalars(select(Partner.sp_mchid))):
        try:
            ready += key_ring(sp_mchid) is not None
        except PartnerWithoutKey:
            continue  # it says so to whoever uses it; the other providers trade on
    release()
    return ready


def load_credentials(partner_id: str) -> Credentials:
    """The provider's keys in use, parsed. Raises PartnerWithoutKey when it cannot sign or open."""
    sp_mchid = db.session.scalar(select(Partner.sp_mchid).where(Partner.id == partner_id))
    in_use = select(MerchantKey).where(
        MerchantKey.partner_id == partner_id, MerchantKey.state == KeyState.ACTIVE
    )
    merchant_key = db.session.scalar(in_use, execution_options=_AS_IT_STANDS)
    api_v3_keys = _api_v3_keys(partner_id)
    if sp_mchid is None or merchant_key is None or not api_v3_keys:
        raise PartnerWithoutKey(partner_id)
    stored = _keys_in_force(partner_id)
    key_loads.labels("private").inc()
    signer = Signer(
        sp_mchid, merchant_key.serial_no, load_stored_private_key(merchant_key.private_key)
    )
    keys = {key.serial: _public_key(key.pem) for key in stored}
    public_key_id = _newest_public_key_id(stored)
    sealing = public_key_id or _newest_certificate(stored)
    return Credentials(
        partner_id=partner_id,
        sp_mchid=sp_mchid,
        signer=signer,
        keys=keys,
        public_key_id=public_key_id,
        sealing_key=None if sealing is None else SealingKey(sealing, keys[sealing]),
        api_v3_keys=api_v3_keys,
        valid_until=min((key.expires_at for key in stored if key.expires_at), default=None),
    )


def _revision(partner_id: str) -> int | None:
    return db.session.scalar(select(Partner.key_revision).where(Partner.id == partner_id))


def _has_passed(moment: datetime | None) -> bool:
    return moment is not None and moment <= now()


def _api_v3_keys(partner_id: str) -> tuple[bytes, ...]:
    rows = db.session.scalars(
        select(ApiV3Key).where(
            ApiV3Key.partner_id == partner_id,
            ApiV3Key.state.in_((KeyState.ACTIVE, KeyState.PREVIOUS)),
        ),
        execution_options=_AS_IT_STANDS,
    ).all()
    if not any(row.state is KeyState.ACTIVE for row in rows):
        return ()
    current_first = sorted(rows, key=lambda row: row.state is not KeyState.ACTIVE)
    return tuple(row.key.reveal().encode() for row in current_first)


def _keys_in_force(partner_id: str) -> list[WeChatPayKey]:
    rows = db.session.scalars(
        select(WeChatPayKey)
        .where(WeChatPayKey.partner_id == partner_id)
        .order_by(WeChatPayKey.created_at, WeChatPayKey.id),
        execution_options=_AS_IT_STANDS,
    )
    return [row for row in rows if not _has_passed(row.expires_at)]


def _newest_public_key_id(stored: Iterable[WeChatPayKey]) -> str | None:
    ids = [key.serial for key in stored if key.kind is WeChatPayKeyKind.PUBLIC_KEY]
    return ids[-1] if ids else None


def _newest_certificate(stored: Iterable[WeChatPayKey]) -> str | None:
    held = [key for key in stored if key.kind is WeChatPayKeyKind.CERTIFICATE]
    newest = max(held, key=lambda key: key.effective_at or key.created_at, default=None)
    return None if newest is None else newest.serial


def _public_key(pem: str) -> RSAPublicKey:
    key_loads.labels("public").inc()
    return read_public_key(pem)
