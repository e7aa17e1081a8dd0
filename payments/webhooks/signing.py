"""The Standard Webhooks form of one try: body and headers.

https://www.standardwebhooks.com: the id is the same on every try, the timestamp is each try's own.
While a secret rolls, the old and the new one both sign, and a receiver is content with either.
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime

from standardwebhooks.webhooks import Webhook

from config.clock import rfc3339
from config.vault import Secret

_PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> Secret:
    """A fresh secret, as tenants' libraries take it."""
    return Secret(_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode())


def event_body(*, event_id: str, type: str, created_at: datetime, data: str) -> str:
    """What the receiver reads; `data` is the event's JSON as it was written, not made anew."""
    head = json.dumps({"id": event_id, "type": type, "created_at": rfc3339(created_at)})
    return f'{head[:-1]}, "data": {data}}}'


def signed_headers(
    *, event_id: str, body: str, signers: Sequence[Secret], moment: datetime
) -> dict[str, str]:
    """The headers of one try at this moment, signed with every secret in force."""
    signatures = (Webhook(each.reveal()).sign(event_id, moment, body) for each in signers)
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
