"""What is refused about webhooks, each with the sentence that says what to do next."""

from __future__ import annotations

from config.errors import Conflict, RefusedHere, TooFast
from payments.errors import ASK_AGAIN_SECONDS


class WebhookUrlRefused(RefusedHere):
    """The platform sends nothing to such an address."""

    code = "webhook_url_refused"

    def __init__(self, *, reason: str) -> None:
        super().__init__(f"Webhooks cannot go there. {reason}", field="url")


class UnknownEventType(RefusedHere):
    """An endpoint asks to hear of something that does not happen."""

    code = "unknown_event_type"

    def __init__(self, *, unknown: list[str], known: list[str]) -> None:
        super().__init__(
            f"There is no event type {', '.join(map(ascii, unknown))}. "
            f"There are: {', '.join(known)}.",
            field="event_types",
        )


class TooManyWebhookEndpoints(Conflict):
    """The tenant has as many endpoints as one may have."""

    code = "too_many_webhook_endpoints"

    def __init__(self, *, limit: int) -> None:
        super().__init__(
            f"A sub-merchant has {limit} webhook endpoints at most. Delete one that is not needed.",
            limit=limit,
        )


class SecretIsRolling(Conflict):
    """The secret before this one still signs, and each one is promised its time."""

    code = "webhook_secret_is_rolling"

    def __init__(self, *, until: str) -> None:
        super().__init__(
            f"The former secret still signs until {until}; roll again afterwards. "
            "If a secret is in wrong hands, delete the endpoint and add it anew.",
            until=until,
        )


class WebhookEndpointDisabled(Conflict):
    """Nothing is sent to this endpoint until it is enabled."""

    code = "webhook_endpoint_disabled"

    def __init__(self, *, endpoint_id: str) -> None:
        super().__init__(
            "This endpoint is disabled. Enable it first: PATCH it with state ENABLED.",
            endpoint_id=endpoint_id,
        )


class NobodyToTell(Conflict):
    """An event is to be sent again, and no endpoint wants it."""

    code = "no_webhook_endpoint"

    def __init__(self) -> None:
        super().__init__(
            "No enabled endpoint takes events of this type. Add one, or name one in endpoint_id."
        )


class TestsUnderWay(TooFast):
    """Test events are sent one at a time, because somebody waits for each."""

    code = "webhook_test_under_way"

    def __init__(self) -> None:
        super().__init__(
            "A test event is on its way already. Wait for it, then repeat the request.",
            retry_after_seconds=ASK_AGAIN_SECONDS,
        )
