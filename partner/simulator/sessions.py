"""What placing an order is answered with: a prepay_id, a code_url or an h5_url, and their lives.

All of them stand for one payment session, which the ledger knows by its id. A repeated order opens
a fresh session; how long one lives does not depend on the order's time_expire.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, urlsplit

from partner.simulator.clock import BEIJING
from partner.simulator.order_fields import H5, NATIVE, Product

SESSION_LIFE_S: Final = 2 * 3600
H5_URL_LIFE_S: Final = 5 * 60
H5_PATH: Final = "/cgi-bin/mmpayweb-bin/checkmweb"
_CODE_BYTES: Final = 9  # short ids make codes that a camera reads from afar


def new_session(product: Product, now: float) -> str:
    """A fresh id: what a code_url carries for Native, a prepay_id for everything else."""
    if product is NATIVE:
        return secrets.token_urlsafe(_CODE_BYTES)
    moment = datetime.fromtimestamp(now, BEIJING)
    return f"wx{moment:%d%H%M%S}{secrets.randbelow(10**6):06}{secrets.token_hex(8)}0000"


def told(product: Product, session: str, base_url: str) -> dict[str, str]:
    """The document an order is answered with."""
    if product is NATIVE:
        return {"code_url": code_url(session)}
    if product is H5:
        return {"h5_url": h5_url(session, base_url)}
    return {"prepay_id": session}


def code_url(session: str) -> str:
    return f"weixin://wxpay/bizpayurl/up?pr={session}&groupid=00"


def scanned_session(text: str) -> str | None:
    """The session behind a scanned text; None when that is no payment code of ours."""
    url = urlsplit(text.strip())
    if (url.scheme, url.netloc, url.path) != ("weixin", "wxpay", "/bizpayurl/up"):
        return None
    return next(iter(parse_qs(url.query).get("pr", [])), None)


def h5_url(session: str, base_url: str) -> str:
    return f"{base_url.rstrip('/')}{H5_PATH}?prepay_id={session}&package={h5_package(session)}"


def h5_package(session: str) -> str:
    """The number beside a prepay_id that makes the URL hard to guess."""
    return str(int(hashlib.sha256(session.encode()).hexdigest()[:8], 16))
