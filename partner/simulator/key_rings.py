"""Which of WeChat Pay's keys signs for whom: every provider has a ring of its own.

Rings are opened at the start and when a provider is registered, never while it is served. Which
key of a ring signs follows WeChat Pay's rules for the move from platform certificates to the public
key: the request's Wechatpay-Serial asks, the merchant's mode decides.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from dataclasses import replace

from partner.simulator.home import DEFAULT_SP_MCHID, Home, KeyRing
from partner.simulator.keys import PlatformCertificate, SigningKey
from partner.simulator.merchants import Provider


class KeyRings:
    """The rings of all registered providers, in memory for signing and in DIR for the next
    start."""

    def __init__(self, home: Home, sp_mchids: Iterable[str]) -> None:
        self._home = home
        self._lock = threading.Lock()
        self.first = home.open()
        self._rings = {DEFAULT_SP_MCHID: self.first}
        for sp_mchid in sp_mchids:
            self.open(sp_mchid)

    def open(self, sp_mchid: str) -> KeyRing:
        """The ring of a provider that is being registered; made when it is a new one."""
        with self._lock:
            if sp_mchid not in self._rings:
                self._rings = {**self._rings, sp_mchid: self._home.open_ring(sp_mchid)}
            return self._rings[sp_mchid]

    def of(self, sp_mchid: str) -> KeyRing:
        """The ring of a registered provider."""
        return self._rings[sp_mchid]

    def rotate(self, sp_mchid: str) -> PlatformCertificate:
        """A new platform certificate for one provider, beside its old ones."""
        with self._lock:
            return self._home.rotate_certificate(self._rings[sp_mchid])

    def has_several(self) -> bool:
        """Whether there is a foreign key to sign with."""
        return len(self._rings) > 1

    def foreign_key(self, key: SigningKey, sp_mchid: str, own_serial: object) -> SigningKey:
        """Another provider's key of the same kind in place of `key`; with `own_serial` it signs
        under the name of `key` all the same."""
        other = next(ring for ring in self._rings.values() if ring.sp_mchid != sp_mchid)
        is_public_key = key is self.of(sp_mchid).public_key
        foreign = other.public_key if is_public_key else other.certificate.signing_key
        return replace(foreign, serial=key.serial) if own_serial else foreign


def answer_key(ring: KeyRing, provider: Provider, asked_serial: str | None) -> SigningKey:
    """The key that signs an answer to this provider."""
    asked_public_key = asked_serial == ring.public_key.serial
    if provider.key_mode == "public_key" or (provider.key_mode == "both" and asked_public_key):
        return ring.public_key
    return ring.certificate.signing_key


def notification_key(ring: KeyRing, provider: Provider, wants_public_key: int) -> SigningKey:
    """The key for one try of a notification: by the provider's mode, or drawn by the share that is
    being moved over."""
    share = provider.notification_public_key_share
    if provider.key_mode == "both" and share is None:
        # Nobody steers notifications; whoever asks for the public key in answers holds it, though.
        share = 1.0 if wants_public_key else 0.0
    if provider.key_mode == "public_key":
        share = 1.0
    elif provider.key_mode == "certificate" or share is None:
        share = 0.0
    drawn = random.random() < share  # noqa: S311 - a lottery, not a secret
    return ring.public_key if drawn else ring.certificate.signing_key
