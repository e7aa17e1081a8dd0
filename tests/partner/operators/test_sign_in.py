"""How an operator comes in, and what keeps others out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from flask import Flask
from sqlalchemy import select, update

from config.audit import AuditEntry
from config.clock import frozen_at, now
from config.database import changed_rows, db, transaction
from config.passwords import hash_password
from config.sessions import LoginSession, PersonKind, end_sessions_of, find_session
from config.sign_in import MAX_EMAIL_LENGTH, SignInRefused
from config.throttle import TRIES_FROM_ONE_PLACE, TooManyTries
from config.vault import Secret
from partner.operators.add import OperatorExists, add_operator
from partner.operators.models import Operator
from partner.operators.roles import PERMISSIONS, OperatorPermission, OperatorRole
from partner.operators.sign_in import (
    change_password,
    disable,
    give_code,
    give_password,
    prove_again,
)
from tests.factories.people import PASSWORD, KnownOperator, make_operator

_LONGER_THAN_JUDGING_S = 1.5

pytestmark = pytest.mark.usefixtures("app")


def half_way(known: KnownOperator) -> LoginSession:
    token = give_password(email=known.operator.email, password=Secret(PASSWORD), origin="192.0.2.1")
    session = find_session(token.reveal())
    assert session
    return session


def test_a_right_password_opens_a_session_that_still_owes_its_code() -> None:
    session = half_way(make_operator())

    assert not session.is_proven


def test_a_right_code_opens_a_new_session_and_ends_the_first() -> None:
    known = make_operator()
    session = half_way(known)

    token = give_code(session=session, code=known.code(), origin="192.0.2.1")
    db.session.expire_all()

    full = find_session(token.reveal())
    assert full
    assert full.is_proven
    assert db.session.scalars(select(LoginSession.id)).all() == [full.id]


def test_the_longest_address_comes_in_and_the_trail_names_its_beginning() -> None:
    email = f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 56}.test"
    known = make_operator(email=email)

    give_code(session=half_way(known), code=known.code(), origin="192.0.2.1")

    signed_in = select(AuditEntry).where(AuditEntry.action == "operator.signed_in")
    entry = db.session.scalars(signed_in).one()
    assert len(email) == MAX_EMAIL_LENGTH
    assert (entry.actor_id, entry.actor_name) == (known.operator.id, email[:128])


def test_a_code_works_once_even_in_another_session() -> None:
    known = make_operator()
    with frozen_at(now()):
        code = known.code()
        give_code(session=half_way(known), code=code, origin="192.0.2.1")

        with pytest.raises(SignInRefused):
            give_code(session=half_way(known), code=code, origin="192.0.2.1")


def test_an_earlier_code_does_not_work_after_a_later_one() -> None:
    known = make_operator()
    with frozen_at(now()):
        give_code(session=half_way(known), code=known.code(1), origin="192.0.2.1")

        with pytest.raises(SignInRefused):
            give_code(session=half_way(known), code=known.code(0), origin="192.0.2.1")


def test_guessing_codes_ends_the_session() -> None:
    known = make_operator()
    session = half_way(known)
    wrong = f"{(int(known.code()) + 500_000) % 1_000_000:06}"
    for _ in range(6):
        with pytest.raises(SignInRefused):
            give_code(session=session, code=wrong, origin="192.0.2.1")

    with pytest.raises(SignInRefused):
        give_code(session=session, code=known.code(), origin="192.0.2.1")
    assert db.session.scalars(select(LoginSession.id)).all() == []


def test_new_sessions_bring_no_new_tries_for_the_code() -> None:
    known = make_operator()
    wrong = f"{(int(known.code()) + 500_000) % 1_000_000:06}"
    for place in range(TRIES_FROM_ONE_PLACE):
        with pytest.raises(SignInRefused):
            give_code(session=half_way(known), code=wrong, origin=f"192.0.2.{place}")

    with pytest.raises(TooManyTries):
        give_code(session=half_way(known), code=known.code(), origin="198.51.100.1")
    other = make_operator()
    assert give_code(session=half_way(other), code=other.code(), origin="198.51.100.1")


def test_unknown_wrong_and_disabled_get_the_same_answer() -> None:
    known, gone = make_operator(), make_operator()
    disable(operator=gone.operator)
    answers = []
    for email, password in [
        ("nobody@example.test", PASSWORD),
        (known.operator.email, "not the password"),
        (gone.operator.email, PASSWORD),
        ("not an address at all", PASSWORD),
    ]:
        with pytest.raises(SignInRefused) as refused:
            give_password(email=email, password=Secret(password), origin="192.0.2.1")
        answers.append((refused.value.code, refused.value.message, dict(refused.value.detail)))

    assert len(set(map(str, answers))) == 1


def test_guessing_passwords_ends_before_the_right_one_is_tried() -> None:
    known = make_operator()
    for _ in range(TRIES_FROM_ONE_PLACE):
        with pytest.raises(SignInRefused):
            give_password(
                email=known.operator.email, password=Secret("wrong wrong wrong"), origin="::1"
            )

    with pytest.raises(TooManyTries):
        give_password(email=known.operator.email, password=Secret(PASSWORD), origin="::1")


def test_disabling_and_a_new_password_end_every_session() -> None:
    first, second = make_operator(), make_operator()
    half_way(first)
    half_way(second)

    disable(operator=first.operator)
    change_password(operator=second.operator, password=Secret("nine yellow buckets"))

    assert db.session.scalars(select(LoginSession.id)).all() == []
    give_password(
        email=second.operator.email, password=Secret("nine yellow buckets"), origin="192.0.2.1"
    )


def test_coming_in_is_in_the_audit_trail_without_secrets() -> None:
    known = make_operator()

    give_code(session=half_way(known), code=known.code(), origin="192.0.2.7")

    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == ["operator.added", "operator.signed_in"]
    assert entries[1].origin == "192.0.2.7"
    assert known.totp_secret not in str([vars(entry) for entry in entries])


def test_an_address_is_one_operator_however_it_is_typed(app: Flask) -> None:
    make_operator(email="Anna@Example.test")

    with pytest.raises(OperatorExists):
        add_operator(
            email=" anna@example.TEST ", password=Secret(PASSWORD), role=OperatorRole.VIEWER
        )


def test_the_second_factor_is_stored_sealed() -> None:
    known = make_operator()

    stored = known.operator.totp_secret_sealed or ""

    assert known.totp_secret not in stored
    assert known.operator.totp_secret.reveal() == known.totp_secret


def test_only_administrators_may_do_everything() -> None:
    assert PERMISSIONS[OperatorRole.ADMIN] == frozenset(OperatorPermission)
    for role in set(OperatorRole) - {OperatorRole.ADMIN}:
        assert PERMISSIONS[role] < frozenset(OperatorPermission)
    assert set(PERMISSIONS) == set(OperatorRole)


@pytest.mark.parametrize("typed", ["anna\x00@example.test", "nobody at all"])
def test_what_is_no_address_is_refused_like_any_other(typed: str) -> None:
    with pytest.raises(SignInRefused):
        give_password(email=typed, password=Secret(PASSWORD), origin="192.0.2.1")


def test_a_password_changed_while_it_is_judged_opens_nothing(app: Flask) -> None:
    known = make_operator()
    changed = hash_password(Secret("eleven blue saucers"))

    with ThreadPoolExecutor(1) as pool:
        with transaction():
            here = update(Operator).where(Operator.id == known.operator.id)
            changed_rows(here.values(password_hash=changed))
            end_sessions_of(PersonKind.OPERATOR, known.operator.id)
            attempt = pool.submit(_in_context, app, known)
            wait([attempt], _LONGER_THAN_JUDGING_S)
        with pytest.raises(SignInRefused):
            attempt.result()

    assert db.session.scalars(select(LoginSession)).all() == []


def test_a_session_that_was_ended_meanwhile_takes_no_code() -> None:
    known = make_operator()
    session = half_way(known)
    change_password(operator=known.operator, password=Secret("eleven blue saucers"))

    with pytest.raises(SignInRefused):
        give_code(session=session, code=known.code(), origin="192.0.2.1")


def _in_context(app: Flask, known: KnownOperator) -> Secret:
    with app.app_context():
        return give_password(
            email=known.operator.email, password=Secret(PASSWORD), origin="192.0.2.1"
        )


def test_who_is_asked_again_shows_a_code_that_was_not_used_yet() -> None:
    known = make_operator()
    with frozen_at(now()):
        give_code(session=half_way(known), code=known.code(), origin="192.0.2.1")

        with pytest.raises(SignInRefused):
            prove_again(operator=known.operator, code=known.code())
        prove_again(operator=known.operator, code=known.code(1))
        with pytest.raises(SignInRefused):
            prove_again(operator=known.operator, code=known.code(1))

    actions = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions[-3:] == [
        "operator.proof_refused",
        "operator.proved_again",
        "operator.proof_refused",
    ]
