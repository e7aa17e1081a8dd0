"""How a staff member comes in, into their own sub-merchant only."""

from __future__ import annotations

import json

import pytest
from flask import Flask
from sqlalchemy import select

from config.audit import AuditEntry
from config.database import db
from config.sessions import LoginSession, find_session
from config.sign_in import SignInRefused
from config.throttle import TRIES_FROM_ONE_PLACE, TooManyTries
from config.vault import Secret
from submerchants.staff.add import StaffMemberExists
from submerchants.staff.roles import PERMISSIONS, StaffPermission, StaffRole
from submerchants.staff.sign_in import (
    change_password,
    disable,
    get_active_member,
    give_password,
    prove_again,
)
from submerchants.tenancy import acting_for
from tests.factories.people import PASSWORD, make_staff_member
from tests.factories.submerchants import make_sub_merchant

pytestmark = pytest.mark.usefixtures("app")


def test_the_person_decides_the_tenant() -> None:
    here, there = make_sub_merchant(), make_sub_merchant()
    make_staff_member(sub_merchant=there, email="boss@example.test")
    member = make_staff_member(sub_merchant=here, email="anna@example.test")

    token = give_password(email="Anna@example.test", password=Secret(PASSWORD), origin="::1")

    session = find_session(token.reveal())
    assert session
    assert session.person_id == member.id
    found = get_active_member(session.person_id)
    assert found
    assert found.sub_merchant_id == here.id


def test_an_address_signs_in_to_exactly_one_sub_merchant() -> None:
    make_staff_member(sub_merchant=make_sub_merchant(), email="anna@example.test")

    with pytest.raises(StaffMemberExists):
        make_staff_member(sub_merchant=make_sub_merchant(), email="ANNA@example.test")


def test_unknown_wrong_and_disabled_get_the_same_answer() -> None:
    here = make_sub_merchant()
    known, gone = make_staff_member(sub_merchant=here), make_staff_member(sub_merchant=here)
    disable(member=gone)
    answers = set()
    for email, password in [
        ("nobody@example.test", PASSWORD),
        (known.email, "not the password"),
        (gone.email, PASSWORD),
    ]:
        with pytest.raises(SignInRefused) as refused:
            give_password(email=email, password=Secret(password), origin="::1")
        answers.add((refused.value.code, refused.value.message))

    assert len(answers) == 1
    assert get_active_member(gone.id) is None


def test_guessing_ends() -> None:
    member = make_staff_member(sub_merchant=make_sub_merchant())
    for _ in range(TRIES_FROM_ONE_PLACE):
        with pytest.raises(SignInRefused):
            give_password(email=member.email, password=Secret("wrong wrong wrong"), origin="::1")

    with pytest.raises(TooManyTries):
        give_password(email=member.email, password=Secret(PASSWORD), origin="::1")


def test_a_new_password_ends_every_session() -> None:
    member = make_staff_member(sub_merchant=make_sub_merchant())
    give_password(email=member.email, password=Secret(PASSWORD), origin="::1")

    change_password(member=member, password=Secret("nine yellow buckets"))

    assert db.session.scalars(select(LoginSession)).all() == []
    with pytest.raises(SignInRefused):
        give_password(email=member.email, password=Secret(PASSWORD), origin="::1")


def test_disabling_ends_every_session_of_theirs_and_nobody_elses() -> None:
    here = make_sub_merchant()
    member, colleague = (make_staff_member(sub_merchant=here) for _ in range(2))
    for each in (member, member, colleague):
        give_password(email=each.email, password=Secret(PASSWORD), origin="::1")

    disable(member=member)

    left = db.session.scalars(select(LoginSession)).all()
    assert [session.person_id for session in left] == [colleague.id]


def test_only_owners_may_do_everything() -> None:
    assert PERMISSIONS[StaffRole.OWNER] == frozenset(StaffPermission)
    assert PERMISSIONS[StaffRole.CLERK] < frozenset(StaffPermission)
    assert set(PERMISSIONS) == set(StaffRole)


def test_staff_are_added_disabled_and_renewed_from_the_terminal(app: Flask) -> None:
    run, here = app.test_cli_runner(), make_sub_merchant()
    add = ["staff", "add", here.sub_mchid, "Anna@example.test", "--role", "OWNER", "--json"]

    added = json.loads(run.invoke(args=add, input=PASSWORD).stdout)
    renewed = run.invoke(
        args=["staff", "password", "anna@example.test", "--json"], input="nine yellow buckets"
    )
    again = run.invoke(args=add, input=PASSWORD)
    disabled = run.invoke(args=["staff", "disable", "anna@example.test", "--json"])

    assert added["email"] == "anna@example.test"
    assert added["sub_mchid"] == here.sub_mchid
    assert (renewed.exit_code, again.exit_code, disabled.exit_code) == (0, 1, 0)
    assert again.stderr.count("\n") == 1


def test_who_is_asked_again_shows_the_password_and_each_asking_is_recorded() -> None:
    member = make_staff_member(sub_merchant=make_sub_merchant())
    with acting_for(member.sub_merchant_id):
        prove_again(member=member, password=Secret(PASSWORD), origin="::1")
        with pytest.raises(SignInRefused):
            prove_again(member=member, password=Secret("not the password"), origin="::1")

    actions = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert [action for action in actions if "pro" in action] == [
        "staff.proved_again",
        "staff.proof_refused",
    ]


def test_being_asked_again_brings_no_new_guesses() -> None:
    member = make_staff_member(sub_merchant=make_sub_merchant())
    with acting_for(member.sub_merchant_id):
        for _ in range(TRIES_FROM_ONE_PLACE):
            with pytest.raises(SignInRefused):
                prove_again(member=member, password=Secret("not the password"), origin="::1")

        with pytest.raises(TooManyTries):
            prove_again(member=member, password=Secret(PASSWORD), origin="::1")
