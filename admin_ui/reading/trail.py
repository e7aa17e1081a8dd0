"""The audit trail as a list, newest first: a tenant's own part of it, or all of it.

Each list is put together out of stretches that an index holds in order, one for each kind of actor
or of thing; so the first page of one operator's few deeds among a million entries costs no more
than any other.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select, union_all

from admin_ui.reading.chosen import LONGEST_NUMBER, Days, named_day, names_of_ids
from config.audit import AuditEntry
from config.database import db
from payments.errors import NotACursor
from payments.orders.queries import cursor_after, read_cursor
from payments.reconciliation.models import Discrepancy, Reconciliation
from payments.webhooks.models import WebhookEndpoint
from submerchants.tenancy import tenant_in_scope

ROWS_PER_PAGE = 50
_NAME = re.compile(r"aud_([0-9]{1,18})")  # an entry's, as cursors have it


class Side(enum.StrEnum):
    """On whose side an actor stands."""

    PROVIDER = "PROVIDER"
    OWN = "OWN"
    SYSTEM = "SYSTEM"


class Group(enum.StrEnum):
    """What an entry is about, in the large."""

    ORDERS = "ORDERS"
    REFUNDS = "REFUNDS"
    CHECKOUT = "CHECKOUT"
    RECONCILIATION = "RECONCILIATION"
    NOTIFICATIONS = "NOTIFICATIONS"
    WEBHOOKS = "WEBHOOKS"
    SUB_MERCHANTS = "SUB_MERCHANTS"
    PEOPLE = "PEOPLE"
    PROVIDER = "PROVIDER"


ACTORS: Mapping[Side, tuple[str, ...]] = {
    Side.PROVIDER: ("operator", "command"),
    Side.OWN: ("staff", "api_key"),
    Side.SYSTEM: ("system", "wechatpay", "payer"),
}
THINGS: Mapping[Group, tuple[str, ...]] = {
    Group.ORDERS: ("order",),
    Group.REFUNDS: ("refund",),
    Group.CHECKOUT: ("checkout_link",),
    Group.RECONCILIATION: ("bill_download", "bill_day", "reconciliation", "discrepancy"),
    Group.NOTIFICATIONS: ("notification",),
    Group.WEBHOOKS: ("webhook_endpoint", "event"),
    Group.SUB_MERCHANTS: ("sub_merchant",),
    Group.PEOPLE: ("operator", "staff", "api_key"),
    Group.PROVIDER: ("partner", "vault"),
}
_SIDES = {kind: side for side, kinds in ACTORS.items() for kind in kinds}


@dataclass(frozen=True, slots=True)
class Asked(Days):
    """What the reader wants of the trail, as it stands in the address."""

    side: Side | None = None
    group: Group | None = None
    sub_merchant_id: str | None = None
    object_id: str = ""

    @classmethod
    def from_address(cls, arguments: Mapping[str, str]) -> Asked:
        """Read the address; what makes no sense there is left open rather than refused."""
        side, group = arguments.get("by", ""), arguments.get("about", "")
        return cls(
            first_day=named_day(arguments.get("from")),
            last_day=named_day(arguments.get("to")),
            side=Side(side) if side in Side.__members__ else None,
            group=Group(group) if group in Group.__members__ else None,
            sub_merchant_id=arguments.get("sub_merchant") or None,
            object_id=arguments.get("object", "").strip()[:LONGEST_NUMBER],
        )

    def said(self) -> Mapping[str, object]:
        """What else was asked for, by the names it has in an address."""
        return {
            "by": self.side,
            "about": self.group,
            "sub_merchant": self.sub_merchant_id,
            "object": self.object_id,
        }


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One entry with its detail opened."""

    entry: AuditEntry
    detail: dict[str, Any]

    @property
    def side(self) -> Side:
        """On whose side the actor stands."""
        return _SIDES.get(self.entry.actor_kind, Side.SYSTEM)


@dataclass(frozen=True, slots=True)
class TrailPage:
    """A stretch of the trail, where the next begins, and the names of the tenants in it."""

    rows: list[TrailRow]
    next_cursor: str | None
    names: Mapping[str, str]


def trail(asked: Asked, cursor: str | None = None) -> TrailPage:
    """One page of what the scope may see. Raises NotACursor for a cursor that is not ours."""
    found = _newest(asked, cursor)
    shown = found[:ROWS_PER_PAGE]
    last = shown[-1] if len(found) > len(shown) else None
    return TrailPage(
        [TrailRow(entry, json.loads(entry.detail)) for entry in shown],
        cursor_after(last.happened_at, f"aud_{last.id}") if last else None,
        names_of_ids({entry.tenant_id for entry in shown if entry.tenant_id}),
    )


def days_of(entries: Sequence[AuditEntry]) -> dict[str, tuple[str, str]]:
    """The day and result that reconciliations and differences are shown with, by their own ids."""
    ids = [one.object_id for one in entries if one.object_kind in THINGS[Group.RECONCILIATION]]
    of_differences = select(Discrepancy.id, Reconciliation.bill_date, Reconciliation.id).join(
        Reconciliation, Reconciliation.id == Discrepancy.reconciliation_id
    )
    of_results = select(Reconciliation.id, Reconciliation.bill_date, Reconciliation.id)
    rows = [
        *db.session.execute(of_differences.where(Discrepancy.id.in_(ids))),
        *db.session.execute(of_results.where(Reconciliation.id.in_(ids))),
    ]
    return {own_id: (day.isoformat(), result_id) for own_id, day, result_id in rows}


def endpoints_still_there(entries: Sequence[AuditEntry]) -> set[str]:
    """Which of the webhook endpoints among these have a page: those not deleted."""
    ids = [one.object_id for one in entries if one.object_kind == "webhook_endpoint"]
    query = select(WebhookEndpoint.id).where(
        WebhookEndpoint.id.in_(ids), WebhookEndpoint.deleted_at.is_(None)
    )
    return set(db.session.scalars(query))


def _newest(asked: Asked, cursor: str | None) -> list[AuditEntry]:
    newest_first = AuditEntry.happened_at.desc(), AuditEntry.id.desc()
    common = [*_days(asked), *_behind(cursor)]
    stretches = []
    for stretch in _stretches(asked):
        one = select(AuditEntry.id, AuditEntry.happened_at).where(*stretch, *common)
        one = one.order_by(*newest_first).limit(ROWS_PER_PAGE + 1)
        stretches.append(select(one.subquery()))
    together = union_all(*stretches).subquery()
    chosen = select(AuditEntry).join(together, together.c.id == AuditEntry.id)
    newest = chosen.order_by(together.c.happened_at.desc(), together.c.id.desc())
    return list(db.session.scalars(newest.limit(ROWS_PER_PAGE + 1)))


def _stretches(asked: Asked) -> list[list[ColumnElement[bool]]]:
    """Sets of conditions, no two of which one entry meets; an index has each in order of time.

    The first column that a stretch goes by is compared plainly. The others are wrapped, so that no
    other index tempts a database that knows nothing of how the rows are spread.
    """
    tenant = tenant_in_scope() or asked.sub_merchant_id  # the scope before whatever is asked for
    of_tenant = [func.coalesce(AuditEntry.tenant_id, "") == tenant] if tenant else []
    of_side = [func.coalesce(AuditEntry.actor_kind, "").in_(_kinds_of(asked))] if asked.side else []
    of_group = (
        [func.coalesce(AuditEntry.object_kind, "").in_(THINGS[asked.group])] if asked.group else []
    )
    if asked.object_id:
        return [[AuditEntry.object_id == asked.object_id, *of_tenant, *of_side, *of_group]]
    # Of the provider's deeds there are few, and of whatever is no order far fewer than of orders.
    is_rare = asked.group is not None and asked.group is not Group.ORDERS
    if asked.group and asked.side is not Side.PROVIDER and (is_rare or tenant is None):
        kinds = THINGS[asked.group]
        return [[AuditEntry.object_kind == kind, *of_tenant, *of_side] for kind in kinds]
    plainly = [AuditEntry.tenant_id == tenant] if tenant else []
    return [[*plainly, AuditEntry.actor_kind == kind, *of_group] for kind in _kinds_of(asked)]


def _days(asked: Asked) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if asked.begins is not None:
        conditions.append(AuditEntry.happened_at >= asked.begins)
    if asked.ends is not None:
        conditions.append(AuditEntry.happened_at < asked.ends)
    return conditions


def _behind(cursor: str | None) -> list[ColumnElement[bool]]:
    if cursor is None:
        return []
    happened_at, name = read_cursor(cursor)
    number = _NAME.fullmatch(name)
    if number is None:
        raise NotACursor
    # The first gives every database a range to begin at; the second only breaks ties.
    return [
        AuditEntry.happened_at <= happened_at,
        or_(AuditEntry.happened_at < happened_at, AuditEntry.id < int(number[1])),
    ]


def _kinds_of(asked: Asked) -> Sequence[str]:
    return ACTORS[asked.side] if asked.side is not None else tuple(_SIDES)
