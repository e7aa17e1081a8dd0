"""A tenant's endpoints: add, change, enable, disable, roll the secret, delete.

Everything here runs acting for the tenant. A secret leaves twice only: with the answer that made
it, and on the way into a signature.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import func, or_, select, update

from config import audit
from config.clock import now, rfc3339
from config.database import changed_rows, db, transaction
from config.errors import NotFound
from config.identifiers import new_id
from config.vault import Secret
from payments.webhooks.egress import EgressRefused, Network, require_plausible
from payments.webhooks.errors import (
    SecretIsRolling,
    TooManyWebhookEndpoints,
    UnknownEventType,
    WebhookUrlRefused,
)
from payments.webhooks.models import EndpointState, WebhookEndpoint
from payments.webhooks.publish import EventType
from payments.webhooks.signing import new_secret
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant

MOST_ENDPOINTS = 10
OVERLAP = timedelta(hours=24)  # how long the former secret signs beside the new one
DISABLED_BY_HAND = "Disabled on request."


@dataclass(frozen=True, slots=True)
class NewSecret:
    """An endpoint with the secret it was just given; shown this once."""

    endpoint: WebhookEndpoint
    secret: Secret


def add_endpoint(
    *,
    sub_merchant: SubMerchant,
    url: str,
    event_types: Collection[str] = (),
    description: str | None = None,
) -> NewSecret:
    """A new endpoint that hears of these types from now on, or of all.

    Raises WebhookUrlRefused, UnknownEventType or TooManyWebhookEndpoints.
    """
    require_url(url)
    secret = new_secret()
    endpoint = WebhookEndpoint(
        id=new_id("whe"),
        sub_merchant_id=sub_merchant.id,
        url=url,
        description=description,
        event_types=json.dumps(known_types(event_types)),
        state=EndpointState.ENABLED,
        created_at=now(),
    )
    endpoint.secret = secret
    with acting_for(sub_merchant.id), transaction() as session:
        # Two who add at the same moment would both count too few.
        session.execute(
            select(SubMerchant.id).where(SubMerchant.id == sub_merchant.id).with_for_update()
        )
        there = select(func.count()).select_from(WebhookEndpoint)
        if (session.scalar(there.where(WebhookEndpoint.deleted_at.is_(None))) or 0) >= (
            MOST_ENDPOINTS
        ):
            raise TooManyWebhookEndpoints(limit=MOST_ENDPOINTS)
        session.add(endpoint)
        _record("webhook_endpoint.added", endpoint, url=url, event_types=list(event_types))
    return NewSecret(endpoint, secret)


def get_endpoint(endpoint_id: str) -> WebhookEndpoint:
    """One endpoint within the scope. Raises NotFound, also when it is another tenant's."""
    here = select(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint_id, WebhookEndpoint.deleted_at.is_(None)
    )
    endpoint = db.session.scalar(here, execution_options={"populate_existing": True})
    if endpoint is None:
        raise NotFound("There is no such webhook endpoint.")
    return endpoint


def list_endpoints() -> Sequence[WebhookEndpoint]:
    """The endpoints within the scope, oldest first; a tenant's fit one page."""
    here = select(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None))
    in_order = here.order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)
    return db.session.scalars(in_order, execution_options={"populate_existing": True}).all()


def change_endpoint(endpoint: WebhookEndpoint, **changes: Any) -> WebhookEndpoint:
    """Change `url`, `description`, `event_types` or `state`; what is not named stays.

    Enabling starts the count of failing days anew. Raises WebhookUrlRefused or UnknownEventType.
    """
    values = dict(changes)
    if "url" in values:
        require_url(values["url"])
    if "event_types" in values:
        values["event_types"] = json.dumps(known_types(values["event_types"]))
    if "state" in values and values["state"] is not endpoint.state:
        values |= _switched(values["state"])
    if not values:
        return endpoint
    with transaction() as session:
        here = update(WebhookEndpoint).where(
            WebhookEndpoint.id == endpoint.id, WebhookEndpoint.deleted_at.is_(None)
        )
        if not changed_rows(here.values(**values)):
            raise NotFound("There is no such webhook endpoint.")
        session.refresh(endpoint)
        _record("webhook_endpoint.changed", endpoint, **changes)
    return endpoint


def _switched(state: EndpointState) -> dict[str, object]:
    if state is EndpointState.ENABLED:
        return {"disabled_reason": None, "disabled_at": None, "failing_since": None}
    return {"disabled_reason": DISABLED_BY_HAND, "disabled_at": now()}


def roll_secret(endpoint: WebhookEndpoint) -> NewSecret:
    """A new secret; for a day the former one signs too. Raises SecretIsRolling within that day."""
    moment, secret = now(), new_secret()
    former = endpoint.secret_sealed
    if endpoint.previous_secret_until is not None and endpoint.previous_secret_until > moment:
        raise SecretIsRolling(until=rfc3339(endpoint.previous_secret_until))
    ended = or_(
        WebhookEndpoint.previous_secret_until.is_(None),
        WebhookEndpoint.previous_secret_until <= moment,
    )
    draft = WebhookEndpoint(id=endpoint.id, sub_merchant_id=endpoint.sub_merchant_id)
    draft.secret, draft.previous_secret = secret, endpoint.secret
    here = update(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint.id,
        WebhookEndpoint.deleted_at.is_(None),
        WebhookEndpoint.secret_sealed == former,
        ended,
    )
    until = moment + OVERLAP
    with transaction() as session:
        rolled = changed_rows(
            here.values(
                secret_sealed=draft.secret_sealed,
                previous_secret_sealed=draft.previous_secret_sealed,
                previous_secret_until=until,
            )
        )
        if not rolled:  # somebody else rolled it in between
            raise SecretIsRolling(until=rfc3339(until))
        session.refresh(endpoint)
        _record("webhook_endpoint.secret_rolled", endpoint, overlap_until=until)
    return NewSecret(endpoint, secret)


def delete_endpoint(endpoint: WebhookEndpoint) -> None:
    """Send nothing more and forget the secrets; what was delivered stays readable as events."""
    here = update(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint.id, WebhookEndpoint.deleted_at.is_(None)
    )
    with transaction():
        gone = changed_rows(
            here.values(
                deleted_at=now(),
                state=EndpointState.DISABLED,
                secret_sealed=None,
                previous_secret_sealed=None,
                previous_secret_until=None,
            )
        )
        if gone:
            _record("webhook_endpoint.deleted", endpoint, url=endpoint.url)


def delete_endpoint_as_provider(endpoint_id: str) -> WebhookEndpoint:
    """Delete any tenant's endpoint by its id alone. Raises NotFound."""
    with across_tenants("the provider deletes an endpoint by its id"):
        endpoint = get_endpoint(endpoint_id)
    with acting_for(endpoint.sub_merchant_id):
        delete_endpoint(endpoint)
    return endpoint


def require_url(url: str) -> None:
    """Refuse what a delivery would refuse anyway. Raises WebhookUrlRefused."""
    try:
        require_plausible(url, allowed_networks())
    except EgressRefused as refusal:
        raise WebhookUrlRefused(reason=str(refusal)) from refusal


def allowed_networks() -> tuple[Network, ...]:
    """The deployment's exceptions from the rule that webhooks go to public addresses."""
    networks: tuple[Network, ...] = current_app.config["SETTINGS"].webhook_allowed_networks
    return networks


def known_types(event_types: Collection[str]) -> list[str]:
    """The types in the order of the list of all. Raises UnknownEventType naming those there are."""
    known = [each.value for each in EventType]
    if unknown := sorted(set(event_types) - set(known)):
        raise UnknownEventType(unknown=unknown, known=known)
    return [name for name in known if name in set(event_types)]


def _record(action: str, endpoint: WebhookEndpoint, **detail: object) -> None:
    audit.record(
        action,
        object_kind="webhook_endpoint",
        object_id=endpoint.id,
        tenant_id=endpoint.sub_merchant_id,
        **detail,  # type: ignore[arg-type]
    )
