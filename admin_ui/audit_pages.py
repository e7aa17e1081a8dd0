"""The audit trail at both doors: a tenant's own part for its staff, all of it for operators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import render_template, request, url_for

from admin_ui import audit_words, wording
from admin_ui.order_pages import preset_names
from admin_ui.reading.trail import Asked, Group, Side, days_of, endpoints_still_there, trail
from config.audit import AuditEntry, ChainEnd
from submerchants.tenants.models import SubMerchant

# Pages of single things: the view of that thing, and what its address calls the id.
_SHOWN_AT = {
    "order": ("orders_one", "order_id"),
    "refund": ("refunds_one", "refund_id"),
    "event": ("webhooks_event", "event_id"),
    "webhook_endpoint": ("webhooks_one", "endpoint_id"),
}
_SHOWN_TO_STAFF = {"checkout_link": ("checkout_one", "link_id")}
_SHOWN_TO_OPERATORS = {
    "notification": ("notifications_one", "entry_id"),
    "sub_merchant": ("sub_merchants_one", "sub_merchant_id"),
}


def audit_page(
    door: str, sub_merchants: Sequence[SubMerchant] = (), end: ChainEnd | None = None
) -> str:
    """The list for the filter in the address; htmx asks for the next rows only."""
    asked = Asked.from_address(request.args)
    page = trail(asked, request.args.get("cursor"))
    is_more = request.headers.get("HX-Target") == "more"
    return render_template(
        "audit/rows.html" if is_more else "audit/list.html",
        door=door,
        asked=asked,
        page=page,
        places=_places(door, [row.entry for row in page.rows]),
        sides={side: audit_words.side_name(side, door) for side in Side},
        groups={group: audit_words.group_name(group) for group in Group},
        sub_merchants=sub_merchants,
        end=end,
        preset_names=preset_names(),
        words=audit_words,
        fact_name=wording.fact_name,
        fact_value=wording.fact_value,
    )


def _places(door: str, entries: Sequence[AuditEntry]) -> dict[int, str]:
    """Where the thing of each entry is shown, for those that have a page at this door."""
    days, endpoints = days_of(entries), endpoints_still_there(entries)
    found = {}
    for entry in entries:
        if entry.object_kind == "webhook_endpoint" and entry.object_id not in endpoints:
            continue
        place = _of_a_day(door, entry, days) or _of_its_own(door, entry)
        if place is not None:
            name, arguments = place
            found[entry.id] = url_for(f"{door}.{name}", **arguments)
    return found


def _of_its_own(door: str, entry: AuditEntry) -> tuple[str, dict[str, Any]] | None:
    only_here = _SHOWN_TO_OPERATORS if door == "console" else _SHOWN_TO_STAFF
    shown_at = {**_SHOWN_AT, **only_here}.get(entry.object_kind)
    if shown_at is not None:
        name, argument = shown_at
        return name, {argument: entry.object_id}
    if door == "console" and entry.object_kind in ("staff", "api_key") and entry.tenant_id:
        return "sub_merchants_one", {"sub_merchant_id": entry.tenant_id}
    return None


def _of_a_day(
    door: str, entry: AuditEntry, days: dict[str, tuple[str, str]]
) -> tuple[str, dict[str, Any]] | None:
    if entry.object_kind == "bill_day" and door == "console":
        return "reconciliation_day", {"day": entry.object_id.rpartition(":")[2]}
    if entry.object_id not in days:
        return None
    day, result_id = days[entry.object_id]
    if door == "console":
        return "reconciliation_one", {"day": day, "reconciliation_id": result_id}
    return "reconciliation_day", {"day": day}
