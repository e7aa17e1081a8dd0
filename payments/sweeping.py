"""Rows that wait for WeChat Pay have a next moment to be looked at; a sweep works through them.

A due row is claimed by moving that moment on, which is one conditional UPDATE: of any number of
sweepers one gets it, and one that is killed has only postponed it. What is asked of WeChat Pay, and
what follows, is the business of the room whose rows they are. Tenants take turns, so that nobody's
thousand open rows keep another's one waiting.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar, cast

from flask import Flask, current_app
from sqlalchemy import Row as Found
from sqlalchemy import func, select, update

from config.clock import now
from config.database import changed_rows, db, release, transaction
from config.logs import get_logger
from submerchants.tenancy import across_tenants, acting_for

SWEEP_BATCH: Final = 200
LONGEST_SWEEP_S: Final = 45.0  # well within the lease of the jobs that sweep
TAKEN: Final = "taken"  # somebody else has it, or it is not due any more
_FAULT: Final = "fault"

log = get_logger(__name__)


class Watched(Protocol):
    """A tenant's row with a next moment to be looked at."""

    id: Any
    sub_merchant_id: Any
    next_check_at: Any
    checks: Any


Row = TypeVar("Row", bound=Watched)


def sweep(
    model: type[Watched], check: Callable[[str], str], *, threads: int, limit: int = SWEEP_BATCH
) -> Mapping[str, object]:
    """Check the rows that are due, `limit` at a time and each as its own tenant.

    `check` takes an id and answers in a word how the row then stands; answers how many of each.
    """
    app = cast("Flask", current_app._get_current_object())  # type: ignore[attr-defined]
    ends = time.monotonic() + LONGEST_SWEEP_S
    asked, counted = 0, Counter[str]()
    with ThreadPoolExecutor(threads, thread_name_prefix="sweep") as pool:
        while due := _due(model, limit):
            results = list(pool.map(lambda row: _checked(app, check, row), due))
            moved = len(due) - results.count(TAKEN)
            asked += moved
            counted.update(result for result in results if result != TAKEN)
            # A full batch may have left others waiting; one in which nothing moved would come back.
            stuck = moved == results.count(_FAULT)
            if len(due) < limit or stuck or time.monotonic() >= ends:
                break
    return {"asked": asked, **dict(sorted(counted.items()))}


def _due(model: type[Watched], limit: int) -> Sequence[Found[Any]]:
    """The rows that are due: every tenant's oldest one first, then every tenant's second."""
    turn = func.row_number().over(partition_by=model.sub_merchant_id, order_by=model.next_check_at)
    with across_tenants("a sweep looks at everybody's rows"):
        due = db.session.execute(
            select(model.id, model.sub_merchant_id)
            .where(model.next_check_at <= now())
            .order_by(turn, model.next_check_at)
            .limit(limit)
        ).all()
        release()
    return due


def claim_due(model: type[Row], row_id: str, later: Callable[[Row], datetime]) -> Row | None:
    """The row, if it is due and nobody else has taken it; it is due again when `later` says."""
    row = db.session.get(model, row_id)
    if row is None or row.next_check_at is None or row.next_check_at > now():
        return None
    moved = {"next_check_at": later(row), "checks": model.checks + 1}
    with transaction():
        mine = update(model).where(model.id == row.id, model.next_check_at == row.next_check_at)
        claimed = changed_rows(mine.values(**moved))
        db.session.refresh(row)
    return row if claimed else None


def _checked(app: Flask, check: Callable[[str], str], row: Found[Any]) -> str:
    with app.app_context(), acting_for(row.sub_merchant_id):
        try:
            return check(row.id)
        except Exception as fault:
            # Its next moment is set already; what ails one row must not stop the others.
            log.error("a waiting row could not be checked", row_id=row.id, exc_info=fault)
            return _FAULT
