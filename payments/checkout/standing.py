"""Where a link stands. Nothing of it is stored: it follows from the link and its payers' orders.

Paid beats everything: money that reached any order of the link ends it, whenever it came.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from config.clock import now
from config.database import db
from payments.checkout.models import CheckoutAttempt, CheckoutLink
from payments.orders.models import Order, OrderState
from payments.orders.states import OPEN


class LinkState(enum.StrEnum):
    """What a link's tenant and its payers are told."""

    OPEN = "OPEN"  # nobody has begun to pay
    PENDING = "PENDING"  # somebody has
    PAID = "PAID"
    CANCELLED = "CANCELLED"  # by its tenant, be it the link or the order under way
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Turn:
    """One payer's attempt and the order it came to, if it did."""

    attempt: CheckoutAttempt
    order: Order | None


@dataclass(frozen=True, slots=True)
class Standing:
    """A link's state, the turn in force, and the order that counts: the paid one, or the newest."""

    state: LinkState
    turn: Turn | None
    order: Order | None

    @property
    def is_final(self) -> bool:
        """Whether nobody can pay the link any more."""
        return self.state in (LinkState.PAID, LinkState.CANCELLED, LinkState.EXPIRED)

    @property
    def is_worth_asking(self) -> bool:
        """Whether WeChat Pay may know more of it than we do."""
        return self.order is not None and self.order.state in OPEN


def standing_of(link: CheckoutLink) -> Standing:
    """One link's, as the database has it now."""
    return standings([link])[link.id]


def standings(links: Sequence[CheckoutLink]) -> Mapping[str, Standing]:
    """Every link's by its id, in one query."""
    query = (
        select(CheckoutAttempt, Order)
        .outerjoin(Order, Order.id == CheckoutAttempt.order_id)
        .where(CheckoutAttempt.link_id.in_([link.id for link in links]))
        .order_by(CheckoutAttempt.number)
        .execution_options(populate_existing=True)
    )
    turns: dict[str, list[Turn]] = {link.id: [] for link in links}
    for attempt, order in db.session.execute(query):
        turns[attempt.link_id].append(Turn(attempt, order))
    moment = now()
    return {link.id: _stands(link, turns[link.id], moment) for link in links}


def _stands(link: CheckoutLink, turns: Sequence[Turn], moment: datetime) -> Standing:
    newest = turns[-1] if turns else None
    for turn in turns:
        if turn.order is not None and turn.order.state is OrderState.PAID:
            return Standing(LinkState.PAID, newest, turn.order)
    order = newest.order if newest else None
    return Standing(_unpaid_state(link, newest, moment), newest, order)


def _unpaid_state(link: CheckoutLink, newest: Turn | None, moment: datetime) -> LinkState:
    if link.cancelled_at is not None:
        return LinkState.CANCELLED
    if link.expires_at <= moment:
        return LinkState.EXPIRED
    if newest is None:
        return LinkState.OPEN
    was_closed = newest.order is not None and newest.order.state is OrderState.CLOSED
    if was_closed and newest.attempt.superseded_at is None:
        return LinkState.CANCELLED  # not for another payer's sake: somebody wanted it to end
    return LinkState.PENDING
