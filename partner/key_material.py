"""Reading the keys a person hands in, and saying in words what is wrong with them.

Pure: text in, keys out. Nothing is stored here and no network is asked. Every function that reads
raises `Unusable` with a sentence that never quotes the key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509.oid import NameOID

from config.vault import Secret

MIN_KEY_BITS: Final = 2048
API_V3_KEY_LENGTH: Final = 32

_API_V3_KEY: Final = re.compile(r"[0-9A-Za-z]{32}")
_SERIAL_NO: Final = re.compile(r"[0-9A-Z]{8,40}")
_PUBLIC_KEY_ID: Final = re.compile(r"PUB_KEY_ID_[0-9A-Za-z_]{1,53}")
_ALL_DIGITS: Final = re.compile(r"[0-9]{8,32}")


class Unusable(ValueError):
    """A key that cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class MerchantCertificate:
    """What a merchant API certificate says."""

    serial_no: str  # 40 capital hexadecimal digits, as Authorization carries it
    public_key: RSAPublicKey
    mchid: str | None  # the number it was issued to, where its subject is one
    expires_at: datetime
    pem: str


def read_private_key(pem: Secret) -> RSAPrivateKey:
    """A merchant's private key out of PKCS#8 or PKCS#1 PEM."""
    text = pem.reveal()
    if "CERTIFICATE-----" in text and "PRIVATE KEY-----" not in text:
        raise Unusable("holds a certificate; the private key is in apiclient_key.pem")
    if "PUBLIC KEY-----" in text:
        raise Unusable("holds a public key; the private key is in apiclient_key.pem")
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except TypeError as error:
        raise Unusable("is protected by a password; store it without one") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable("is not a private key in PEM, or it is damaged") from error
    if not isinstance(key, RSAPrivateKey):
        raise Unusable("is not an RSA key; WeChat Pay issues RSA keys")
    if key.key_size < MIN_KEY_BITS:
        raise Unusable(f"has {key.key_size} bits; WeChat Pay's keys have {MIN_KEY_BITS}")
    return key


def normal_private_pem(key: RSAPrivateKey) -> Secret:
    """The same key as PKCS#8, whichever form it came in."""
    return Secret(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def load_stored_private_key(pem: Secret) -> RSAPrivateKey:
    """A key that was checked when it was stored, loaded without checking its primes again."""
    key = load_pem_private_key(
        pem.reveal().encode(), password=None, unsafe_skip_rsa_key_validation=True
    )
    if not isinstance(key, RSAPrivateKey):
        raise Unusable("is not an RSA key")
    return key


def read_certificate(pem: str) -> MerchantCertificate:
    """A merchant API certificate out of PEM."""
    if "PRIVATE KEY-----" in pem and "CERTIFICATE-----" not in pem:
        raise Unusable("holds a private key; the certificate is in apiclient_cert.pem")
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable("is not a certificate in PEM, or it is damaged") from error
    if not isinstance(key, RSAPublicKey):
        raise Unusable("is not a certificate of an RSA key")
    return MerchantCertificate(
        serial_no=f"{certificate.serial_number:040X}",
        public_key=key,
        mchid=_mchid_in(certificate),
        expires_at=certificate.not_valid_after_utc,
        pem=certificate.public_bytes(Encoding.PEM).decode(),
    )


def read_public_key(pem: str) -> RSAPublicKey:
    """A public key, WeChat Pay's own or that inside a platform certificate, out of PEM."""
    if "PRIVATE KEY-----" in pem:
        raise Unusable("holds a private key; WeChat Pay's public key is in pub_key.pem")
    if "BEGIN CERTIFICATE-----" in pem:
        return read_certificate(pem).public_key
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable("is not a public key in PEM, or it is damaged") from error
    if not isinstance(key, RSAPublicKey):
        raise Unusable("is not an RSA key; WeChat Pay's is")
    return key


def normal_public_pem(key: RSAPublicKey) -> str:
    """The key as SubjectPublicKeyInfo, the form WeChat Pay hands out."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def read_api_v3_key(text: Secret) -> Secret:
    """An API v3 key without the line end its file may carry."""
    key = text.reveal().rstrip("\r\n")
    if not _API_V3_KEY.fullmatch(key):
        found = "" if len(key) == API_V3_KEY_LENGTH else f"; it has {len(key)} characters"
        raise Unusable(f"must be exactly {API_V3_KEY_LENGTH} ASCII letters or digits{found}")
    return Secret(key)


def read_serial_no(text: str) -> str:
    """A certificate's serial number as WeChat Pay writes it."""
    serial_no = text.strip().replace(":", "").upper()
    if not _SERIAL_NO.fullmatch(serial_no):
        raise Unusable(
            "must be the 40 hexadecimal digits that "
            "`openssl x509 -in apiclient_cert.pem -noout -serial` prints"
        )
    return serial_no


def read_public_key_id(text: str) -> str:
    """The id WeChat Pay gave its public key."""
    key_id = text.strip()
    if not _PUBLIC_KEY_ID.fullmatch(key_id):
        raise Unusable("must be PUB_KEY_ID_ and the digits shown beside the key")
    return key_id


def belongs_together(private_key: RSAPrivateKey, certificate: MerchantCertificate) -> bool:
    """Whether the certificate was issued for this private key."""
    return private_key.public_key().public_numbers() == certificate.public_key.public_numbers()


def _mchid_in(certificate: x509.Certificate) -> str | None:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    name = str(names[0].value) if names else ""
    return name if _ALL_DIGITS.fullmatch(name) else None
