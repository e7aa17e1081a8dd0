"""A test event, sent now to one endpoint while somebody waits for what comes of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from config.clock import now, rfc3339
from config.database import db, release, transaction
from config.identifiers import new_id
from config.inserts import insert_new
from payments.webhooks.claims import Claim, signers_of
from payments.webhooks.divide import delivery_row
from payments.webhooks.endpoints import allowed_networks
from payments.webhooks.errors import TestsUnderWay
from payments.webhooks.letters import Letter, Outcome, try_once
from payments.webhooks.models import WebhookDelivery, WebhookEndpoint, WebhookEvent
from payments.webhooks.outbound import Kept, Outbound
from payments.webhooks.publish import EVENT_IDENTITY, TEST_EVENT, event_row
from payments.webhooks.queries import Delivery, deliveries_of
from payments.webhooks.record import record_outcomes
from submerchants.tenancy import across_tenants

MOST_AT_ONCE = 2  # in a process: each holds one of its threads for as long as a receiver takes

_sending: set[str] = set()  # the tenants whose tests are under way here
_lock = threading.Lock()


def send_test_event(endpoint: WebhookEndpoint, outbound: Outbound | None = None) -> Delivery:
    """Send one event of type `webhook.test`, once, and answer the delivery as it is logged.

    It goes out as every other does, and to a disabled endpoint too. A failure is not tried again
    and does not count against the endpoint. Raises TestsUnderWay.
    """
    way = outbound or Outbound(allowed_networks())
    with _one_at_a_time(endpoint.sub_merchant_id):
        letter = _written(endpoint)
        release()
        outcome = asyncio.run(_sent(way, letter))
    with across_tenants("what came of a test is recorded as couriers record it"):
        record_outcomes([outcome])
    [delivery] = deliveries_of(letter.event_id)
    return delivery


async def _sent(outbound: Outbound, letter: Letter) -> Outcome:
    kept = Kept()
    try:
        return await try_once(outbound, letter, kept)
    finally:
        kept.close()


def _written(endpoint: WebhookEndpoint) -> Letter:
    """The test's event and its delivery, which is ours from the start."""
    moment, number = now(), new_id("try")
    event = {
        **event_row(
            sub_merchant_id=endpoint.sub_merchant_id,
            type=TEST_EVENT,
            event_key=f"{TEST_EVENT}:{number}",
            object_id=endpoint.id,
            data={
                "id": endpoint.id,
                "object": "webhook_endpoint",
                "url": endpoint.url,
                "message": "A test. Nothing happened.",
                "sent_at": rfc3339(moment),
            },
        ),
        "divided_at": moment,
    }
    delivery = delivery_row(
        sub_merchant_id=endpoint.sub_merchant_id,
        endpoint_id=endpoint.id,
        event_id=str(event["id"]),
        moment=moment,
    )
    claim = Claim()
    with transaction():
        insert_new(WebhookEvent, event, unique=EVENT_IDENTITY)
        db.session.add(WebhookDelivery(**{**delivery, **claim.columns()}))
    return Letter(
        delivery_id=str(delivery["id"]),
        claim_token=claim.token,
        claimed_until=claim.until,
        tries=0,
        sub_merchant_id=endpoint.sub_merchant_id,
        endpoint_id=endpoint.id,
        url=endpoint.url,
        signers=signers_of(endpoint),
        is_failing=False,
        event_id=str(event["id"]),
        event_type=TEST_EVENT,
        event_data=str(event["data"]),
        event_created_at=moment,
    )


@contextmanager
def _one_at_a_time(sub_merchant_id: str) -> Iterator[None]:
    with _lock:
        if sub_merchant_id in _sending or len(_sending) >= MOST_AT_ONCE:
            raise TestsUnderWay
        _sending.add(sub_merchant_id)
    try:
        yield
    finally:
        with _lock:
            _sending.discard(sub_merchant_id)
