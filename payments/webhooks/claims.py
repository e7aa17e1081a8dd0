"""The right to deliver: claimed by exact id, with an owner's token and a lease that ends.

A delivery is claimed as it is made where its lane has room, and later otherwise. While it is
claimed, its next moment is the end of its lease, so that one which a killed process held becomes
due by itself. Full and resting lanes are left out of a claim: however much waits for a dead
receiver, the others' deliveries are found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, select, update

from config.batches import one_of, update_rows
from config.clock import now
from config.database import changed_rows, db, release, transaction
from config.identifiers import new_id
from config.logs import get_logger
from config.vault import Secret, VaultError
from payments.webhooks.lanes import Rooms
from payments.webhooks.letters import Letter
from payments.webhooks.models import (
    DeliveryState,
    EndpointState,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)

LEASE = timedelta(seconds=60)
CLAIMED_AT_ONCE = 500
PUT_OFF_AT_ONCE = 500

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Claim:
    """One courier's right to some deliveries, until its lease ends."""

    token: str = field(default_factory=lambda: new_id("claim"))
    until: datetime = field(default_factory=lambda: now() + LEASE)

    def columns(self) -> dict[str, object]:
        """What it writes on a delivery."""
        return {
            "claim_token": self.token,
            "claimed_until": self.until,
            "next_try_at": self.until,
        }


@dataclass(frozen=True, slots=True)
class Parcel:
    """A claimed delivery with the rows it is made of."""

    delivery_id: str
    tries: int
    endpoint: WebhookEndpoint
    event: Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a claim came to; `is_more` when others were due that nobody took yet."""

    letters: Sequence[Letter]
    is_more: bool


def claim_due(rooms: Rooms, since: datetime | None = None, limit: int = CLAIMED_AT_ONCE) -> Claimed:
    """Claim deliveries that are due, no more for an endpoint than its lane has room for.

    Those due before `since`, if it is given, are left for another time. Runs across tenants. Those
    of an endpoint that was disabled or deleted are given up.
    """
    due = _due(now(), since=since, leaving_out=rooms.full)
    due = due.order_by(WebhookDelivery.next_try_at).limit(limit)
    if nothing_waits(due):
        return Claimed((), False)
    with transaction() as session:
        found = session.execute(due.with_for_update(skip_locked=True, of=WebhookDelivery)).all()
        chosen = [row for row in found if rooms.take(row.endpoint_id)]
        endpoints = _endpoints({row.endpoint_id for row in chosen})
        live = [row for row in chosen if _is_enabled(endpoints[row.endpoint_id])]
        _give_up([row.id for row in chosen if not _is_enabled(endpoints[row.endpoint_id])])
        claim = Claim()
        if live:
            these = one_of(WebhookDelivery.id, [row.id for row in live])
            changed_rows(update(WebhookDelivery).where(these).values(**claim.columns()))
        events = _events({row.event_id for row in live})
    if len(found) == limit:
        rooms.close()  # others may have waited for longer than what comes now
    parcels = [
        Parcel(row.id, row.tries, endpoints[row.endpoint_id], events[row.event_id]) for row in live
    ]
    return Claimed(letters(parcels, claim), len(found) == limit or len(chosen) < len(found))


def give_back(letters: Sequence[Letter], due_at: datetime) -> None:
    """Let go of claimed letters that were not sent, to be due at that moment."""
    if not letters:
        return
    with transaction():
        here = update(WebhookDelivery).where(
            one_of(WebhookDelivery.id, [each.delivery_id for each in letters]),
            WebhookDelivery.claim_token.in_({each.claim_token for each in letters}),
        )
        changed_rows(here.values(claim_token=None, claimed_until=None, next_try_at=due_at))


def put_off(resting: Mapping[str, datetime], limit: int = PUT_OFF_AT_ONCE) -> int:
    """Move what is due in resting lanes to the end of their rest; answers how many were moved.

    So that a claim does not find, again and again, what cannot be sent yet.
    """
    if not resting:
        return 0
    due = _due(now()).where(WebhookDelivery.endpoint_id.in_(resting)).limit(limit)
    if nothing_waits(due):
        return 0
    with transaction() as session:
        found = session.execute(due.with_for_update(skip_locked=True, of=WebhookDelivery)).all()
        later = [{"id": row.id, "next_try_at": resting[row.endpoint_id]} for row in found]
        update_rows(WebhookDelivery, later, key="id")
    return len(found)


def _due(
    moment: datetime, *, since: datetime | None = None, leaving_out: Sequence[str] = ()
) -> Select[*tuple[Any, ...]]:
    due = select(
        WebhookDelivery.id,
        WebhookDelivery.sub_merchant_id,
        WebhookDelivery.endpoint_id,
        WebhookDelivery.event_id,
        WebhookDelivery.tries,
    ).where(WebhookDelivery.state == DeliveryState.DUE, WebhookDelivery.next_try_at <= moment)
    if since is not None:
        due = due.where(WebhookDelivery.next_try_at >= since)
    return due.where(WebhookDelivery.endpoint_id.not_in(leaving_out)) if leaving_out else due


def _endpoints(ids: set[str]) -> Mapping[str, WebhookEndpoint]:
    rows = db.session.scalars(
        select(WebhookEndpoint).where(WebhookEndpoint.id.in_(ids)),
        execution_options={"populate_existing": True},
    )
    return {endpoint.id: endpoint for endpoint in rows}


def _events(ids: set[str]) -> Mapping[str, Row[*tuple[Any, ...]]]:
    rows = db.session.execute(
        select(
            WebhookEvent.id, WebhookEvent.type, WebhookEvent.data, WebhookEvent.created_at
        ).where(one_of(WebhookEvent.id, ids))
    )
    return {event.id: event for event in rows}


def _is_enabled(endpoint: WebhookEndpoint) -> bool:
    return endpoint.state is EndpointState.ENABLED and endpoint.deleted_at is None


def _give_up(ids: Sequence[str]) -> None:
    if ids:
        here = update(WebhookDelivery).where(
            WebhookDelivery.id.in_(ids), WebhookDelivery.state == DeliveryState.DUE
        )
        changed_rows(here.values(state=DeliveryState.GIVEN_UP, next_try_at=None, claim_token=None))


def nothing_waits(queue: Select[*tuple[Any, ...]]) -> bool:
    """Whether SQLite has nothing there: a look that finds nothing must not take the one lock for
    writers. The other databases are asked once, by the statement that locks what it finds."""
    if db.session.get_bind().dialect.name != "sqlite":
        return False
    found = db.session.execute(queue.limit(1)).first()
    release()
    return found is None


def letters(parcels: Sequence[Parcel], claim: Claim) -> list[Letter]:
    """What is to be sent; without those whose secret does not open."""
    endpoints = {parcel.endpoint.id: parcel.endpoint for parcel in parcels}
    signers = {key: _signers(endpoint) for key, endpoint in endpoints.items()}
    return [
        Letter(
            delivery_id=parcel.delivery_id,
            claim_token=claim.token,
            claimed_until=claim.until,
            tries=parcel.tries,
            sub_merchant_id=parcel.endpoint.sub_merchant_id,
            endpoint_id=parcel.endpoint.id,
            url=parcel.endpoint.url,
            signers=signers[parcel.endpoint.id],
            is_failing=parcel.endpoint.failing_since is not None,
            event_id=parcel.event.id,
            event_type=parcel.event.type,
            event_data=parcel.event.data,
            event_created_at=parcel.event.created_at,
        )
        for parcel in parcels
        if signers[parcel.endpoint.id]
    ]


def signers_of(endpoint: WebhookEndpoint) -> list[Secret]:
    """Every secret that signs for this endpoint now, the newest first."""
    signers = [endpoint.secret]
    until = endpoint.previous_secret_until
    if endpoint.previous_secret_sealed and until is not None and now() < until:
        signers.append(endpoint.previous_secret)
    return signers


def _signers(endpoint: WebhookEndpoint) -> list[Secret]:
    try:
        return signers_of(endpoint)
    except VaultError as fault:
        # It is not the tenant's fault: nothing is written, and the lease brings it back.
        log.error("a webhook secret does not open", endpoint_id=endpoint.id, exc_info=fault)
        return []
