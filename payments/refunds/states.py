"""The moves a refund may make, and what each does to the order's money.

Everything not listed is refused. Until it is CLOSED, a refund holds its amount of the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from payments.refunds.models import RefundState

MOVES: Mapping[RefundState, frozenset[RefundState]] = MappingProxyType(
    {
        RefundState.REQUESTED: frozenset(
            {
                RefundState.PROCESSING,
                RefundState.SUCCEEDED,
                RefundState.ABNORMAL,
                RefundState.CLOSED,
            }
        ),
        RefundState.PROCESSING: frozenset(
            {RefundState.SUCCEEDED, RefundState.ABNORMAL, RefundState.CLOSED}
        ),
        # Somebody said where the money goes instead: it is under way once more.
        RefundState.ABNORMAL: frozenset(
            {RefundState.PROCESSING, RefundState.SUCCEEDED, RefundState.CLOSED}
        ),
        RefundState.SUCCEEDED: frozenset(),
        # Whatever WeChat Pay does with the money beats our own "closed".
        RefundState.CLOSED: frozenset(
            {RefundState.PROCESSING, RefundState.SUCCEEDED, RefundState.ABNORMAL}
        ),
    }
)

FINAL: frozenset[RefundState] = frozenset({RefundState.SUCCEEDED, RefundState.CLOSED})

# WeChat Pay's word, and the state it leads to.
STATE_OF: Mapping[str, RefundState] = MappingProxyType(
    {
        "PROCESSING": RefundState.PROCESSING,
        "SUCCESS": RefundState.SUCCEEDED,
        "ABNORMAL": RefundState.ABNORMAL,
        "CLOSED": RefundState.CLOSED,
    }
)
