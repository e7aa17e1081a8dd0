"""From events to deliveries: one row for each endpoint that wants the event, exactly once.

Whoever writes an event writes nothing else. A courier finds the undivided ones by their index,
locks some, and marks them divided in the transaction that inserts their deliveries, already claimed
where it has room for them. Of any number of couriers one gets an event; one that is killed leaves
it undivided.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, select, update

from config.batches import insert_missing, one_of
from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from payments.webhooks.claims import Claim, Parcel, letters, nothing_waits
from payments.webhooks.lanes import Rooms
from payments.webhooks.letters import Letter
from payments.webhooks.models import (
    DeliveryState,
    EndpointState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)

DIVIDED_AT_ONCE = 500
# An endpoint hears of what happens from its beginning on; clocks of machines differ by this much.
CLOCK_MARGIN = timedelta(seconds=5)
DELIVERY_IDENTITY = ("endpoint_id", "event_id")

_undivided = (
    select(
        WebhookEvent.id,
        WebhookEvent.sub_merchant_id,
        WebhookEvent.type,
        WebhookEvent.data,
        WebhookEvent.created_at,
    )
    .where(WebhookEvent.divided_at.is_(None))
    .order_by(WebhookEvent.created_at)
)


@dataclass(frozen=True, slots=True)
class Divided:
    """How many events were divided, what of it is to be sent at once, and whether more may wait."""

    events: int
    letters: Sequence[Letter]
    is_more: bool = False


def divide_events(
    rooms: Rooms, since: datetime | None = None, limit: int = DIVIDED_AT_ONCE
) -> Divided:
    """Divide the oldest undivided events, and claim what the lanes have room for.

    Those created before `since`, if it is given, are left for another time. Runs across tenants.
    """
    undivided = _undivided if since is None else _undivided.where(WebhookEvent.created_at >= since)
    if nothing_waits(undivided):
        return Divided(0, ())
    claim, parcels = Claim(), []
    with transaction() as session:
        events = session.execute(undivided.limit(limit).with_for_update(skip_locked=True)).all()
        if not events:
            return Divided(0, ())
        moment, rows = now(), []
        for event, endpoint in _wanted(events):
            row = _delivery_of(event, endpoint, moment)
            if rooms.take(endpoint.id):
                row |= claim.columns()
                parcels.append(Parcel(str(row["id"]), 0, endpoint, event))
            rows.append(row)
        inserted = insert_missing(WebhookDelivery, rows, unique=DELIVERY_IDENTITY)
        if inserted != len(rows):
            parcels = _made(parcels)
        these = one_of(WebhookEvent.id, [event.id for event in events])
        here = update(WebhookEvent).where(these, WebhookEvent.divided_at.is_(None))
        divided = changed_rows(here.values(divided_at=moment))
    return Divided(divided, letters(parcels, claim), is_more=len(events) == limit)


def wanted_types(event_types: str) -> frozenset[str]:
    """The types an endpoint asked for; none means all."""
    return frozenset(json.loads(event_types))


def delivery_row(
    *, sub_merchant_id: str, endpoint_id: str, event_id: str, moment: datetime
) -> dict[str, object]:
    """The row of a delivery that is due at once."""
    return {
        "id": new_id("whd"),
        "sub_merchant_id": sub_merchant_id,
        "endpoint_id": endpoint_id,
        "event_id": event_id,
        "state": DeliveryState.DUE,
        "tries": 0,
        "next_try_at": moment,
        "created_at": moment,
    }


def _made(parcels: Sequence[Parcel]) -> list[Parcel]:
    """Those whose delivery is there: an event that was sent by hand may have had others before."""
    ids = [parcel.delivery_id for parcel in parcels]
    query = select(WebhookDelivery.id).where(one_of(WebhookDelivery.id, ids))
    there = set(db.session.scalars(query)) if ids else set()
    return [parcel for parcel in parcels if parcel.delivery_id in there]


def _wanted(
    events: Sequence[Row[*tuple[Any, ...]]],
) -> Iterator[tuple[Row[*tuple[Any, ...]], WebhookEndpoint]]:
    """Each event with each endpoint that is to hear of it."""
    endpoints = _endpoints_of({event.sub_merchant_id for event in events})
    for event in events:
        for endpoint, wanted in endpoints[event.sub_merchant_id]:
            is_wanted = not wanted or event.type in wanted
            if is_wanted and event.created_at + CLOCK_MARGIN >= endpoint.created_at:
                yield event, endpoint


def _endpoints_of(
    tenants: set[str],
) -> Mapping[str, Sequence[tuple[WebhookEndpoint, frozenset[str]]]]:
    """The enabled endpoints of these tenants with the types they want, by tenant."""
    endpoints = db.session.scalars(
        select(WebhookEndpoint).where(
            WebhookEndpoint.sub_merchant_id.in_(tenants),
            WebhookEndpoint.state == EndpointState.ENABLED,
            WebhookEndpoint.deleted_at.is_(None),
        ),
        execution_options={"populate_existing": True},
    )
    found: dict[str, list[tuple[WebhookEndpoint, frozenset[str]]]] = defaultdict(list)
    for endpoint in endpoints:
        wanted = wanted_types(endpoint.event_types)
        found[endpoint.sub_merchant_id].append((endpoint, wanted))
    return found


def _delivery_of(
    event: Row[*tuple[Any, ...]], endpoint: WebhookEndpoint, moment: datetime
) -> dict[str, object]:
    row = delivery_row(
        sub_merchant_id=event.sub_merchant_id,
        endpoint_id=endpoint.id,
        event_id=event.id,
        moment=moment,
    )
    return {**row, "claim_token": None, "claimed_until": None}
