"""The simulator's own cryptography: key pairs, certificates, signatures, sealed resources.

Everything here follows WeChat Pay's signing rules (SHA256-RSA2048, AEAD_AES_256_GCM, RSA-OAEP with
SHA-1) and is written apart from the client's code, so that the two check each other.
"""

from __future__ import annotations

import base64
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.x509.oid import NameOID

KEY_BITS = 2048
CERTIFICATE_LIFE = timedelta(days=5 * 365)
NONCE_ALPHABET = string.ascii_letters + string.digits
SIGNATURE_TYPE = "WECHATPAY2-SHA256-RSA2048"

# RSA-OAEP with SHA-1 is what WeChat Pay's rules ask for sensitive fields. SHA-1's collisions do not
# weaken OAEP, and another hash would not be understood by the other side.
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303


def nonce(length: int = 32) -> str:
    return "".join(secrets.choice(NONCE_ALPHABET) for _ in range(length))


def generate_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)


def new_serial() -> int:
    """A certificate serial of exactly 40 hex digits: SDKs that print it without padding stay
    right."""
    return (1 << 158) | secrets.randbits(158)


def serial_text(certificate: x509.Certificate) -> str:
    return f"{certificate.serial_number:040X}"


def issue_certificate(
    *,
    subject: str,
    organisation: str,
    public_key: rsa.RSAPublicKey,
    issuer_key: rsa.RSAPrivateKey,
    now: datetime,
) -> x509.Certificate:
    """A certificate signed by the simulator's own authority."""

    def name(common: str, unit: str) -> x509.Name:
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, unit),
                x509.NameAttribute(NameOID.COMMON_NAME, common),
            ]
        )

    return (
        x509.CertificateBuilder()
        .subject_name(name(subject, organisation))
        .issuer_name(name("WeChat Pay Simulator CA", "WeChat Pay Simulator"))
        .public_key(public_key)
        .serial_number(new_serial())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + CERTIFICATE_LIFE)
        .sign(issuer_key, hashes.SHA256())
    )


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    """PKCS#8, as the merchant platform's certificate tool writes it."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def load_private_key(pem: bytes) -> rsa.RSAPrivateKey:
    """One of the simulator's own keys. ValueError when the text is no RSA private key."""
    # It was generated here, so its primes need no checking; that takes 40 ms at every start.
    key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the key is not an RSA key")
    return key


def load_public_key(pem: bytes) -> rsa.RSAPublicKey:
    """ValueError when the text is no RSA public key."""
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the key is not an RSA key")
    return key


def load_certificate(pem: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem)


def certified_key(certificate: x509.Certificate) -> rsa.RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("the certificate does not carry an RSA key")
    return key


def sign(key: rsa.RSAPrivateKey, message: bytes) -> str:
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def is_signed(key: rsa.RSAPublicKey, message: bytes, signature_b64: str) -> bool:
    """Whether the signature is this key's over exactly these bytes; a broken signature is simply
    not."""
    try:
        signature = base64.b64decode(signature_b64, validate=True)
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        return False
    return True


def seal_resource(api_v3_key: str, plaintext: bytes, associated_data: str) -> dict[str, str]:
    """AEAD_AES_256_GCM as in notifications and certificate downloads: a 12-character nonce, tag at
    the end."""
    iv = nonce(12)
    sealed = AESGCM(api_v3_key.encode()).encrypt(iv.encode(), plaintext, associated_data.encode())
    return {
        "algorithm": "AEAD_AES_256_GCM",
        "nonce": iv,
        "associated_data": associated_data,
        "ciphertext": base64.b64encode(sealed).decode(),
    }


def seal_field(key: rsa.RSAPublicKey, text: str) -> str:
    return base64.b64encode(key.encrypt(text.encode(), _OAEP)).decode()


def open_field(key: rsa.RSAPrivateKey, sealed_b64: str) -> str:
    """ValueError when it was sealed for another key."""
    return key.decrypt(base64.b64decode(sealed_b64, validate=True), _OAEP).decode()


@dataclass(frozen=True)
class SigningKey:
    """One of WeChat Pay's private halves, under the serial (or public key id) it signs as."""

    serial: str
    private_key: rsa.RSAPrivateKey

    def sign(self, message: bytes) -> str:
        return sign(self.private_key, message)


@dataclass(frozen=True)
class PlatformCertificate:
    certificate: x509.Certificate
    signing_key: SigningKey

    @property
    def serial(self) -> str:
        return self.signing_key.serial

    @property
    def effective_at(self) -> datetime:
        return self.certificate.not_valid_before_utc

    @property
    def expires_at(self) -> datetime:
        return self.certificate.not_valid_after_utc


def issue_platform_certificate(issuer_key: rsa.RSAPrivateKey) -> PlatformCertificate:
    key = generate_key()
    certificate = issue_certificate(
        subject="Tenpay.com sign (simulated)",
        organisation="WeChat Pay Simulator",
        public_key=key.public_key(),
        issuer_key=issuer_key,
        now=datetime.now(UTC),
    )
    return PlatformCertificate(certificate, SigningKey(serial_text(certificate), key))
