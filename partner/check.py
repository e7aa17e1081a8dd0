"""Prove a provider's credentials against WeChat Pay itself, and say which input is wrong.

Signs, calls, verifies and decrypts for real, with the keys as they are stored. The certificate list
proves the signature and the API v3 key; the self-test proves WeChat Pay's public key, where it is
offered. Nothing is changed. WeChat Pay names a fault in words only, so its words are read here; a
text nobody has seen yet is passed on as it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from sqlalchemy import select

from config.clock import now
from config.database import db, release
from config.vault import VaultError
from partner.errors import PartnerWithoutKey
from partner.gateway import Credentials, gateway, load_credentials
from partner.key_material import Unusable, read_certificate
from partner.models import KeyState, MerchantKey, Partner
from partner.presenter import EXPIRY_NOTICE
from partner.wechatpay.client import WeChatPayClient
from partner.wechatpay.errors import (
    Distrust,
    OutcomeUnknown,
    Refused,
    Undecryptable,
    UnknownReason,
    Untrusted,
    WeChatPayError,
)
from partner.wechatpay.verification import Headers, VerifiedBy, Verifier

SIGNED_INPUTS: Final = ("host", "clock", "sp_mchid", "serial_no", "private_key")

# WeChat Pay's words for a refused signature, each with the input that is to blame.
_WORDS: Final = (
    (("timestamp", "时间"), "clock"),
    (("未设置APIv3",), "api_v3_key"),
    (("序列号", "过期", "作废", "更换证书", "未申请"), "serial_no"),
    (("签名", "sign"), "private_key"),
)
_NO_CONNECTION: Final = frozenset(
    {UnknownReason.NO_CONNECTION, UnknownReason.CONNECTION_LOST, UnknownReason.TIMED_OUT}
)


@dataclass(frozen=True, slots=True)
class Check:
    """One input and whether it is right."""

    check: str
    ok: bool
    explanation: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found; an input that could not be reached for a fault before it is not listed."""

    sp_mchid: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every input that was reached is right."""
        return all(check.ok for check in self.checks)

    def as_dict(self) -> dict[str, object]:
        """The report as commands print it."""
        return {
            "sp_mchid": self.sp_mchid,
            "ok": self.ok,
            "checks": [
                {"check": each.check, "ok": each.ok, "explanation": each.explanation}
                for each in self.checks
            ],
        }


class _Witness(Verifier):
    """A verifier that remembers whose key the last message named."""

    def __init__(self, keys: Mapping[str, RSAPublicKey]) -> None:
        super().__init__(keys)
        self.seen_serial = ""

    def verify(self, headers: Headers, body: bytes) -> VerifiedBy:
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        named = [value for name, value in pairs if name.lower() == "wechatpay-serial"]
        self.seen_serial = str(named[0]) if named else ""
        return super().verify(headers, body)


def check_partner(partner: Partner) -> CheckReport:
    """Ask WeChat Pay, and report on every input. Never raises for what WeChat Pay answers."""
    return CheckReport(partner.sp_mchid, tuple(_checks(partner)))


def _checks(partner: Partner) -> Iterator[Check]:
    try:
        credentials = load_credentials(partner.id)
    except (PartnerWithoutKey, VaultError, Unusable, ValueError) as error:
        yield Check("stored_keys", False, f"The stored keys cannot be used: {error}")
        return
    certificate = _stored_certificate(partner.id)
    release()
    if certificate is not None:
        yield _expiry(certificate)
    signed = list(_certificates(credentials, certificate))
    yield from signed
    if all(check.ok for check in signed if check.check in SIGNED_INPUTS):
        yield from _public_key(credentials)


def _stored_certificate(partner_id: str) -> MerchantKey | None:
    here = select(MerchantKey).where(
        MerchantKey.partner_id == partner_id,
        MerchantKey.state == KeyState.ACTIVE,
        MerchantKey.certificate_pem.is_not(None),
    )
    return db.session.scalar(here, execution_options={"populate_existing": True})


def _expiry(key: MerchantKey) -> Check:
    if key.expires_at is None or key.expires_at > now() + EXPIRY_NOTICE:
        until = f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "without an end"
        return Check("merchant_certificate", True, f"{key.serial_no} is valid {until}.")
    if key.expires_at <= now():
        told = f"{key.serial_no} expired on {key.expires_at:%Y-%m-%d}. Rotate the key now."
        return Check("merchant_certificate", False, told)
    told = f"{key.serial_no} ends on {key.expires_at:%Y-%m-%d}. Rotate the key before that."
    return Check("merchant_certificate", True, told)


def _certificates(credentials: Credentials, certificate: MerchantKey | None) -> Iterator[Check]:
    """Without the public-key header, so that a certificate signs and the list proves itself."""
    client = _client(credentials, Verifier(credentials.keys), None)
    try:
        downloaded = client.certificates.download()
    except Undecryptable:
        yield from _signed_well()
        told = "It does not open what WeChat Pay sealed. Set the key that the platform shows anew."
        yield Check("api_v3_key", False, told)
    except Refused as refusal:
        yield from _refused(refusal, credentials, certificate)
    except WeChatPayError as error:
        yield from _not_answered(error, "platform_certificates")
    else:
        yield from _signed_well()
        yield Check("api_v3_key", True, "It opened what WeChat Pay sealed with it.")
        told = f"{len(downloaded)} in force, and the reply was signed by one of WeChat Pay's keys."
        yield Check("platform_certificates", True, told)


def _client(
    credentials: Credentials, verifier: Verifier, public_key_id: str | None
) -> WeChatPayClient:
    transport = gateway().unshared_transport(credentials, verifier, public_key_id)
    # The current key alone: that the one before still opens would hide that this one does not.
    return WeChatPayClient(transport, credentials.api_v3_keys[:1])


def _signed_well() -> Iterator[Check]:
    said = {
        "host": "WeChat Pay answers.",
        "clock": "This machine's clock agrees with WeChat Pay's.",
        "sp_mchid": "WeChat Pay knows the number.",
        "serial_no": "The certificate's serial number belongs to it.",
        "private_key": "WeChat Pay verified a signature made with it.",
    }
    for name in SIGNED_INPUTS:
        yield Check(name, True, said[name])


def _refused(
    refusal: Refused, credentials: Credentials, certificate: MerchantKey | None
) -> Iterator[Check]:
    told = f"WeChat Pay says: {refusal.status} {refusal.code} {refusal.message}".rstrip()
    if refusal.status == 404 and refusal.code == "RESOURCE_NOT_EXISTS":
        yield from _signed_well()
        yield Check("platform_certificates", True, "None: this number has the public key only.")
        told = "WeChat Pay sealed nothing in this check; the first notification will prove it."
        yield Check("api_v3_key", True, told)
        return
    yield Check("host", True, "WeChat Pay answers.")
    if refusal.code == "MCH_NOT_EXISTS":
        yield Check("sp_mchid", False, f"WeChat Pay does not know the number. {told}")
    elif refusal.code == "SIGN_ERROR":
        yield from _sign_error(refusal, credentials, certificate)
    else:
        yield Check("wechatpay", False, told)


def _sign_error(
    refusal: Refused, credentials: Credentials, certificate: MerchantKey | None
) -> Iterator[Check]:
    blamed = next(
        (name for words, name in _WORDS if any(word in refusal.message for word in words)), None
    )
    serial_no, told = credentials.signer.serial_no, f"WeChat Pay says: {refusal.message}"
    if blamed == "clock":
        yield Check("clock", False, f"It is more than five minutes off; run NTP. {told}")
    elif blamed == "api_v3_key":
        yield Check("api_v3_key", False, f"None is set on the platform. {told}")
    elif blamed == "serial_no":
        yield from _serial_to_blame(credentials, certificate, told)
    elif blamed == "private_key":
        yield Check("clock", True, "This machine's clock agrees with WeChat Pay's.")
        yield Check("serial_no", True, f"WeChat Pay knows {serial_no}.")
        explanation = f"It is not the key of certificate {serial_no}; take both from one download."
        yield Check("private_key", False, f"{explanation} {told}")
    else:
        yield Check("wechatpay", False, told)


def _serial_to_blame(
    credentials: Credentials, certificate: MerchantKey | None, told: str
) -> Iterator[Check]:
    serial_no, sp_mchid = credentials.signer.serial_no, credentials.sp_mchid
    explanation = f"{serial_no} is no certificate in force of {sp_mchid}. {told}"
    yield Check("serial_no", False, explanation)
    issued_to = None if certificate is None else _issued_to(certificate)
    if issued_to != sp_mchid:
        # Nothing here ties the serial to the number, so either may be the mistyped one.
        yield Check("sp_mchid", False, f"Or the number itself is wrong: {sp_mchid}.")


def _issued_to(key: MerchantKey) -> str | None:
    return read_certificate(key.certificate_pem or "").mchid


def _public_key(credentials: Credentials) -> Iterator[Check]:
    key_id = credentials.public_key_id
    if key_id is None:
        return
    witness = _Witness({key_id: credentials.keys[key_id]})
    client = _client(credentials, witness, key_id)
    message = secrets.token_hex(8)
    calls: tuple[Callable[[], object], ...] = (
        lambda: client.echo.ask(message),
        client.certificates.download,
    )
    for call in calls:
        try:
            call()
        except Refused:
            continue  # not offered to this number, or not on this host: the next call may be
        except WeChatPayError as error:
            yield from _distrusted(error, key_id, witness.seen_serial)
            return
        if witness.seen_serial == key_id:
            yield Check("wechatpay_public_key", True, f"A reply signed by {key_id} verified.")
            return
        break
    told = "No call that WeChat Pay signs with it was to be had; a notification will prove it."
    yield Check("wechatpay_public_key", True, told)


def _distrusted(error: WeChatPayError, key_id: str, seen_serial: str) -> Iterator[Check]:
    cause = error.cause if isinstance(error, OutcomeUnknown) else None
    reason = cause.reason if isinstance(cause, Untrusted) else None
    if reason is Distrust.BAD_SIGNATURE:
        told = f"It does not verify what {key_id} signed: the file is another number's, or older."
        yield Check("wechatpay_public_key", False, told)
    elif reason is Distrust.UNKNOWN_SERIAL and seen_serial.startswith("PUB_KEY_ID_"):
        told = f"WeChat Pay signs with {seen_serial}; the id stored here is {key_id}."
        yield Check("wechatpay_public_key_id", False, told)
    elif reason is Distrust.UNKNOWN_SERIAL:
        told = (
            f"WeChat Pay was asked to sign with {key_id} and signed with certificate "
            f"{seen_serial}: the id is not this number's, or the switch to the public key is not "
            "open on the platform yet."
        )
        yield Check("wechatpay_public_key_id", False, told)
    else:
        yield from _not_answered(error, "wechatpay_public_key")


def _not_answered(error: WeChatPayError, signed_with: str) -> Iterator[Check]:
    cause = error.cause if isinstance(error, OutcomeUnknown) else None
    if isinstance(cause, Untrusted):
        if cause.reason is Distrust.STALE:
            told = "WeChat Pay's reply is dated more than five minutes off; run NTP."
            yield Check("clock", False, told)
        elif cause.reason in (Distrust.MISSING_HEADER, Distrust.MALFORMED):
            told = "The reply came without a signature: this is not WeChat Pay, or a proxy cut it."
            yield Check("host", False, told)
        else:
            yield Check(signed_with, False, f"The reply does not verify: {cause.reason.value}.")
    elif isinstance(error, OutcomeUnknown) and error.reason in _NO_CONNECTION:
        told = f"No connection to WeChat Pay ({error.reason.value}): check host, DNS and firewall."
        yield Check("host", False, told)
    else:
        yield Check("host", False, f"WeChat Pay did not answer as it should: {error}.")
