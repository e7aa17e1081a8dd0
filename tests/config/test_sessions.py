"""Log-ins on the server."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from config.clock import frozen_at, now
from config.database import db, transaction
from config.sessions import (
    ABSOLUTE,
    HALF_WAY,
    IDLE,
    LoginSession,
    PersonKind,
    begin_session,
    count_code_try,
    end_session,
    end_sessions_of,
    find_session,
    forget_ended_sessions,
)

pytestmark = pytest.mark.usefixtures("app")


def begun(*, is_proven: bool = True, person_id: str = "opr_1") -> str:
    with transaction():
        token = begin_session(PersonKind.OPERATOR, person_id, is_proven=is_proven, origin="::1")
    return token.reveal()


def test_the_cookie_opens_its_session_and_nothing_else_does() -> None:
    token = begun()

    found = find_session(token)

    assert found is not None
    assert found.person_id == "opr_1"
    assert find_session(token[:-1]) is None
    assert find_session(found.id) is None


def test_the_table_does_not_hold_the_cookie() -> None:
    token = begun()

    stored = db.session.scalars(select(LoginSession)).one()

    assert token not in (stored.id, stored.person_id, stored.origin)


def test_every_session_has_an_id_of_its_own() -> None:
    tokens = {begun() for _ in range(20)}

    assert len(tokens) == 20
    assert min(map(len, tokens)) >= 43


def test_a_session_ends_after_half_an_hour_without_a_request() -> None:
    token, start = begun(), now()

    with frozen_at(start + IDLE - timedelta(minutes=1)):
        assert find_session(token)
    with frozen_at(start + 2 * IDLE - timedelta(minutes=2)):
        assert find_session(token), "the request in between counts"
    with frozen_at(start + 4 * IDLE):
        assert find_session(token) is None


def test_a_session_ends_after_twelve_hours_however_busy() -> None:
    token, start = begun(), now()
    for minutes in range(0, 12 * 60 - 10, 20):
        with frozen_at(start + timedelta(minutes=minutes)):
            assert find_session(token)

    with frozen_at(start + ABSOLUTE):
        assert find_session(token) is None


def test_a_password_waits_only_minutes_for_its_code() -> None:
    token, start = begun(is_proven=False), now()

    with frozen_at(start + HALF_WAY):
        assert find_session(token) is None


def test_code_tries_run_out() -> None:
    session = find_session(begun(is_proven=False))
    assert session

    allowed = 0
    for _ in range(20):
        with transaction():
            allowed += count_code_try(session)

    assert allowed == 5


def test_an_ended_session_opens_nothing() -> None:
    token = begun()
    session = find_session(token)
    assert session

    with transaction():
        end_session(session)
    db.session.expire_all()

    assert find_session(token) is None


def test_all_sessions_of_a_person_end_together_and_no_one_elses() -> None:
    mine, also_mine, anothers = begun(), begun(), begun(person_id="opr_2")

    with transaction():
        ended = end_sessions_of(PersonKind.OPERATOR, "opr_1")
    db.session.expire_all()

    assert ended == 2
    assert find_session(mine) is None
    assert find_session(also_mine) is None
    assert find_session(anothers)


def test_ended_rows_are_forgotten(app: Flask) -> None:
    begun()
    start = now()

    with frozen_at(start + timedelta(minutes=5)):
        kept = forget_ended_sessions()
    with frozen_at(start + IDLE):
        dropped = forget_ended_sessions()

    assert (kept, dropped) == ({"ended": 0}, {"ended": 1})
