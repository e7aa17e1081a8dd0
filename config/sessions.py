"""Log-ins that live on the server: a row for each, found by the hash of what the cookie holds.

The cookie is 256 random bits and means nothing by itself; whoever reads the table learns no cookie.
A session gets a new id whenever it becomes worth more (password given, second factor given) and
ends at log-out, at a change of password, when the account is disabled, after thirty minutes without
a request, and after twelve hours whatever happens.
"""

from __future__ import annotations

import enum
import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import Index, String, delete, or_, update
from sqlalchemy.orm import Mapped, mapped_column

from config.batches import forget_rows
from config.clock import now
from config.database import Base, changed_rows, db, identifier, transaction
from config.vault import Secret

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
HALF_WAY = timedelta(minutes=5)  # how long a right password waits for its second factor
TOUCH_EVERY = timedelta(minutes=1)
MAX_CODE_TRIES = 5
_TOKEN_BYTES = 32


class PersonKind(enum.StrEnum):
    """Which of the two doors somebody came in by."""

    OPERATOR = "OPERATOR"
    STAFF = "STAFF"


class LoginSession(Base):
    """One signed-in browser. `is_proven` turns true only in a new row, never in this one."""

    __tablename__ = "login_sessions"
    __table_args__ = (Index("ix_login_sessions_person", "person_kind", "person_id"),)

    id: Mapped[str] = mapped_column(identifier(64), primary_key=True)  # SHA-256 of the cookie
    person_kind: Mapped[PersonKind]
    person_id: Mapped[str] = mapped_column(identifier(40))
    is_proven: Mapped[bool]  # False: the password was right, the second factor is still owed
    code_tries: Mapped[int]
    origin: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


def begin_session(kind: PersonKind, person_id: str, *, is_proven: bool, origin: str) -> Secret:
    """Add a session in the caller's transaction; answers what to put in the cookie."""
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    moment = now()
    db.session.add(
        LoginSession(
            id=_hash(token),
            person_kind=kind,
            person_id=person_id,
            is_proven=is_proven,
            code_tries=0,
            origin=origin,
            created_at=moment,
            last_seen_at=moment,
            expires_at=moment + (ABSOLUTE if is_proven else HALF_WAY),
        )
    )
    return Secret(token)


def find_session(token: str) -> LoginSession | None:
    """The session this cookie opens, if it is still in force; marks it as seen."""
    session = db.session.get(LoginSession, _hash(token))
    if session is None or _is_over(session):
        return None
    if now() - session.last_seen_at >= TOUCH_EVERY:
        with transaction():
            here = update(LoginSession).where(LoginSession.id == session.id)
            changed_rows(here.values(last_seen_at=now()))
    return session


def count_code_try(session: LoginSession) -> bool:
    """Count one try of the second factor in the caller's transaction; False when none is left."""
    here = update(LoginSession).where(
        LoginSession.id == session.id, LoginSession.code_tries < MAX_CODE_TRIES
    )
    return changed_rows(here.values(code_tries=LoginSession.code_tries + 1)) == 1


def end_session(session: LoginSession) -> bool:
    """End one session in the caller's transaction; False when it had ended before."""
    return changed_rows(delete(LoginSession).where(LoginSession.id == session.id)) == 1


def end_sessions_of(kind: PersonKind, person_id: str) -> int:
    """End every session of a person in the caller's transaction; answers how many there were."""
    theirs = delete(LoginSession).where(
        LoginSession.person_kind == kind, LoginSession.person_id == person_id
    )
    return changed_rows(theirs)


def forget_ended_sessions() -> dict[str, object]:
    """Drop the rows no cookie opens any more; a job calls this."""
    over = or_(LoginSession.expires_at <= now(), LoginSession.last_seen_at <= now() - IDLE)
    return {"ended": forget_rows(LoginSession, over)}


def _is_over(session: LoginSession) -> bool:
    return now() >= session.expires_at or now() - session.last_seen_at >= IDLE


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
