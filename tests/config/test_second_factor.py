"""One-time codes."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pyotp
import pytest

from config.second_factor import (
    STEP_SECONDS,
    matching_step,
    new_totp_secret,
    provisioning_uri,
    terminal_qr,
)
from config.vault import Secret

# RFC 6238, appendix B, the SHA-1 column, cut to the six digits authenticator apps show.
RFC_SECRET = Secret(base64.b32encode(b"12345678901234567890").decode())
RFC_CODES = [
    (59, "287082"),
    (1_111_111_109, "081804"),
    (1_111_111_111, "050471"),
    (1_234_567_890, "005924"),
    (2_000_000_000, "279037"),
]


@pytest.mark.parametrize(("seconds", "code"), RFC_CODES)
def test_published_codes_match_their_step(seconds: int, code: str) -> None:
    moment = datetime.fromtimestamp(seconds, UTC)

    assert matching_step(RFC_SECRET, code, at=moment, after=0) == seconds // STEP_SECONDS


def test_a_used_step_and_all_before_it_match_no_more() -> None:
    moment = datetime.fromtimestamp(1_111_111_111, UTC)
    step = 1_111_111_111 // STEP_SECONDS

    assert matching_step(RFC_SECRET, "050471", at=moment, after=step) is None
    assert matching_step(RFC_SECRET, "081804", at=moment, after=step) is None


def test_a_clock_half_a_minute_off_is_forgiven_and_more_is_not() -> None:
    secret = new_totp_secret()
    moment = datetime(2026, 11, 23, 8, 0, 10, tzinfo=UTC)
    code = pyotp.TOTP(secret.reveal()).at(moment)

    late, too_late = moment + timedelta(seconds=30), moment + timedelta(seconds=61)

    assert matching_step(secret, code, at=late, after=0) is not None
    assert matching_step(secret, code, at=too_late, after=0) is None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "٢٨٧٠٨٢", "287082 OR 1"])
def test_what_is_not_six_digits_matches_nothing(code: str) -> None:
    moment = datetime.fromtimestamp(59, UTC)

    assert matching_step(RFC_SECRET, code, at=moment, after=0) is None


def test_the_address_for_the_app_names_account_and_issuer() -> None:
    uri = provisioning_uri(RFC_SECRET, "anna@example.test")

    parsed = pyotp.parse_uri(uri)

    assert parsed.name == "anna@example.test"
    assert parsed.issuer
    assert terminal_qr(uri).count("\n") > 10
