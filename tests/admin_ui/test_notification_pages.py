"""The inbox as operators see it: a checklist, and a second try."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from config.database import db
from partner.operators.roles import OperatorRole
from payments.notifications.models import InboxState
from tests.factories.console import make_entry
from tests.factories.payments import make_order
from tests.factories.people import form_token, make_operator, sign_in_operator


def test_each_check_is_drawn_with_both_sides_of_a_no(client: FlaskClient) -> None:
    entry = make_entry(make_order(), InboxState.QUARANTINED)
    sign_in_operator(client)

    page = client.get(f"/admin/notifications/{entry.id}").text

    assert page.count('class="passed"') == 1
    assert page.count('class="failed"') == 1
    assert "<dd>100</dd>" in page
    assert "<dd>99</dd>" in page
    assert "不一致：金额" in page


def test_what_needs_a_person_is_on_the_overview(client: FlaskClient) -> None:
    entry = make_entry(make_order(), InboxState.QUARANTINED)
    make_entry(make_order(), InboxState.APPLIED)
    sign_in_operator(client)

    page = client.get("/admin/").text

    assert "1 条被隔离的通知" in page
    assert f"/admin/notifications/{entry.id}" in page


def test_the_list_is_filtered_by_state(client: FlaskClient) -> None:
    kept, applied = (
        make_entry(make_order(), state) for state in (InboxState.KEPT, InboxState.APPLIED)
    )
    sign_in_operator(client)

    page = client.get("/admin/notifications?state=KEPT").text

    assert kept.id in page
    assert applied.id not in page


@pytest.mark.parametrize(
    ("role", "state", "has_button"),
    [
        (OperatorRole.ADMIN, InboxState.KEPT, True),
        (OperatorRole.SUPPORT, InboxState.QUARANTINED, True),
        (OperatorRole.VIEWER, InboxState.KEPT, False),
        (OperatorRole.ADMIN, InboxState.APPLIED, False),
    ],
)
def test_the_button_is_there_for_who_may_and_what_can(
    client: FlaskClient, role: OperatorRole, state: InboxState, has_button: bool
) -> None:
    entry = make_entry(make_order(), state)
    sign_in_operator(client, make_operator(role=role))

    page = client.get(f"/admin/notifications/{entry.id}").text

    assert ("/replay" in page) is has_button


def test_replaying_what_cannot_be_read_says_so_and_changes_nothing(client: FlaskClient) -> None:
    entry = make_entry(make_order(), InboxState.QUARANTINED, body="not an envelope")
    sign_in_operator(client)
    token = form_token(client, f"/admin/notifications/{entry.id}")

    answer = client.post(
        f"/admin/notifications/{entry.id}/replay",
        data={"csrf_token": token},
        follow_redirects=True,
    )

    db.session.refresh(entry)
    assert "未能重放" in answer.text
    assert entry.state is InboxState.QUARANTINED
