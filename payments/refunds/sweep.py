"""The sweep: every refund that is not settled is looked at again, so that none waits for news.

What WeChat Pay may not have heard of is sent again under the same number; everything else is asked
about.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from config.clock import now
from config.errors import AppError
from config.logs import get_logger
from payments.refunds.models import Refund, RefundState
from payments.refunds.schedule import next_check
from payments.refunds.send import send_refund
from payments.refunds.sync import sync_refund
from payments.sweeping import SWEEP_BATCH, TAKEN, claim_due, sweep

SWEEP_THREADS = 4  # each waits for WeChat Pay most of its time

log = get_logger(__name__)


def sweep_refunds(limit: int = SWEEP_BATCH) -> Mapping[str, object]:
    """Look at the refunds that are due, the longest waiting first; answers how they then stand."""
    return sweep(Refund, check_refund, threads=SWEEP_THREADS, limit=limit)


def check_refund(row_id: str) -> str:
    """Claim one due refund and bring it as far as it goes; answers how it then stands."""
    refund = claim_due(Refund, row_id, _later)
    if refund is None:
        return TAKEN
    try:
        if refund.state is RefundState.REQUESTED:
            send_refund(refund)
        else:
            sync_refund(refund)
    except AppError as error:
        # It is looked at again at its next moment; nothing is concluded from silence.
        log.info("a refund is not settled", refund_id=refund.id, code=error.code)
    return refund.state.value.lower()


def _later(refund: Refund) -> datetime:
    return next_check(refund, now())
