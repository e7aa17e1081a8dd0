"""Keys and certificates as a merchant platform issues them, for tests to hand in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cryptography.x509.oid import NameOID

SP_MCHID = "1900006001"
API_V3_KEY = "K" * 31 + "1"
OTHER_API_V3_KEY = "L" * 31 + "2"
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000060012026010100000000"


@cache
def rsa_key(name: str = "first") -> rsa.RSAPrivateKey:
    """A real key for each name, made once."""
    assert name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def small_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


def pkcs8(key: rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def pkcs1(key: rsa.RSAPrivateKey) -> str:
    form = PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def locked_by_password(key: rsa.RSAPrivateKey) -> str:
    lock = BestAvailableEncryption(b"a password")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock).decode()


def elliptic() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: rsa.RSAPrivateKey) -> str:
    form = PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(Encoding.PEM, form).decode()


def certificate(
    key: rsa.RSAPrivateKey,
    *,
    subject: str = SP_MCHID,
    serial: int = 0x0A5157F09EFDC096DE15EBE81A47057A7232F1B8,
    ends: datetime | None = None,
) -> str:
    """A merchant API certificate: subject is the merchant number, five years by default."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    end = ends or datetime.now(UTC) + timedelta(days=5 * 365)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(end - timedelta(days=5 * 366))
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
        .decode()
    )
