"""Webhook endpoints and events as requests ask for them and answers show them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from payments.api.fields import InWords, Moment, public_id
from payments.api.schemas import CURSOR_MEANING, PageQuery, Path, Payload
from payments.webhooks.egress import MAX_URL
from payments.webhooks.models import DeliveryState, EndpointState
from payments.webhooks.publish import EventType

MAX_DESCRIPTION = 127

WebhookUrl = Annotated[
    str,
    Field(max_length=MAX_URL, pattern=r"^https?://[!-~]+$"),
    InWords(
        f"Should be an https address of at most {MAX_URL} letters, with whatever is not ASCII "
        "percent-encoded"
    ),
]
Description = Annotated[
    str,
    Field(max_length=MAX_DESCRIPTION, pattern=r"^[\u0020-\u007E\u00A0-\uFFFD]*$"),
    InWords(
        f"Should be text of at most {MAX_DESCRIPTION} letters, without line breaks, other "
        "controls or emoji"
    ),
]
EventTypes = Annotated[list[EventType], Field(max_length=len(EventType))]
EventTypeName = Annotated[
    str,
    Field(max_length=48, pattern=r"^[a-z_]+\.[a-z_]+$"),
    InWords("Should be an event type such as order.paid"),
]


class WebhookEndpointPayload(Payload):
    """An endpoint to be added."""

    model_config = ConfigDict(
        title="WebhookEndpointRequest",
        json_schema_extra={
            "examples": [
                {"url": "https://shop.example.com/hooks/pay", "event_types": ["order.paid"]}
            ]
        },
    )

    url: WebhookUrl = Field(
        description="https, a public address, port 443 or 8443, no user name and no fragment."
    )
    description: Description | None = Field(None, description="For your own eyes.")
    event_types: EventTypes = Field(
        default_factory=list, description="Which events to hear of; none named means all."
    )


class WebhookEndpointChange(Payload):
    """What is to be different. Whatever is left out, or null, stays as it is."""

    model_config = ConfigDict(title="WebhookEndpointChange")

    url: WebhookUrl | None = None
    description: Description | None = None
    event_types: EventTypes | None = Field(None, description="An empty list means all.")
    state: EndpointState | None = Field(
        None, description="ENABLED begins the count of failing days anew; DISABLED sends nothing."
    )


class RecoveryPayload(Payload):
    """Which period is to be sent again."""

    model_config = ConfigDict(title="WebhookRecoveryRequest")

    since: Moment = Field(alias="from", description="Events created at this moment or later.")
    until: Moment | None = Field(
        None, alias="to", description="Events created before this moment; now when left out."
    )
    include_delivered: StrictBool = Field(False, description="Also send what was received already.")


class ResendPayload(Payload):
    """Where to send an event again; without a body, to every endpoint that wants its type."""

    model_config = ConfigDict(title="EventResendRequest")
    may_be_absent: ClassVar[bool] = True

    endpoint_id: Annotated[str, public_id("whe")] | None = Field(
        None, description="One endpoint, whatever its filter says."
    )


class WebhookEndpointPath(Path):
    """Which endpoint."""

    absent = "There is no such webhook endpoint."

    endpoint_id: Annotated[str, public_id("whe")]


class EventPath(Path):
    """Which event."""

    absent = "There is no such event."

    event_id: Annotated[str, public_id("evt")]


class EventQuery(PageQuery):
    """Which events to list."""

    cursor: Annotated[str, public_id("evt")] | None = Field(None, description=CURSOR_MEANING)
    type: EventTypeName | None = None
    object_id: Annotated[str, Field(pattern=r"^[a-z]+_[0-9a-z]{1,36}$")] | None = Field(
        None, description="The order, refund or other object that an event is about."
    )
    created_after: Moment | None = Field(None, description="Created at this moment or later.")
    created_before: Moment | None = Field(None, description="Created before this moment.")


class DeliveryQuery(PageQuery):
    """Which deliveries to list."""

    cursor: Annotated[str, public_id("evt")] | None = Field(None, description=CURSOR_MEANING)
    state: DeliveryState | None = None


class WebhookEndpoint(BaseModel):
    """Where you are told of events."""

    id: str
    object: Literal["webhook_endpoint"]
    url: str
    description: str | None
    event_types: list[str] = Field(description="An empty list means all.")
    state: EndpointState
    disabled_reason: str | None = Field(description="Why nothing is sent, when it is disabled.")
    disabled_at: datetime | None
    failing_since: datetime | None = Field(
        description="The first failure since the last receipt; five days later it is disabled."
    )
    former_secret_until: datetime | None = Field(
        description="Until then the secret before this one signs too."
    )
    created_at: datetime


class NewWebhookEndpoint(WebhookEndpoint):
    """An endpoint with the secret it was just given."""

    secret: str = Field(description="`whsec_…`; shown this once.")


class WebhookEndpointPage(BaseModel):
    """All your endpoints; they fit one page."""

    data: list[WebhookEndpoint]
    next_cursor: None


class DeletedWebhookEndpoint(BaseModel):
    """An endpoint that is no more."""

    id: str
    object: Literal["webhook_endpoint"]
    deleted: Literal[True]


class WebhookAttempt(BaseModel):
    """One try."""

    tried_at: datetime
    took_ms: int
    status: int | None = Field(description="Of HTTP; null when no answer came.")
    problem: str | None = Field(description="What went wrong, in words; null for a receipt.")
    reply: str | None = Field(description="What you answered, as plain text, cut short.")


class WebhookDelivery(BaseModel):
    """One event on its way to one endpoint."""

    id: str
    object: Literal["webhook_delivery"]
    endpoint_id: str
    event_id: str
    event_type: str
    state: DeliveryState
    tries: int
    next_try_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime
    attempts: list[WebhookAttempt] = Field(description="The newest first.")


class WebhookDeliveryPage(BaseModel):
    """A stretch of the list, newest event first."""

    data: list[WebhookDelivery]
    next_cursor: str | None


class WebhookRecovery(BaseModel):
    """What is on its way again."""

    object: Literal["webhook_recovery"]
    events: int
    next_from: datetime | None = Field(
        description="Set when the period holds more than one call does: call again from here."
    )


class Event(BaseModel):
    """Something that happened; what webhooks carry, with a note of what it is about."""

    id: str
    object: Literal["event"]
    type: str
    object_id: str
    created_at: datetime
    data: dict[str, Any] = Field(description="The object as the API showed it then.")


class EventWithDeliveries(Event):
    """An event, and where it went."""

    deliveries: list[WebhookDelivery]


class EventPage(BaseModel):
    """A stretch of the list, newest first."""

    data: list[Event]
    next_cursor: str | None
