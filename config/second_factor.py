"""One-time codes from an authenticator app (RFC 6238: SHA-1, six digits, thirty seconds).

`matching_step` only says which step a code belongs to. Whoever owns the account stores that step
with a conditional UPDATE, so that the same code, or an older one, never works twice.
"""

from __future__ import annotations

import hmac
import re
from datetime import datetime

import pyotp
import segno

from config.vault import Secret

STEP_SECONDS = 30
DRIFT_STEPS = 1  # a phone's clock may be half a minute off, either way
ISSUER = "Partner Platform"

_CODE = re.compile(r"[0-9]{6}")


def new_totp_secret() -> Secret:
    """160 random bits in base32, as authenticator apps take them."""
    return Secret(pyotp.random_base32(32))


def provisioning_uri(secret: Secret, account: str) -> str:
    """The `otpauth://` address an authenticator app scans. It holds the secret: show it once."""
    totp = pyotp.TOTP(secret.reveal(), interval=STEP_SECONDS)
    return totp.provisioning_uri(name=account, issuer_name=ISSUER)


def terminal_qr(uri: str) -> str:
    """The address as a picture of block characters, for a terminal."""
    return _drawn(segno.make(uri, error="m"))


def matching_step(secret: Secret, code: str, *, at: datetime, after: int) -> int | None:
    """The time step this code is right for, later than `after`; None when there is none."""
    digits = "".join(code.split())
    if not _CODE.fullmatch(digits):
        return None
    totp = pyotp.TOTP(secret.reveal(), interval=STEP_SECONDS)
    present = int(at.timestamp()) // STEP_SECONDS
    found = None
    for step in range(present - DRIFT_STEPS, present + DRIFT_STEPS + 1):
        # Every step is compared, so that time tells nobody which one it was.
        if hmac.compare_digest(totp.generate_otp(step), digits) and step > after:
            found = step
    return found


def _drawn(code: segno.QRCode) -> str:
    rows = [[bool(dark) for dark in row] for row in code.matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    blocks = {(True, True): " ", (True, False): "▄", (False, True): "▀", (False, False): "█"}
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return "\n".join(
        "".join(blocks[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in pairs
    )
