"""Opening what WeChat Pay encrypted for us, and sealing the few fields it wants sealed.

AES-GCM protects notifications and certificates with the APIv3 key; RSA-OAEP (SHA-1, as every
official kit does it) protects single sensitive fields. WeChat Pay documents: "如何解密回调报文",
"如何加解密敏感字段". The rule that an APIv3 key has 32 bytes belongs to where keys are stored.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1

from partner.wechatpay.errors import Undecryptable

ALGORITHM: Final = "AEAD_AES_256_GCM"
_OAEP: Final = OAEP(mgf=MGF1(SHA1()), algorithm=SHA1(), label=None)  # noqa: S303


def open_resource(
    api_v3_keys: Sequence[bytes],
    nonce: str,
    associated_data: str | None,
    ciphertext_b64: str,
) -> bytes:
    """Decrypt with the first key that fits; hand the current key first, then its predecessors.

    A key that was replaced still opens what WeChat Pay encrypted before and delivers late. Raises
    `Undecryptable` when no key fits or the ciphertext is not one.
    """
    try:
        sealed = base64.b64decode(ciphertext_b64, validate=True)
    except ValueError as error:
        raise Undecryptable("The ciphertext is not Base64.") from error
    additional = associated_data.encode() if associated_data else None
    for key in api_v3_keys:
        try:
            return AESGCM(key).decrypt(nonce.encode(), sealed, additional)
        except (InvalidTag, ValueError):
            continue
    raise Undecryptable("No APIv3 key in force opens the ciphertext.")


def seal_field(public_key: RSAPublicKey, plaintext: str) -> str:
    """Encrypt one sensitive field; ValueError when it is longer than the key can take."""
    return base64.b64encode(public_key.encrypt(plaintext.encode(), _OAEP)).decode("ascii")


def open_field(private_key: RSAPrivateKey, ciphertext_b64: str) -> str:
    """Decrypt one sensitive field with the merchant's private key, or raise `Undecryptable`."""
    try:
        sealed = base64.b64decode(ciphertext_b64, validate=True)
        return private_key.decrypt(sealed, _OAEP).decode("utf-8")
    except (ValueError, binascii.Error) as error:
        raise Undecryptable("The field was not sealed for this key.") from error
