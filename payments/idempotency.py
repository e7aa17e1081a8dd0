"""Idempotency keys: a repeated call gets the answer of the first, and does nothing twice.

A key belongs to one tenant and one operation. Whoever inserts its row holds it for a minute; the
answer is written only by the holder. Successes are kept and given out again byte for byte. Anything
else gives the key back, so that a repeat continues the work instead of repeating an error. What
makes continuing safe is not here: an order keeps its number whoever asks for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

from sqlalchemy import ColumnElement, UniqueConstraint, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from config.clock import now
from config.database import Base, changed_rows, db, identifier, long_text, release, transaction
from config.errors import AppError, Conflict, RefusedHere
from config.identifiers import new_id, random_letters
from config.inserts import insert_new
from config.logs import get_logger
from submerchants.tenancy import TenantOwned, across_tenants

log = get_logger(__name__)

LEASE = timedelta(seconds=60)
KEPT_FOR = timedelta(days=7)
FORGOTTEN_AT_ONCE = 1_000
FORGETTING_ROUNDS = 100
_LOOK_AGAIN_SECONDS = 2
_TOKEN_LETTERS = 20
_NO_REQUEST = ""  # the hash of a key that was given back: any request may take it

# These leave something behind (an order that exists, a call that may have arrived), so the key
# stays tied to its request. After any other refusal nothing happened: a mended request may use it.
_LEFT_TRACES = (HTTPStatus.FAILED_DEPENDENCY, HTTPStatus.TOO_MANY_REQUESTS)


class IdempotencyRecord(TenantOwned, Base):
    """One key of one tenant: who works on it, and the answer once there is one."""

    __tablename__ = "idempotency_records"
    __table_args__ = (UniqueConstraint("sub_merchant_id", "operation", "key_hash"),)

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    operation: Mapped[str] = mapped_column(identifier(32))
    key_hash: Mapped[str] = mapped_column(identifier(64))  # databases compare blanks differently
    request_hash: Mapped[str] = mapped_column(identifier(64))
    claim_token: Mapped[str] = mapped_column(identifier(32))
    lease_ends_at: Mapped[datetime]
    status: Mapped[int | None]  # NULL until there is an answer to keep
    body: Mapped[str | None] = mapped_column(long_text())
    created_at: Mapped[datetime] = mapped_column(index=True)


class IdempotencyKeyReused(RefusedHere):
    """The key was used before, for another request."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used for a request with other content. "
            "Repeat that request unchanged, or send a new key.",
            field="Idempotency-Key",
        )


class IdempotencyInProgress(Conflict):
    """The first request under this key is still at work."""

    code = "idempotency_in_progress"

    def __init__(self) -> None:
        super().__init__(
            "A request with this Idempotency-Key is still at work. Repeat it in a moment.",
            retry_after_seconds=_LOOK_AGAIN_SECONDS,
            field="Idempotency-Key",
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer; `is_replay` when an earlier request earned it."""

    status: int
    body: str
    is_replay: bool = False


@dataclass(frozen=True, slots=True)
class _Claim:
    """The right to work under a key, until the lease ends."""

    record_id: str
    token: str

    def still_held(self) -> tuple[ColumnElement[bool], ...]:
        return (
            IdempotencyRecord.id == self.record_id,
            IdempotencyRecord.claim_token == self.token,
            IdempotencyRecord.status.is_(None),
        )


def answer_once(
    *,
    sub_merchant_id: str,
    operation: str,
    key: str,
    request_hash: str,
    work: Callable[[], Answer],
) -> Answer:
    """Do the work under this key unless it is done already; runs acting for the tenant.

    `work` runs outside any transaction. Raises IdempotencyKeyReused for the key with another
    request, IdempotencyInProgress while somebody else holds it, and whatever `work` raises.
    """
    claim = _claim(sub_merchant_id, operation, _hashed(key), request_hash)
    if isinstance(claim, Answer):
        return claim
    try:
        answer = work()
    except Exception as error:
        _give_back(claim, error)
        raise
    _keep(claim, answer)
    return answer


def forget_old_keys() -> dict[str, object]:
    """Drop keys older than they are promised to be kept; a job calls this."""
    forgotten = 0
    old = (
        select(IdempotencyRecord.id)
        .where(IdempotencyRecord.created_at < now() - KEPT_FOR)
        .order_by(IdempotencyRecord.created_at)
        .limit(FORGOTTEN_AT_ONCE)
    )
    with across_tenants("keys are forgotten by age alone"):
        for _ in range(FORGETTING_ROUNDS):
            ids = db.session.scalars(old).all()
            release()
            if not ids:
                break
            with transaction():
                these = delete(IdempotencyRecord).where(IdempotencyRecord.id.in_(ids))
                forgotten += changed_rows(these)
    return {"forgotten": forgotten}


def _claim(
    sub_merchant_id: str, operation: str, key_hash: str, request_hash: str
) -> _Claim | Answer:
    claim = _Claim(new_id("idk"), random_letters(_TOKEN_LETTERS))
    moment = now()
    draft = {
        "id": claim.record_id,
        "sub_merchant_id": sub_merchant_id,
        "operation": operation,
        "key_hash": key_hash,
        "request_hash": request_hash,
        "claim_token": claim.token,
        "lease_ends_at": moment + LEASE,
        "created_at": moment,
    }
    with transaction():
        if insert_new(
            IdempotencyRecord, draft, unique=("sub_merchant_id", "operation", "key_hash")
        ):
            return claim
        record = db.session.scalars(
            select(IdempotencyRecord)
            .where(IdempotencyRecord.operation == operation, IdempotencyRecord.key_hash == key_hash)
            .execution_options(populate_existing=True)
        ).one_or_none()
        return _earlier(record, request_hash, claim.token, moment)


def _earlier(
    record: IdempotencyRecord | None, request_hash: str, token: str, moment: datetime
) -> _Claim | Answer:
    if record is None:  # forgotten between the two statements
        raise IdempotencyInProgress
    if record.request_hash not in (request_hash, _NO_REQUEST):
        raise IdempotencyKeyReused
    if record.status is not None:
        return Answer(record.status, record.body or "", is_replay=True)
    if record.lease_ends_at > moment:  # looked at first: an UPDATE would wait for the holder's own
        raise IdempotencyInProgress
    abandoned = update(IdempotencyRecord).where(
        *_Claim(record.id, record.claim_token).still_held(),
        IdempotencyRecord.lease_ends_at <= moment,
    )
    mine = {"claim_token": token, "lease_ends_at": moment + LEASE, "request_hash": request_hash}
    if not changed_rows(abandoned.values(**mine, created_at=moment)):
        raise IdempotencyInProgress
    return _Claim(record.id, token)


def _keep(claim: _Claim, answer: Answer) -> None:
    with transaction():
        mine = update(IdempotencyRecord).where(*claim.still_held())
        kept = changed_rows(mine.values(status=answer.status, body=answer.body))
    if not kept:
        # The lease ran out and a repeat took over; both came to the same order.
        log.warning("an idempotency key was taken over", record_id=claim.record_id)


def _give_back(claim: _Claim, error: Exception) -> None:
    try:
        with transaction():
            # The row stays: on MySQL, repeats that meet a row just deleted deadlock as they insert.
            mine = update(IdempotencyRecord).where(*claim.still_held())
            freed = {"request_hash": _NO_REQUEST} if _left_nothing(error) else {}
            changed_rows(mine.values(lease_ends_at=now() - LEASE, **freed))
    except Exception as trouble:  # the error at hand matters more; the lease will run out
        log.warning("an idempotency key was not given back", exc_info=trouble)


def _left_nothing(error: Exception) -> bool:
    if not isinstance(error, AppError):
        return False
    return error.status < HTTPStatus.INTERNAL_SERVER_ERROR and error.status not in _LEFT_TRACES


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
