"""The sub-merchant's own webhooks: endpoints, deliveries, events."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from admin_ui import webhook_changes, webhook_pages
from admin_ui.access import member_here, staff_page
from admin_ui.dashboard import blueprint
from submerchants.staff.roles import StaffPermission


@blueprint.get("/webhooks")
@staff_page(StaffPermission.SEE_WEBHOOKS)
def webhooks() -> str:
    """All endpoints with their health."""
    return webhook_pages.own_endpoints_page()


@blueprint.get("/webhooks/new")
@staff_page(StaffPermission.CHANGE_WEBHOOKS)
def webhooks_new() -> str:
    """The form that adds one."""
    return webhook_changes.new_endpoint_page()


@blueprint.post("/webhooks")
@staff_page(StaffPermission.CHANGE_WEBHOOKS)
def webhooks_add() -> ResponseReturnValue:
    """Add one, and show its secret this once."""
    return webhook_changes.add(member_here())


@blueprint.get("/webhooks/<endpoint_id>")
@staff_page(StaffPermission.SEE_WEBHOOKS)
def webhooks_one(endpoint_id: str) -> str:
    """One endpoint and its deliveries."""
    return webhook_pages.one_endpoint_page("dashboard", endpoint_id)


@blueprint.post("/webhooks/<endpoint_id>/change")
@staff_page(StaffPermission.CHANGE_WEBHOOKS)
def webhooks_change(endpoint_id: str) -> ResponseReturnValue:
    """What it is called and what it hears of."""
    return webhook_changes.change(endpoint_id)


@blueprint.post("/webhooks/<endpoint_id>/move")
@staff_page(StaffPermission.CHANGE_WEBHOOKS)
def webhooks_move(endpoint_id: str) -> ResponseReturnValue:
    """Another address."""
    return webhook_changes.move(member_here(), endpoint_id)


@blueprint.post("/webhooks/<endpoint_id>/switch")
@staff_page(StaffPermission.CHANGE_WEBHOOKS)
def webhooks_switch(endpoint_id: str) -> ResponseReturnValue:
    """Disable it, or enable it again."""
    return webhook_changes.switch(endpoint_id)


@blueprint.post("/webhooks/<endpoint_id>/roll")
@staff_page(StaffPermission.CHANGE_WEBHOOKS)
def webhooks_roll(endpoint_id: str) -> ResponseReturnValue:
    """A new secret, shown this once."""
    return webhook_changes.roll(member_here(), endpoint_id)


@blueprint.post("/webhooks/<endpoint_id>/delete")
@staff_page(StaffPermission.CHANGE_WEBHOOKS)
def webhooks_delete(endpoint_id: str) -> ResponseReturnValue:
    """Nothing more is sent there."""
    return webhook_changes.delete(member_here(), endpoint_id)


@blueprint.post("/webhooks/<endpoint_id>/test")
@staff_page(StaffPermission.CHANGE_WEBHOOKS)
def webhooks_test(endpoint_id: str) -> ResponseReturnValue:
    """A test event, sent now."""
    return webhook_changes.trial(endpoint_id)


@blueprint.post("/webhooks/<endpoint_id>/recover")
@staff_page(StaffPermission.CHANGE_WEBHOOKS)
def webhooks_recover(endpoint_id: str) -> ResponseReturnValue:
    """What it missed of a period."""
    return webhook_changes.recover(endpoint_id)


@blueprint.get("/webhooks/events")
@staff_page(StaffPermission.SEE_WEBHOOKS)
def webhooks_events() -> str:
    """What happened, newest first."""
    return webhook_pages.event_list_page("dashboard")


@blueprint.get("/webhooks/events/<event_id>")
@staff_page(StaffPermission.SEE_WEBHOOKS)
def webhooks_event(event_id: str) -> str:
    """One event and where it went."""
    return webhook_pages.one_event_page("dashboard", event_id)


@blueprint.post("/webhooks/events/<event_id>/resend")
@staff_page(StaffPermission.CHANGE_WEBHOOKS)
def webhooks_resend(event_id: str) -> ResponseReturnValue:
    """Send it once more."""
    return webhook_pages.send_again("dashboard", event_id)
