"""When WeChat Pay's certificates are due: the note a request leaves, and the job reads.

A message that names a key we do not hold may mean that WeChat Pay changed its certificate. The
request itself stays off the network: it leaves a note, once a minute at most, and is refused.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from config.clock import now
from config.database import changed_rows, db, transaction
from config.logs import get_logger
from config.pacing import OnceEvery
from partner.models import Partner, PlatformKeyRefresh, RefreshState

REFRESH_EVERY: Final = timedelta(hours=10)  # WeChat Pay asks for less than twelve
RETRY_AFTER: Final = timedelta(minutes=10)
ASK_AT_MOST_EVERY: Final = timedelta(minutes=1)

log = get_logger(__name__)

_asked = OnceEvery(ASK_AT_MOST_EVERY)  # by partner id, so that a flood stays in memory


def ask_for_refresh(partner_id: str) -> bool:
    """Leave a note that the certificates may be out of date; True when one was written.

    Never raises for the database's sake: the message that led here is refused either way.
    """
    if not _asked.is_due(partner_id):
        return False
    moment = now()
    long_ago = or_(
        PlatformKeyRefresh.asked_at.is_(None),
        PlatformKeyRefresh.asked_at < moment - ASK_AT_MOST_EVERY,
    )
    here = update(PlatformKeyRefresh).where(PlatformKeyRefresh.id == partner_id, long_ago)
    try:
        with transaction():
            return changed_rows(here.values(asked_at=moment)) == 1
    except SQLAlchemyError as error:
        log.warning("could not ask for a refresh", partner_id=partner_id, exc_info=error)
        return False


def due_for_refresh() -> list[str]:
    """Ids of the providers whose certificates should be fetched now."""
    rows = db.session.execute(
        select(Partner.id, PlatformKeyRefresh).outerjoin(
            PlatformKeyRefresh, PlatformKeyRefresh.id == Partner.id
        )
    ).all()
    return [partner_id for partner_id, row in rows if row is None or _is_due(row, now())]


def note_outcome(partner_id: str, state: RefreshState, problem: str = "") -> None:
    """Write down how a refresh ended; belongs inside a transaction."""
    row = db.session.get(PlatformKeyRefresh, partner_id)
    if row is None:
        row = new_refresh_row(partner_id)
        db.session.add(row)
    row.tried_at, row.state, row.problem = now(), state, problem[:255]
    if state is not RefreshState.FAILED:
        row.refreshed_at = row.tried_at


def new_refresh_row(partner_id: str) -> PlatformKeyRefresh:
    """A provider that was never asked about."""
    return PlatformKeyRefresh(
        id=partner_id,
        asked_at=None,
        tried_at=None,
        refreshed_at=None,
        state=RefreshState.NEVER,
        problem="",
    )


def _is_due(row: PlatformKeyRefresh, moment: datetime) -> bool:
    if row.tried_at is None:
        return True
    waited = moment - row.tried_at
    if row.asked_at is not None and row.asked_at >= row.tried_at:
        return waited >= ASK_AT_MOST_EVERY
    return waited >= (RETRY_AFTER if row.state is RefreshState.FAILED else REFRESH_EVERY)
