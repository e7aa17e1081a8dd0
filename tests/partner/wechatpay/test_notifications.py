"""WeChat Pay's calls to us: opened when genuine, told apart by how far they got when not."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from partner.wechatpay import wire
from partner.wechatpay.errors import Malformed, Undecryptable, Untrusted
from partner.wechatpay.notifications import Envelope, read_envelope
from partner.wechatpay.resources.transactions import Transaction
from partner.wechatpay.verification import Verifier
from tests.partner.wechatpay.conftest import API_V3_KEY, PLATFORM_SERIAL
from tests.partner.wechatpay.sealing import (
    NOW,
    PAID,
    envelope,
    json_bytes,
    sealed,
    signed_headers,
)

OLD_KEY = b"vutsrqponmlkjihgfedcba9876543210"


class Notification(NamedTuple):
    """One that was proven, read and decrypted."""

    verified_by: str
    envelope: Envelope
    plaintext: Mapping[str, object]


Opener = Callable[..., Notification]


def opened_by(
    verifier: Verifier, headers: dict[str, str], body: bytes, keys: Sequence[bytes]
) -> Notification:
    """The three steps, in the platform's order."""
    proof = verifier.verify(headers, body)
    envelope = read_envelope(body)
    return Notification(proof.serial, envelope, wire.read_object(envelope.decrypted(keys)))


@pytest.fixture(scope="module")
def opened(platform_key: RSAPrivateKey) -> Opener:
    """Sign a body as WeChat Pay and open it as we do."""
    verifier = Verifier({PLATFORM_SERIAL: platform_key.public_key()}, now=lambda: NOW)

    def open_signed(body: bytes, keys: tuple[bytes, ...] = (API_V3_KEY,)) -> Notification:
        return opened_by(verifier, signed_headers(platform_key, body), body, keys)

    return open_signed


def test_a_genuine_notification_opens_to_what_was_paid(opened: Opener) -> None:
    notification = opened(envelope(sealed(json_bytes(PAID))))

    paid = Transaction.from_wire(notification.plaintext)
    assert notification.envelope.event_type == "TRANSACTION.SUCCESS"
    assert notification.envelope.original_type == "transaction"
    assert notification.envelope.summary == "支付成功"
    assert notification.envelope.create_time.isoformat() == "2026-03-01T04:01:03+00:00"
    assert notification.verified_by == PLATFORM_SERIAL
    assert notification.plaintext == PAID
    assert (paid.is_paid, paid.total_fen, paid.payer_total_fen) == (True, 1880, 1780)


@pytest.mark.parametrize("associated_data", [None, "", "transaction"])
def test_associated_data_may_be_missing_or_empty(
    opened: Opener, associated_data: str | None
) -> None:
    resource = sealed(json_bytes(PAID), associated_data=associated_data)

    notification = opened(envelope(resource))

    assert notification.plaintext == PAID


def test_the_previous_key_still_opens_what_arrives_late(opened: Opener) -> None:
    body = envelope(sealed(json_bytes(PAID), key=OLD_KEY))

    notification = opened(body, (API_V3_KEY, OLD_KEY))

    assert notification.plaintext == PAID
    with pytest.raises(Undecryptable):
        opened(body, (API_V3_KEY,))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_captured_notification_admits_no_change_of_a_single_byte(
    platform_key: RSAPrivateKey, data: st.DataObject
) -> None:
    body = envelope(sealed(json_bytes(PAID)))
    headers = signed_headers(platform_key, body)
    verifier = Verifier({PLATFORM_SERIAL: platform_key.public_key()}, now=lambda: NOW)
    at = data.draw(st.integers(0, len(body) - 1))
    changed = body[:at] + bytes([data.draw(st.integers(0, 255))]) + body[at + 1 :]
    assume(changed != body)

    with pytest.raises(Untrusted):
        opened_by(verifier, headers, changed, [API_V3_KEY])
    assert opened_by(verifier, headers, body, [API_V3_KEY]).plaintext == PAID


@pytest.mark.parametrize("field", ["ciphertext", "nonce", "associated_data"])
def test_a_resource_that_was_tampered_with_does_not_open(opened: Opener, field: str) -> None:
    resource = sealed(json_bytes(PAID))
    first = resource[field][0]
    resource[field] = ("B" if first == "A" else "A") + resource[field][1:]

    with pytest.raises(Undecryptable):
        opened(envelope(resource))


@pytest.mark.parametrize("ciphertext", ["not Base64!", "AAAA", "密文"])
def test_a_ciphertext_that_is_none_does_not_open(opened: Opener, ciphertext: str) -> None:
    resource = sealed(json_bytes(PAID)) | {"ciphertext": ciphertext}

    with pytest.raises(Undecryptable):
        opened(envelope(resource))


@pytest.mark.parametrize("nonce", ["x", "n" * 64, "nøncenøncé"])
def test_a_nonce_of_the_wrong_size_does_not_crash(opened: Opener, nonce: str) -> None:
    resource = sealed(json_bytes(PAID)) | {"nonce": nonce}

    with pytest.raises(Undecryptable):
        opened(envelope(resource))


@pytest.mark.parametrize(
    "changes",
    [
        {"id": None},
        {"id": 7},
        {"id": "x" * 65},
        {"event_type": ["TRANSACTION.SUCCESS"]},
        {"event_type": ""},
        {"create_time": "yesterday"},
        {"create_time": 1772337600},
        {"create_time": "2026-02-30T00:00:00Z"},
        {"resource_type": "plain-resource"},
        {"resource": None},
        {"resource": "text"},
        {"resource": []},
        {"resource": {"algorithm": "AEAD_SM4_GCM"}},
        {"summary": {}},
    ],
)
def test_a_signed_envelope_of_the_wrong_shape_is_malformed(
    opened: Opener, changes: dict[str, object]
) -> None:
    body = envelope(sealed(json_bytes(PAID)), **changes)

    with pytest.raises(Malformed):
        opened(body)


BAD_JSON = [
    b"",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b'{"a":1,"a":1}',
    b'{"b":{"a":1,"a":2}}',
    b'{"a":NaN}',
    b'{"a":-Infinity}',
    b'{"a":1e999}',
    b'{"a":9223372036854775808}',
    b'{"a":' + b"9" * 5000 + b"}",
    b'{"a":' * 33 + b"1" + b"}" * 33,
    b'{"a":' + b"[" * 60_000,
    b'{"a":' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    b'{"a":"\xff"}',
    b'\xef\xbb\xbf{"a":1}',
    '{"a":1}'.encode("utf-16"),
    b'{"a":"\\ud800"}',
    b'{"\\udfff":1}',
    b'{"a":"\\u0000"}',
    b'{"a":1} x',
    b"{'a':1}",
    b'{"a":1,}',
    b'{"a":"\n"}',
]


@pytest.mark.parametrize("text", BAD_JSON)
def test_bad_json_is_malformed_in_the_envelope_and_in_the_plaintext(
    opened: Opener, text: bytes
) -> None:
    with pytest.raises(Malformed):
        opened(text)
    with pytest.raises(Malformed):
        opened(envelope(sealed(text)))


def test_fields_of_tomorrow_are_ignored(opened: Opener) -> None:
    tomorrow = {"new": {"a": [1, 2.5, None, True]}, "emoji": "\U0001f600"}

    notification = opened(envelope(sealed(json_bytes(PAID | tomorrow)), novelty=[{}]))

    assert notification.plaintext == PAID | tomorrow
    assert Transaction.from_wire(notification.plaintext).is_paid


def test_what_is_sealed_does_not_show_when_an_envelope_is_printed(opened: Opener) -> None:
    resource = sealed(json_bytes(PAID))

    printed = repr(opened(envelope(resource)).envelope)

    assert resource["ciphertext"] not in printed
    assert resource["nonce"] not in printed
