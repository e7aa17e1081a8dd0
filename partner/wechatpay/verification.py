"""Signatures WeChat Pay makes: over its replies and its notifications. Verify first, read later.

The checks go from cheap to dear and raise nothing but `Untrusted`: headers present and single, of
the right form, fresh, by a key we hold, rightly signed. There is no way around any of them. WeChat
Pay document: "如何验证签名".
"""

import base64
import binascii
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from partner.wechatpay.errors import Distrust, Untrusted
from partner.wechatpay.signing import SCHEME

# Either one value (or a list of them) per name, or plain pairs in which a name may come twice:
# pass what was received without joining it, since a joined header hides that there were two.
Headers = Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]]

WINDOW_S: Final = 300  # WeChat Pay's own kits turn away anything this old or older
PROBE_PREFIX: Final = "WECHATPAY/SIGNTEST/"

_TIMESTAMP: Final = "wechatpay-timestamp"
_NONCE: Final = "wechatpay-nonce"
_SIGNATURE: Final = "wechatpay-signature"
_SERIAL: Final = "wechatpay-serial"
_SIGNATURE_TYPE: Final = "wechatpay-signature-type"
_REQUIRED: Final = (_TIMESTAMP, _NONCE, _SIGNATURE, _SERIAL)
_FORMS: Final = {
    _TIMESTAMP: re.compile(r"[0-9]{1,12}"),
    _NONCE: re.compile(r"[!-+\--~]{1,128}"),  # visible ASCII, but no comma: that is two values
    _SIGNATURE: re.compile(r"[!-+\--~]{1,2048}"),
    _SERIAL: re.compile(r"[0-9A-Za-z_]{1,64}"),
    _SIGNATURE_TYPE: re.compile(re.escape(SCHEME)),
}
HEADERS: Final = tuple(_FORMS)  # all that is read of a message's headers
_PADDING: Final = PKCS1v15()
_SHA256: Final = SHA256()


@dataclass(frozen=True, slots=True)
class VerifiedBy:
    """The proof of a passed verification: whose key made the signature."""

    serial: str


def signed_message(timestamp: str, nonce: str, body: bytes) -> bytes:
    """The three signed lines of a reply or notification, over the raw body bytes."""
    return f"{timestamp}\n{nonce}\n".encode("ascii") + body + b"\n"


class Verifier:
    """Checks messages against a fixed set of keys: certificates by serial, public keys by id.

    The set is replaced by replacing the verifier, so a refresh is one assignment and no message
    ever sees half of it. `now` is wire time in seconds, the machine's own clock.
    """

    def __init__(
        self, keys: Mapping[str, RSAPublicKey], now: Callable[[], float] = time.time
    ) -> None:
        self._keys = dict(keys)
        self._now = now

    def with_keys(self, further: Mapping[str, RSAPublicKey]) -> "Verifier":
        """A verifier that knows `further` keys too; a key it already holds is never replaced."""
        return Verifier({**further, **self._keys}, self._now)

    def verify(self, headers: Headers, body: bytes) -> VerifiedBy:
        """Prove that WeChat Pay signed these raw bytes just now, or raise `Untrusted`."""
        found = _single_values(headers)
        probe = found.get(_SIGNATURE, "").startswith(PROBE_PREFIX)
        if abs(int(self._now()) - int(found[_TIMESTAMP])) >= WINDOW_S:
            raise Untrusted(Distrust.STALE, is_signature_probe=probe)
        key = self._keys.get(found[_SERIAL])
        if key is None:
            raise Untrusted(Distrust.UNKNOWN_SERIAL, is_signature_probe=probe)
        message = signed_message(found[_TIMESTAMP], found[_NONCE], body)
        try:
            key.verify(_decoded(found[_SIGNATURE]), message, _PADDING, _SHA256)
        except (InvalidSignature, binascii.Error) as error:
            raise Untrusted(Distrust.BAD_SIGNATURE, is_signature_probe=probe) from error
        return VerifiedBy(serial=found[_SERIAL])


def _single_values(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers.items() if isinstance(headers, Mapping) else headers:
        folded = name.lower()
        if folded not in _FORMS:
            continue
        values = [value] if isinstance(value, str) else list(value)
        if len(values) != 1 or folded in found:
            raise Untrusted(Distrust.MALFORMED)
        found[folded] = values[0]
    probe = found.get(_SIGNATURE, "").startswith(PROBE_PREFIX)
    if not all(found.get(name) for name in _REQUIRED):
        raise Untrusted(Distrust.MISSING_HEADER, is_signature_probe=probe)
    if not all(_FORMS[name].fullmatch(value) for name, value in found.items()):
        raise Untrusted(Distrust.MALFORMED, is_signature_probe=probe)
    return found


def _decoded(signature: str) -> bytes:
    # Base64 leaves spare bits that many texts share; only the one canonical text is a signature.
    decoded = base64.b64decode(signature, validate=True)
    if base64.b64encode(decoded).decode("ascii") != signature:
        raise binascii.Error("not canonical Base64")
    return decoded
