"""What a person hands in for a provider, read and judged as a whole.

`read_keys` answers what could be read together with every fault, so that nobody mends one mistake
only to be told of the next. A value that is None was not handed in and is not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from config.clock import now
from config.vault import Secret
from partner import key_material as material
from partner.errors import Fault
from partner.numbers import appid_fault, currency_fault, mchid_fault, name_fault

MAX_APPID_LIMIT: Final = 20

_Read = TypeVar("_Read")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class MerchantKeyInput:
    """A private key and the serial number of its certificate."""

    private_key: RSAPrivateKey = field(repr=False)
    serial_no: str
    certificate: material.MerchantCertificate | None


@dataclass(frozen=True, slots=True)
class PublicKeyInput:
    """WeChat Pay's public key and its id."""

    key_id: str
    key: RSAPublicKey = field(repr=False)


@dataclass(slots=True)
class KeysRead:
    """What could be read; a part is None when it was not handed in or has a fault."""

    merchant: MerchantKeyInput | None = None
    api_v3_key: Secret | None = None
    wechatpay: PublicKeyInput | None = None
    faults: list[Fault] = field(default_factory=list)


def required(value: _Value | None) -> _Value:
    """A part that was handed in and had no fault."""
    if value is None:
        raise RuntimeError("A key was used although it was not read.")
    return value


def identity_faults(
    sp_mchid: str, name: str, currency: str, sp_appids: Sequence[str], appid_limit: int
) -> list[Fault]:
    """Every fault in who the provider is."""
    judged = {
        "sp_mchid": mchid_fault(sp_mchid),
        "name": name_fault(name),
        "currency": currency_fault(currency),
    }
    faults = [Fault(name, problem) for name, problem in judged.items() if problem]
    return faults + appid_faults(sp_appids, appid_limit)


def appid_faults(sp_appids: Sequence[str], appid_limit: int) -> list[Fault]:
    """Every fault in a provider's set of appids."""
    faults = [Fault("sp_appid", problem) for each in sp_appids if (problem := appid_fault(each))]
    if not sp_appids:
        faults.append(Fault("sp_appid", "at least one is needed"))
    if len(set(sp_appids)) != len(sp_appids):
        faults.append(Fault("sp_appid", "the same appid is given twice"))
    if not 1 <= appid_limit <= MAX_APPID_LIMIT:
        faults.append(Fault("appid_limit", f"must be between 1 and {MAX_APPID_LIMIT}"))
    elif len(sp_appids) > appid_limit:
        problem = f"this merchant number may bind {appid_limit}; --appid-limit raises that"
        faults.append(Fault("sp_appid", problem))
    return faults


def read_keys(
    *,
    sp_mchid: str,
    private_key_pem: Secret | None = None,
    certificate_pem: str | None = None,
    serial_no: str | None = None,
    api_v3_key: Secret | None = None,
    wechatpay_public_key_pem: str | None = None,
    wechatpay_public_key_id: str | None = None,
) -> KeysRead:
    """Read whatever keys were handed in, and collect every fault in them."""
    read = KeysRead()
    private_key = _tried(read, "private_key", material.read_private_key, private_key_pem)
    certificate = _tried(read, "certificate", material.read_certificate, certificate_pem)
    given_serial = _tried(read, "serial_no", material.read_serial_no, serial_no)
    read.api_v3_key = _tried(read, "api_v3_key", material.read_api_v3_key, api_v3_key)
    key_id = _tried(
        read,
        "wechatpay_public_key_id",
        material.read_public_key_id,
        wechatpay_public_key_id,
    )
    public_key = _tried(
        read, "wechatpay_public_key", material.read_public_key, wechatpay_public_key_pem
    )
    if certificate is not None:
        read.faults.extend(_certificate_faults(certificate, sp_mchid, private_key, given_serial))
    if private_key_pem is not None and certificate_pem is None and serial_no is None:
        read.faults.append(Fault("certificate", "give the certificate or its serial number"))
    if (wechatpay_public_key_pem is None) != (wechatpay_public_key_id is None):
        read.faults.append(
            Fault("wechatpay_public_key", "give the public key and its id together, or neither")
        )
    number = certificate.serial_no if certificate else given_serial
    if private_key is not None and number is not None:
        read.merchant = MerchantKeyInput(private_key, number, certificate)
    if key_id is not None and public_key is not None:
        read.wechatpay = PublicKeyInput(key_id, public_key)
    return read


def _certificate_faults(
    certificate: material.MerchantCertificate,
    sp_mchid: str,
    private_key: RSAPrivateKey | None,
    given_serial: str | None,
) -> list[Fault]:
    faults = []
    if private_key is not None and not material.belongs_together(private_key, certificate):
        faults.append(Fault("private_key", "is not the key this certificate was issued for"))
    if certificate.expires_at <= now():
        faults.append(Fault("certificate", f"expired on {certificate.expires_at:%Y-%m-%d}"))
    if certificate.mchid not in (None, sp_mchid):
        faults.append(Fault("certificate", f"was issued to merchant number {certificate.mchid}"))
    if given_serial not in (None, certificate.serial_no):
        problem = f"is not that of the certificate, which is {certificate.serial_no}"
        faults.append(Fault("serial_no", problem))
    return faults


def _tried(
    read: KeysRead, name: str, reader: Callable[[_Value], _Read], value: _Value | None
) -> _Read | None:
    if value is None:
        return None
    try:
        return reader(value)
    except material.Unusable as problem:
        read.faults.append(Fault(name, str(problem)))
        return None
