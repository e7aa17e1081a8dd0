"""Webhook endpoints over HTTP: add, change, roll, test, look into, recover."""

from __future__ import annotations

from flask import Response

from payments.api.binding import answer, bound, repeatable
from payments.api.describe import refusals, tenant_blueprint
from payments.api.schemas import PageQuery
from payments.api.short_lists import stretch_of
from payments.api.webhook_shapes import (
    DeletedWebhookEndpoint,
    DeliveryQuery,
    NewWebhookEndpoint,
    RecoveryPayload,
    WebhookDelivery,
    WebhookDeliveryPage,
    WebhookEndpoint,
    WebhookEndpointChange,
    WebhookEndpointPage,
    WebhookEndpointPath,
    WebhookEndpointPayload,
    WebhookRecovery,
)
from payments.webhooks import endpoints
from payments.webhooks.presenter import present_delivery, present_endpoint
from payments.webhooks.queries import list_deliveries
from payments.webhooks.resend import recover_period
from payments.webhooks.trial import send_test_event
from submerchants.access import Permission, current_caller, tenant_api

blueprint = tenant_blueprint(
    "Webhook endpoints", meaning="Where your systems are told of events, and how that went."
)


@blueprint.post(
    "/webhook-endpoints",
    responses={201: NewWebhookEndpoint, **refusals(409, 413, 415, 422)},
)
@tenant_api(Permission.WEBHOOKS_WRITE)
@bound
@repeatable("webhook_endpoints.create", is_secret=True)
def add_webhook_endpoint(body: WebhookEndpointPayload) -> Response:
    """Add an endpoint.

    It hears of what happens from now on. The answer holds its secret, which is never shown again.
    """
    made = endpoints.add_endpoint(
        sub_merchant=current_caller().sub_merchant,
        url=body.url,
        event_types=body.event_types,
        description=body.description or None,
    )
    return answer(present_endpoint(made.endpoint, made.secret), 201)


@blueprint.get("/webhook-endpoints", responses={200: WebhookEndpointPage, **refusals()})
@tenant_api(Permission.WEBHOOKS_READ)
@bound
def list_webhook_endpoints(query: PageQuery) -> Response:
    """List your endpoints, oldest first."""
    rows, next_cursor = stretch_of(endpoints.list_endpoints(), query, lambda row: row.id)
    return answer({"data": [present_endpoint(row) for row in rows], "next_cursor": next_cursor})


@blueprint.get(
    "/webhook-endpoints/<endpoint_id>", responses={200: WebhookEndpoint, **refusals(404)}
)
@tenant_api(Permission.WEBHOOKS_READ)
@bound
def show_webhook_endpoint(path: WebhookEndpointPath) -> Response:
    """Show one endpoint."""
    return answer(present_endpoint(endpoints.get_endpoint(path.endpoint_id)))


@blueprint.patch(
    "/webhook-endpoints/<endpoint_id>",
    responses={200: WebhookEndpoint, **refusals(404, 413, 415, 422)},
)
@tenant_api(Permission.WEBHOOKS_WRITE)
@bound
def change_webhook_endpoint(path: WebhookEndpointPath, body: WebhookEndpointChange) -> Response:
    """Change an endpoint, or enable or disable it.

    What is on its way already goes to the new address. What happened while it was disabled is not
    sent by itself: recover the period.
    """
    changes = body.model_dump(exclude_none=True)
    endpoint = endpoints.get_endpoint(path.endpoint_id)
    return answer(present_endpoint(endpoints.change_endpoint(endpoint, **changes)))


@blueprint.delete(
    "/webhook-endpoints/<endpoint_id>", responses={200: DeletedWebhookEndpoint, **refusals(404)}
)
@tenant_api(Permission.WEBHOOKS_WRITE)
@bound
def delete_webhook_endpoint(path: WebhookEndpointPath) -> Response:
    """Delete an endpoint: nothing more is sent there."""
    endpoint = endpoints.get_endpoint(path.endpoint_id)
    endpoints.delete_endpoint(endpoint)
    return answer({"id": endpoint.id, "object": "webhook_endpoint", "deleted": True})


@blueprint.post(
    "/webhook-endpoints/<endpoint_id>/roll-secret",
    responses={200: NewWebhookEndpoint, **refusals(404, 409, 413, 422)},
)
@tenant_api(Permission.WEBHOOKS_WRITE)
@bound
@repeatable("webhook_endpoints.roll_secret", is_secret=True)
def roll_webhook_secret(path: WebhookEndpointPath) -> Response:
    """Give an endpoint a new secret.

    For 24 hours the former secret signs too, so that your receiver can change over in between;
    within them it is not rolled again.
    """
    rolled = endpoints.roll_secret(endpoints.get_endpoint(path.endpoint_id))
    return answer(present_endpoint(rolled.endpoint, rolled.secret))


@blueprint.post(
    "/webhook-endpoints/<endpoint_id>/test",
    responses={200: WebhookDelivery, **refusals(404, 413)},
)
@tenant_api(Permission.WEBHOOKS_WRITE)
@bound
def test_webhook_endpoint(path: WebhookEndpointPath) -> Response:
    """Send a test event now, and answer what came of it.

    One try of an event of type `webhook.test`, also to a disabled endpoint. It takes as long as
    your receiver does, 15 seconds at most.
    """
    delivery = send_test_event(endpoints.get_endpoint(path.endpoint_id))
    return answer(present_delivery(delivery))


@blueprint.post(
    "/webhook-endpoints/<endpoint_id>/recover",
    responses={200: WebhookRecovery, **refusals(404, 409, 413, 415)},
)
@tenant_api(Permission.WEBHOOKS_WRITE)
@bound
def recover_webhook_endpoint(path: WebhookEndpointPath, body: RecoveryPayload) -> Response:
    """Send what an endpoint missed in a period.

    Events of its types that it has not received, the oldest first; with `include_delivered`, all of
    them. They keep their ids.
    """
    recovery = recover_period(
        endpoints.get_endpoint(path.endpoint_id),
        since=body.since,
        until=body.until,
        with_delivered=body.include_delivered,
    )
    return answer(
        {
            "object": "webhook_recovery",
            "events": recovery.events,
            # To the microsecond: a whole second could hold more than one call does.
            "next_from": recovery.next_from and recovery.next_from.isoformat(),
        }
    )


@blueprint.get(
    "/webhook-endpoints/<endpoint_id>/deliveries",
    responses={200: WebhookDeliveryPage, **refusals(404)},
)
@tenant_api(Permission.WEBHOOKS_READ)
@bound
def list_webhook_deliveries(path: WebhookEndpointPath, query: DeliveryQuery) -> Response:
    """List an endpoint's deliveries with every try, newest event first."""
    endpoint = endpoints.get_endpoint(path.endpoint_id)
    found, next_cursor = list_deliveries(
        endpoint.id, limit=query.limit, cursor=query.cursor, state=query.state
    )
    shown = [present_delivery(delivery) for delivery in found]
    return answer({"data": shown, "next_cursor": next_cursor})
