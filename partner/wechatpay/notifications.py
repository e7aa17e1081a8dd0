"""WeChat Pay's calls to us: proven first (`verification`), then read, then decrypted.

The three steps fail apart, because each has its own answer: `Untrusted` is turned away with 4xx,
`Malformed` and `Undecryptable` are genuine calls a person must look at. Nothing is decided about
them here. WeChat Pay document: "支付成功回调通知".
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from partner.wechatpay import wire
from partner.wechatpay.ciphers import ALGORITHM, open_resource
from partner.wechatpay.errors import Malformed

RESOURCE_TYPE: Final = "encrypt-resource"
_LONGEST_NAME: Final = 64
_LONGEST_SUMMARY: Final = 256
_LONGEST_CIPHERTEXT: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Envelope:
    """What can be read of a notification before it is decrypted."""

    id: str
    event_type: str
    resource_type: str
    original_type: str
    create_time: datetime
    summary: str
    nonce: str = field(repr=False)
    associated_data: str | None = field(repr=False)
    ciphertext: str = field(repr=False)

    def decrypted(self, api_v3_keys: Sequence[bytes]) -> bytes:
        """The plaintext bytes, or `Undecryptable`."""
        return open_resource(api_v3_keys, self.nonce, self.associated_data, self.ciphertext)


def read_envelope(body: bytes) -> Envelope:
    """The envelope of a notification whose signature has been verified, or `Malformed`."""
    message = wire.read_object(body)
    resource = wire.optional_object(message, "resource")
    if wire.text(resource, "algorithm", longest=_LONGEST_NAME) != ALGORITHM:
        raise Malformed("algorithm is not one we know.")
    resource_type = wire.text(message, "resource_type", longest=_LONGEST_NAME)
    if resource_type != RESOURCE_TYPE:
        raise Malformed("resource_type is not one we know.")
    return Envelope(
        id=wire.text(message, "id", longest=_LONGEST_NAME),
        event_type=wire.text(message, "event_type", longest=_LONGEST_NAME),
        resource_type=resource_type,
        original_type=wire.text(resource, "original_type", longest=_LONGEST_NAME),
        create_time=wire.moment(message, "create_time"),
        summary=wire.optional_text(message, "summary", longest=_LONGEST_SUMMARY) or "",
        nonce=wire.text(resource, "nonce", longest=_LONGEST_NAME),
        associated_data=wire.optional_text(resource, "associated_data", longest=_LONGEST_NAME),
        ciphertext=wire.text(resource, "ciphertext", longest=_LONGEST_CIPHERTEXT),
    )
