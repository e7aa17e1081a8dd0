"""Downloading WeChat Pay's platform certificates, the first time included.

The first reply is signed by a certificate nobody has seen yet. It is accepted because only WeChat
Pay could encrypt it with our APIv3 key, and then has to verify with what it delivered. Storing and
refreshing the certificates happens elsewhere. WeChat Pay document: "获取平台证书列表".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from partner.wechatpay import wire
from partner.wechatpay.ciphers import ALGORITHM, open_resource
from partner.wechatpay.errors import Malformed, OutcomeUnknown, UnknownReason
from partner.wechatpay.transport import Transport, path
from partner.wechatpay.verification import Verifier

MAX_CERTIFICATES: Final = 16  # one is usual, two during a rotation
_LONGEST_NAME: Final = 64
_LONGEST_CIPHERTEXT: Final = 65_536


@dataclass(frozen=True, slots=True)
class DownloadedCertificate:
    """One platform certificate; `serial_no` is what `Wechatpay-Serial` will say."""

    serial_no: str
    effective_at: datetime
    expires_at: datetime
    pem: bytes = field(repr=False)
    public_key: RSAPublicKey = field(repr=False, compare=False)


class Certificates:
    """The platform certificates WeChat Pay uses towards one merchant number."""

    def __init__(self, transport: Transport, api_v3_keys: Sequence[bytes]) -> None:
        self._transport = transport
        self._api_v3_keys = tuple(api_v3_keys)

    def download(self) -> list[DownloadedCertificate]:
        """Every certificate in force, verified.

        `Refused` with RESOURCE_NOT_EXISTS means this merchant number has a public key only, which
        is no outage. `Undecryptable` means our APIv3 key is not the one WeChat Pay knows.
        """
        reply = self._transport.send(
            "GET",
            path("v3", "certificates"),
            repeatable=True,
            endpoint="certificates",
            verifier_for=self._verifier_for,
        )
        try:
            return read_certificates(reply, self._api_v3_keys)
        except Malformed as error:
            raise OutcomeUnknown(UnknownReason.REPLY_MALFORMED, error) from error

    def _verifier_for(self, body: bytes) -> Verifier:
        known = self._transport.verifier_source()
        try:
            delivered = read_certificates(body, self._api_v3_keys)
        except Malformed:
            return known  # an error page or worse: it has to prove itself with a key we hold
        return known.with_keys({each.serial_no: each.public_key for each in delivered})


def read_certificates(body: bytes, api_v3_keys: Sequence[bytes]) -> list[DownloadedCertificate]:
    """Decrypt a certificate list; raises `Malformed` or `Undecryptable`. Verifies no signature."""
    entries = wire.read_object(body).get("data")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_CERTIFICATES:
        raise Malformed("data is not a list of certificates.")
    return [_read_certificate(entry, api_v3_keys) for entry in entries]


def _read_certificate(entry: object, api_v3_keys: Sequence[bytes]) -> DownloadedCertificate:
    if not isinstance(entry, Mapping):
        raise Malformed("data holds something that is not a certificate.")
    sealed = wire.optional_object(entry, "encrypt_certificate")
    if wire.text(sealed, "algorithm", longest=_LONGEST_NAME) != ALGORITHM:
        raise Malformed("algorithm is not one we know.")
    pem = open_resource(
        api_v3_keys,
        wire.text(sealed, "nonce", longest=_LONGEST_NAME),
        wire.optional_text(sealed, "associated_data", longest=_LONGEST_NAME),
        wire.text(sealed, "ciphertext", longest=_LONGEST_CIPHERTEXT),
    )
    serial_no = wire.text(entry, "serial_no", longest=_LONGEST_NAME)
    return DownloadedCertificate(
        serial_no=serial_no,
        effective_at=_lenient_moment(entry, "effective_time"),
        expires_at=_lenient_moment(entry, "expire_time"),
        pem=pem,
        public_key=_public_key(pem, serial_no),
    )


def _public_key(pem: bytes, serial_no: str) -> RSAPublicKey:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        public_key = certificate.public_key()
    except ValueError as error:
        raise Malformed("A delivered certificate is not an X.509 certificate.") from error
    if f"{certificate.serial_number:X}" != serial_no.lstrip("0").upper():
        raise Malformed("serial_no is not that of the certificate beside it.")
    if not isinstance(public_key, RSAPublicKey):
        raise Malformed("A delivered certificate holds no RSA key.")
    return public_key


def _lenient_moment(entry: Mapping[str, object], name: str) -> datetime:
    """A time as published samples have it: padded with blanks, or without offset (Beijing then)."""
    value = wire.text(entry, name, longest=_LONGEST_NAME).strip()
    try:
        return wire.parse_moment(value, name)
    except Malformed:
        return wire.parse_moment(value + "+08:00", name)
