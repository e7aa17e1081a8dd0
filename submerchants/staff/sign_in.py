"""How a staff member comes in: e-mail address and password, into their own sub-merchant only."""

from __future__ import annotations

from sqlalchemy import select, update

from config import audit
from config.clock import now
from config.database import changed_rows, db, release, transaction
from config.passwords import check_new_password, hash_password, needs_new_hash
from config.sessions import PersonKind, begin_session, end_sessions_of
from config.sign_in import SignInRefused, counted_guess, require_password
from config.vault import Secret
from submerchants.staff.models import StaffMember
from submerchants.tenancy import across_tenants, acting_for

DOOR = "staff"


def give_password(*, email: str, password: Secret, origin: str) -> Secret:
    """The cookie of a full session. Raises SignInRefused, TooManyTries."""
    known, guess = counted_guess(DOOR, email, origin)
    with across_tenants("sign-in: the tenant is known once the account is"):
        member = db.session.scalar(
            select(StaffMember).where(StaffMember.email == known, StaffMember.disabled_at.is_(None))
        )
    require_password(member, password)
    if member is None:
        raise SignInRefused
    fresh = hash_password(password) if needs_new_hash(member.password_hash) else None
    actor = audit.Actor(kind="staff", id=member.id, name=member.email, origin=origin)
    with acting_for(member.sub_merchant_id), audit.acting_as(actor), transaction():
        guess.was_right()
        if not _is_still_theirs(member, member.password_hash, fresh):
            raise SignInRefused
        _record(member, "staff.signed_in")
        return begin_session(PersonKind.STAFF, member.id, is_proven=True, origin=origin)


def prove_again(*, member: StaffMember, password: Secret, origin: str) -> None:
    """Make sure that it is still the member who sits there, before money moves.

    Raises SignInRefused, TooManyTries.
    """
    _, guess = counted_guess(DOOR, member.email, origin)
    try:
        require_password(member, password)
    except SignInRefused:
        with transaction():
            _record(member, "staff.proof_refused", "refused")
        raise
    with transaction():
        guess.was_right()
        _record(member, "staff.proved_again")


def get_active_member(member_id: str) -> StaffMember | None:
    """The staff member, unless disabled or gone."""
    with across_tenants("sign-in: the session names the person, the person names the tenant"):
        member = db.session.get(StaffMember, member_id)
    return member if member and member.disabled_at is None else None


def change_password(*, member: StaffMember, password: Secret) -> None:
    """Set a new password and end every session of theirs. Raises PasswordRefused."""
    check_new_password(password, email=member.email)
    release()
    hashed = hash_password(password)
    with acting_for(member.sub_merchant_id), transaction():
        member.password_hash = hashed
        end_sessions_of(PersonKind.STAFF, member.id)
        _record(member, "staff.password_changed")


def disable(*, member: StaffMember) -> None:
    """Let them in no more, at once. Disabling twice changes nothing."""
    with acting_for(member.sub_merchant_id), transaction():
        here = update(StaffMember).where(
            StaffMember.id == member.id, StaffMember.disabled_at.is_(None)
        )
        if changed_rows(here.values(disabled_at=now())):
            end_sessions_of(PersonKind.STAFF, member.id)
            _record(member, "staff.disabled")
        db.session.refresh(member)


def _is_still_theirs(member: StaffMember, judged: str, fresh: str | None) -> bool:
    """Whether the password that was judged has not been changed meanwhile; holds the row.

    Judging takes long, and a change made during it must neither be undone nor left a session.
    """
    same = update(StaffMember).where(
        StaffMember.id == member.id,
        StaffMember.password_hash == judged,
        StaffMember.disabled_at.is_(None),
    )
    return changed_rows(same.values(password_hash=fresh or judged)) == 1


def _record(member: StaffMember, action: str, result: str = "done") -> None:
    audit.record(
        action,
        object_kind="staff",
        object_id=member.id,
        tenant_id=member.sub_merchant_id,
        result=result,
    )
