"""How an operator comes in: the password first, then a code from the authenticator app.

A right password alone opens nothing: its session is good for the code page only. Each step begins
a new session under a new id. A code is used up by a conditional UPDATE of the last step, so of two
requests with the same code exactly one gets in.
"""

from __future__ import annotations

from sqlalchemy import select, update

from config import audit
from config.clock import now
from config.database import changed_rows, db, release, transaction
from config.passwords import check_new_password, hash_password, needs_new_hash
from config.second_factor import matching_step
from config.sessions import (
    LoginSession,
    PersonKind,
    begin_session,
    count_code_try,
    end_session,
    end_sessions_of,
)
from config.sign_in import SignInRefused, counted_guess, require_password
from config.throttle import count_guess
from config.vault import Secret
from partner.operators.models import Operator

DOOR = "operator"
CODE_DOOR = "operator code"


def give_password(*, email: str, password: Secret, origin: str) -> Secret:
    """The cookie of a session that still owes its code. Raises SignInRefused, TooManyTries."""
    known, guess = counted_guess(DOOR, email, origin)
    operator = db.session.scalar(
        select(Operator).where(Operator.email == known, Operator.disabled_at.is_(None))
    )
    require_password(operator, password)
    if operator is None:
        raise SignInRefused
    fresh = hash_password(password) if needs_new_hash(operator.password_hash) else None
    with transaction():
        guess.was_right()
        if not _is_still_theirs(operator, operator.password_hash, fresh):
            raise SignInRefused
        return begin_session(PersonKind.OPERATOR, operator.id, is_proven=False, origin=origin)


def give_code(*, session: LoginSession, code: str, origin: str) -> Secret:
    """The cookie of a full session. Raises SignInRefused, TooManyTries.

    After a few tries the session is over. A new one does not bring new tries: whoever knows the
    password could else begin sessions until a code is guessed.
    """
    operator = get_active_operator(session.person_id)
    if operator is None:
        raise SignInRefused
    guess = count_guess(CODE_DOOR, operator.id, None)
    with transaction():
        has_try_left = count_code_try(session)
    step = matching_step(operator.totp_secret, code, at=now(), after=operator.last_totp_step)
    actor = audit.Actor(kind="operator", id=operator.id, name=operator.email, origin=origin)
    if not has_try_left or step is None:
        with audit.acting_as(actor), transaction():
            _record(operator, "operator.code_refused", "refused")
            if not has_try_left:
                end_session(session)
        raise SignInRefused
    with audit.acting_as(actor), transaction():
        if not _use_up(operator, step) or not end_session(session):
            raise SignInRefused
        guess.was_right()
        _record(operator, "operator.signed_in", "done")
        return begin_session(PersonKind.OPERATOR, operator.id, is_proven=True, origin=origin)


def prove_again(*, operator: Operator, code: str) -> None:
    """Make sure that it is still the operator who sits there, before money moves.

    Uses the code up, like signing in does. Raises SignInRefused, TooManyTries.
    """
    guess = count_guess(CODE_DOOR, operator.id, None)
    step = matching_step(operator.totp_secret, code, at=now(), after=operator.last_totp_step)
    with transaction():
        if step is None or not _use_up(operator, step):
            _record(operator, "operator.proof_refused", "refused")
        else:
            guess.was_right()
            _record(operator, "operator.proved_again", "done")
            return
    raise SignInRefused


def get_active_operator(operator_id: str) -> Operator | None:
    """The operator, unless disabled or gone."""
    operator = db.session.get(Operator, operator_id)
    return operator if operator and operator.disabled_at is None else None


def change_password(*, operator: Operator, password: Secret) -> None:
    """Set a new password and end every session of theirs. Raises PasswordRefused."""
    check_new_password(password, email=operator.email)
    release()
    hashed = hash_password(password)
    with transaction():
        operator.password_hash = hashed
        end_sessions_of(PersonKind.OPERATOR, operator.id)
        _record(operator, "operator.password_changed", "done")


def disable(*, operator: Operator) -> None:
    """Let them in no more, at once. Disabling twice changes nothing."""
    with transaction():
        here = update(Operator).where(Operator.id == operator.id, Operator.disabled_at.is_(None))
        if changed_rows(here.values(disabled_at=now())):
            end_sessions_of(PersonKind.OPERATOR, operator.id)
            _record(operator, "operator.disabled", "done")
        db.session.refresh(operator)


def _is_still_theirs(operator: Operator, judged: str, fresh: str | None) -> bool:
    """Whether the password that was judged has not been changed meanwhile; holds the row.

    Judging takes long, and a change made during it must neither be undone nor left a session.
    """
    same = update(Operator).where(
        Operator.id == operator.id,
        Operator.password_hash == judged,
        Operator.disabled_at.is_(None),
    )
    return changed_rows(same.values(password_hash=fresh or judged)) == 1


def _use_up(operator: Operator, step: int) -> bool:
    here = update(Operator).where(Operator.id == operator.id, Operator.last_totp_step < step)
    return changed_rows(here.values(last_totp_step=step)) == 1


def _record(operator: Operator, action: str, result: str) -> None:
    audit.record(action, object_kind="operator", object_id=operator.id, result=result)
