"""The moves an order may make. Everything not listed is refused."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from payments.orders.models import OrderState

MOVES: Mapping[OrderState, frozenset[OrderState]] = MappingProxyType(
    {
        OrderState.CREATED: frozenset({OrderState.PENDING, OrderState.PAID, OrderState.CLOSED}),
        OrderState.PENDING: frozenset({OrderState.PAID, OrderState.CLOSED}),
        OrderState.PAID: frozenset(),
        OrderState.CLOSED: frozenset({OrderState.PAID}),  # money received beats our own "closed"
    }
)

OPEN: frozenset[OrderState] = frozenset({OrderState.CREATED, OrderState.PENDING})


def sources_of(target: OrderState) -> tuple[OrderState, ...]:
    """The states from which an order may move to this one."""
    return tuple(state for state, targets in MOVES.items() if target in targets)
