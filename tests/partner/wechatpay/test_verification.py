"""Messages that prove themselves, and all the ways in which they fail to."""

import base64
from collections.abc import Mapping, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from partner.wechatpay.errors import Distrust, Untrusted
from partner.wechatpay.verification import PROBE_PREFIX, Headers, Verifier
from tests.partner.wechatpay.conftest import PLATFORM_SERIAL
from tests.partner.wechatpay.sealing import NOW, signed_headers

BODY = '{"code_url":"微信"}'.encode()
SIGNED_NAMES = (
    "Wechatpay-Timestamp",
    "Wechatpay-Nonce",
    "Wechatpay-Signature",
    "Wechatpay-Serial",
)


@pytest.fixture(scope="module")
def at_now(platform_key: RSAPrivateKey) -> Verifier:
    return Verifier({PLATFORM_SERIAL: platform_key.public_key()}, now=lambda: NOW)


@pytest.fixture(scope="module")
def headers(platform_key: RSAPrivateKey) -> dict[str, str]:
    return signed_headers(platform_key, BODY)


def distrust(verifier: Verifier, headers: Headers, body: bytes = BODY) -> Untrusted:
    with pytest.raises(Untrusted) as raised:
        verifier.verify(headers, body)
    return raised.value


def test_a_rightly_signed_message_names_the_key_that_signed_it(
    at_now: Verifier, headers: dict[str, str]
) -> None:
    proof = at_now.verify(headers, BODY)

    assert proof.serial == PLATFORM_SERIAL


def test_header_names_are_read_in_any_case_and_as_pairs_too(
    at_now: Verifier, headers: dict[str, str]
) -> None:
    shouted: dict[str, str | Sequence[str]] = {k.upper(): [v] for k, v in headers.items()}

    assert at_now.verify(shouted, BODY).serial == PLATFORM_SERIAL
    assert at_now.verify([*headers.items(), ("Accept", "a"), ("Accept", "b")], BODY)


@settings(max_examples=60, deadline=None)
@given(body=st.binary(max_size=500))
def test_whatever_bytes_were_signed_verify_and_no_others(
    platform_key: RSAPrivateKey, body: bytes
) -> None:
    verifier = Verifier({PLATFORM_SERIAL: platform_key.public_key()}, now=lambda: NOW)
    headers = signed_headers(platform_key, body)

    assert verifier.verify(headers, body)
    assert distrust(verifier, headers, body + b"\n").reason is Distrust.BAD_SIGNATURE


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_any_single_change_to_a_header_is_refused(
    at_now: Verifier, headers: dict[str, str], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(headers)))
    original = headers[name]
    at = data.draw(st.integers(0, len(original)))
    cut = data.draw(st.integers(0, 2))
    changed = original[:at] + data.draw(st.text(max_size=3)) + original[at + cut :]
    assume(changed != original)

    refused = distrust(at_now, headers | {name: changed})

    assert refused.reason in Distrust


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_any_single_changed_bit_of_the_body_is_refused(
    at_now: Verifier, headers: dict[str, str], at: int, bit: int
) -> None:
    changed = bytearray(BODY)
    changed[at] ^= 1 << bit

    refused = distrust(at_now, headers, bytes(changed))

    assert refused.reason is Distrust.BAD_SIGNATURE


def test_a_signature_has_one_spelling_although_base64_has_more(
    at_now: Verifier, headers: dict[str, str]
) -> None:
    signature = headers["Wechatpay-Signature"]
    twin = signature[:-3] + chr(ord(signature[-3]) + 1) + "=="
    assert base64.b64decode(twin) == base64.b64decode(signature)

    refused = distrust(at_now, headers | {"Wechatpay-Signature": twin})

    assert refused.reason is Distrust.BAD_SIGNATURE


@pytest.mark.parametrize("name", SIGNED_NAMES)
@pytest.mark.parametrize("value", [None, ""])
def test_every_one_of_the_four_headers_is_needed(
    at_now: Verifier, headers: dict[str, str], name: str, value: str | None
) -> None:
    rest = {key: each for key, each in headers.items() if key != name}

    refused = distrust(at_now, rest if value is None else rest | {name: value})

    assert refused.reason is Distrust.MISSING_HEADER


@pytest.mark.parametrize("name", [*SIGNED_NAMES, "Wechatpay-Signature-Type"])
@pytest.mark.parametrize("other", ["the same", "1"])
def test_a_header_that_comes_twice_is_refused_even_with_equal_values(
    at_now: Verifier, headers: dict[str, str], name: str, other: str
) -> None:
    second = headers[name] if other == "the same" else other
    listed: Mapping[str, str | Sequence[str]] = headers | {name: [headers[name], second]}
    pairs = [*headers.items(), (name.lower(), second)]
    joined = headers | {name: f"{headers[name]}, {second}"}

    for form in (listed, pairs, joined):
        assert distrust(at_now, form).reason is Distrust.MALFORMED


@pytest.mark.parametrize("name", SIGNED_NAMES)
@pytest.mark.parametrize(
    "value", ["一二三", "\x00", "a b", " ", "９" * 10, "A" * 100_000, "\ud800", "1\n", "+1", "²"]
)
def test_values_no_header_should_hold_are_refused_and_never_crash(
    at_now: Verifier, headers: dict[str, str], name: str, value: str
) -> None:
    refused = distrust(at_now, headers | {name: value})

    assert refused.reason in Distrust


@pytest.mark.parametrize("value", ["!!!!", "AAA", "====", "A" * 344, "AAAA", "_-_-"])
def test_a_signature_that_is_none_is_a_bad_signature(
    at_now: Verifier, headers: dict[str, str], value: str
) -> None:
    refused = distrust(at_now, headers | {"Wechatpay-Signature": value})

    assert refused.reason is Distrust.BAD_SIGNATURE
    assert not refused.is_signature_probe


def test_a_signature_probe_is_refused_like_any_other_and_marked_for_the_log(
    at_now: Verifier, headers: dict[str, str]
) -> None:
    probe = PROBE_PREFIX + headers["Wechatpay-Signature"]

    refused = distrust(at_now, headers | {"Wechatpay-Signature": probe})

    assert refused.reason is Distrust.BAD_SIGNATURE
    assert refused.is_signature_probe


@pytest.mark.parametrize("age", [-299, -1, 0, 299])
def test_a_message_is_fresh_for_less_than_five_minutes_either_way(
    platform_key: RSAPrivateKey, headers: dict[str, str], age: int
) -> None:
    verifier = Verifier({PLATFORM_SERIAL: platform_key.public_key()}, now=lambda: NOW + age)

    assert verifier.verify(headers, BODY)


@pytest.mark.parametrize("age", [-300, 300, 86_400])
def test_a_message_five_minutes_off_is_stale_before_its_key_is_looked_up(
    headers: dict[str, str], age: int
) -> None:
    verifier = Verifier({}, now=lambda: NOW + age)

    refused = distrust(verifier, headers)

    assert refused.reason is Distrust.STALE


def test_an_unknown_key_is_refused_before_the_signature_is_looked_at(
    headers: dict[str, str],
) -> None:
    verifier = Verifier({}, now=lambda: NOW)

    refused = distrust(verifier, headers | {"Wechatpay-Signature": "!!!!"})

    assert refused.reason is Distrust.UNKNOWN_SERIAL


def test_the_other_signature_family_is_not_ours(at_now: Verifier, headers: dict[str, str]) -> None:
    refused = distrust(at_now, headers | {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"})

    assert refused.reason is Distrust.MALFORMED


def test_certificates_and_public_keys_count_side_by_side(
    platform_key: RSAPrivateKey, strange_key: RSAPrivateKey
) -> None:
    keys = {PLATFORM_SERIAL: platform_key.public_key(), "PUB_KEY_ID_01": strange_key.public_key()}
    verifier = Verifier(keys, now=lambda: NOW)

    by_certificate = verifier.verify(signed_headers(platform_key, BODY), BODY)
    by_key = verifier.verify(
        signed_headers(strange_key, BODY) | {"Wechatpay-Serial": "PUB_KEY_ID_01"}, BODY
    )

    assert (by_certificate.serial, by_key.serial) == (PLATFORM_SERIAL, "PUB_KEY_ID_01")


def test_a_further_key_never_replaces_one_that_is_known(
    at_now: Verifier, headers: dict[str, str], strange_key: RSAPrivateKey
) -> None:
    widened = at_now.with_keys({PLATFORM_SERIAL: strange_key.public_key()})

    assert widened.verify(headers, BODY)
    forged = signed_headers(strange_key, BODY)
    assert distrust(widened, forged).reason is Distrust.BAD_SIGNATURE
