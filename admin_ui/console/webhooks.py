"""Every sub-merchant's webhooks, to read; and an event sent again on their behalf."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from admin_ui import webhook_pages
from admin_ui.access import operator_page
from admin_ui.console import blueprint
from admin_ui.reading.chosen import sub_merchant_choices
from partner.operators.roles import OperatorPermission


@blueprint.get("/webhooks")
@operator_page(OperatorPermission.SEE_WEBHOOKS)
def webhooks() -> str:
    """All endpoints with their health."""
    return webhook_pages.all_endpoints_page(sub_merchant_choices())


@blueprint.get("/webhooks/<endpoint_id>")
@operator_page(OperatorPermission.SEE_WEBHOOKS)
def webhooks_one(endpoint_id: str) -> str:
    """One endpoint and its deliveries."""
    return webhook_pages.one_endpoint_page("console", endpoint_id)


@blueprint.get("/webhooks/events")
@operator_page(OperatorPermission.SEE_WEBHOOKS)
def webhooks_events() -> str:
    """What happened, newest first."""
    return webhook_pages.event_list_page("console", sub_merchant_choices())


@blueprint.get("/webhooks/events/<event_id>")
@operator_page(OperatorPermission.SEE_WEBHOOKS)
def webhooks_event(event_id: str) -> str:
    """One event and where it went."""
    return webhook_pages.one_event_page("console", event_id)


@blueprint.post("/webhooks/events/<event_id>/resend")
@operator_page(OperatorPermission.RESEND_WEBHOOKS)
def webhooks_resend(event_id: str) -> ResponseReturnValue:
    """Send it once more for its sub-merchant, who sees who did it."""
    return webhook_pages.send_again("console", event_id)
