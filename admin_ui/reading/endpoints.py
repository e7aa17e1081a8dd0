"""Webhook endpoints as pages draw them: how each one does, and its newest deliveries as ticks."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, union_all

from admin_ui.reading.chosen import names_of
from config.clock import now
from config.database import db
from payments.webhooks.endpoints import DISABLED_BY_HAND, list_endpoints
from payments.webhooks.models import DeliveryState, EndpointState, WebhookDelivery, WebhookEndpoint

ROWS_PER_PAGE = 25
TICKS = 30
FAILING_FOR = timedelta(hours=1)  # what heals by itself sooner needs nobody


class Health(enum.StrEnum):
    """How an endpoint does, in a word."""

    HEALTHY = "HEALTHY"
    FAILING = "FAILING"  # its newest news did not arrive
    QUIET = "QUIET"  # nothing has been sent there yet
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True)
class Tick:
    """One delivery in the strip."""

    state: DeliveryState
    tone: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Shown:
    """One endpoint, ready to be drawn; ticks go from old to new."""

    endpoint: WebhookEndpoint
    event_types: Sequence[str]  # none means all
    health: Health
    ticks: Sequence[Tick]
    last_received: datetime | None

    @property
    def received(self) -> int:
        """How many of the ticks were received."""
        return sum(tick.state is DeliveryState.DELIVERED for tick in self.ticks)


@dataclass(frozen=True, slots=True)
class EndpointPage:
    """A stretch of all endpoints, newest first, and what their sub-merchants are called."""

    rows: Sequence[Shown]
    next_cursor: str | None
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class InTrouble:
    """How many endpoints need somebody, and of how many sub-merchants."""

    failing: int
    disabled: int


def own_endpoints() -> list[Shown]:
    """All endpoints of the scope's tenant, oldest first."""
    return drawn(list_endpoints())


def endpoint_page(
    health: Health | None, sub_merchant_id: str | None, cursor: str | None
) -> EndpointPage:
    """One page of all tenants' endpoints; ids begin with their moment of birth."""
    query = select(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None))
    if health is Health.FAILING:
        query = query.where(
            WebhookEndpoint.failing_since.is_not(None),
            WebhookEndpoint.state == EndpointState.ENABLED,
        )
    elif health is Health.DISABLED:
        query = query.where(WebhookEndpoint.state == EndpointState.DISABLED)
    if sub_merchant_id:
        query = query.where(WebhookEndpoint.sub_merchant_id == sub_merchant_id)
    if cursor:
        query = query.where(WebhookEndpoint.id < cursor)
    found = db.session.scalars(
        query.order_by(WebhookEndpoint.id.desc()).limit(ROWS_PER_PAGE + 1)
    ).all()
    shown = found[:ROWS_PER_PAGE]
    names = dict(names_of(shown))
    return EndpointPage(drawn(shown), shown[-1].id if len(found) > len(shown) else None, names)


def drawn(endpoints: Sequence[WebhookEndpoint]) -> list[Shown]:
    """These endpoints with their ticks, whatever their number in one query."""
    ticks = _ticks([endpoint.id for endpoint in endpoints])
    return [_shown(endpoint, ticks[endpoint.id]) for endpoint in endpoints]


def in_trouble() -> InTrouble:
    """What a person should look at: long failing, or disabled by nobody's wish."""
    here = select(func.count()).select_from(WebhookEndpoint)
    here = here.where(WebhookEndpoint.deleted_at.is_(None))
    failing = here.where(
        WebhookEndpoint.state == EndpointState.ENABLED,
        WebhookEndpoint.failing_since <= now() - FAILING_FOR,
    )
    disabled = here.where(
        WebhookEndpoint.state == EndpointState.DISABLED,
        WebhookEndpoint.disabled_reason != DISABLED_BY_HAND,
    )
    return InTrouble(db.session.scalar(failing) or 0, db.session.scalar(disabled) or 0)


def _shown(endpoint: WebhookEndpoint, newest_first: Sequence[WebhookDelivery]) -> Shown:
    received = [one.delivered_at for one in newest_first if one.delivered_at is not None]
    return Shown(
        endpoint=endpoint,
        event_types=json.loads(endpoint.event_types),
        health=_health(endpoint, newest_first),
        ticks=[Tick(one.state, _tone(one), one.created_at) for one in reversed(newest_first)],
        last_received=max(received, default=None),
    )


def _health(endpoint: WebhookEndpoint, deliveries: Sequence[WebhookDelivery]) -> Health:
    if endpoint.state is EndpointState.DISABLED:
        return Health.DISABLED
    if endpoint.failing_since is not None:
        return Health.FAILING
    return Health.HEALTHY if deliveries else Health.QUIET


def _tone(delivery: WebhookDelivery) -> str:
    if delivery.state is DeliveryState.DELIVERED:
        return "good"
    if delivery.state is DeliveryState.GIVEN_UP:
        return "bad"
    return "warn" if delivery.tries else "idle"


def _ticks(endpoint_ids: Sequence[str]) -> dict[str, list[WebhookDelivery]]:
    """Each endpoint's newest deliveries: a short stretch of the unique key for each of them."""
    found: dict[str, list[WebhookDelivery]] = {one: [] for one in endpoint_ids}
    if not endpoint_ids:
        return found
    stretches = [
        select(WebhookDelivery.id)
        .where(WebhookDelivery.endpoint_id == one)
        .order_by(WebhookDelivery.event_id.desc())
        .limit(TICKS)
        .subquery()
        for one in endpoint_ids
    ]
    newest = union_all(*(select(stretch.c.id) for stretch in stretches)).subquery()
    rows = db.session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.id.in_(select(newest.c.id)))
        .order_by(WebhookDelivery.event_id.desc()),
        execution_options={"populate_existing": True},
    )
    for row in rows:
        found[row.endpoint_id].append(row)
    return found
