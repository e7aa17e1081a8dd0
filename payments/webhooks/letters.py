"""One delivery on its way: what is sent, and what came of a try."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from config.clock import now
from config.logs import get_logger
from config.vault import Secret
from payments.webhooks.outbound import Kept, NoAnswer, Outbound
from payments.webhooks.replies import Reply
from payments.webhooks.schedule import read_retry_after
from payments.webhooks.signing import event_body, signed_headers

log = get_logger(__name__)


@dataclass(slots=True)
class Letter:
    """A claimed delivery with everything that one try needs."""

    delivery_id: str
    claim_token: str
    claimed_until: datetime
    tries: int  # made before this one
    sub_merchant_id: str
    endpoint_id: str
    url: str
    signers: Sequence[Secret]  # every secret in force, the newest first
    is_failing: bool  # the endpoint's last try failed, as the database knows
    event_id: str
    event_type: str
    event_data: str
    event_created_at: datetime
    started_at: float = 0.0  # these two are kept by the lanes while it is under way
    counts_as_failing: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try."""

    letter: Letter
    tried_at: datetime
    took_ms: int
    status: int | None = None
    problem: str | None = None
    reply: str | None = None
    retry_after: timedelta | None = None

    @property
    def is_receipt(self) -> bool:
        """Whether the receiver took the event: any 2xx."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver asked never to be called again."""
        return self.status == HTTPStatus.GONE


async def try_once(outbound: Outbound, letter: Letter, kept: Kept) -> Outcome:
    """Send a letter and answer what came of it; raises nothing, whatever the receiver does."""
    moment, started = now(), time.monotonic()
    body = event_body(
        event_id=letter.event_id,
        type=letter.event_type,
        created_at=letter.event_created_at,
        data=letter.event_data,
    )
    headers = signed_headers(
        event_id=letter.event_id, body=body, signers=letter.signers, moment=moment
    )
    try:
        reply = await outbound.post(letter.url, headers, body.encode(), kept)
        return _answered(letter, moment, started, reply)
    except NoAnswer as silence:
        return Outcome(letter, moment, _since(started), problem=str(silence))
    except Exception as fault:
        log.error("a webhook could not be sent", delivery_id=letter.delivery_id, exc_info=fault)
        return Outcome(letter, moment, _since(started), problem="A fault of the platform's.")


def _answered(letter: Letter, moment: datetime, started: float, reply: Reply) -> Outcome:
    return Outcome(
        letter,
        moment,
        _since(started),
        status=reply.status,
        problem=_problem(reply.status or 0),
        reply=reply.text or None,
        retry_after=read_retry_after(reply.headers.get("retry-after"), moment),
    )


def _problem(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"Answered {status}: redirects are not followed. Give the final address."
    if status == HTTPStatus.GONE:
        return "Answered 410: the endpoint is gone."
    return f"Answered {status}; any 2xx is receipt."


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
