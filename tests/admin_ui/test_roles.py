"""Who sees which page: every route of both doors, for every role."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from partner.operators.roles import PERMISSIONS as OPERATOR_PERMISSIONS
from partner.operators.roles import OperatorRole
from partner.operators.sign_in import disable
from payments.orders.models import OrderState
from submerchants.staff.roles import PERMISSIONS as STAFF_PERMISSIONS
from submerchants.staff.roles import StaffRole
from tests.factories.payments import make_order
from tests.factories.people import (
    form_token,
    make_operator,
    make_staff_member,
    sign_in_operator,
    sign_in_staff,
)
from tests.factories.submerchants import make_sub_merchant


def guarded_pages(app: Flask, door: str) -> list[tuple[str, str, str]]:
    """Method, address with dull values, and permission of each guarded page of a door."""
    pages = []
    for rule in app.url_map.iter_rules():
        access = str(getattr(app.view_functions[rule.endpoint], "access", ""))
        if access.startswith(f"{door} "):
            address = rule.rule
            for argument in rule.arguments:
                value = "2026-11-20" if argument == "day" else "none"
                address = address.replace(f"<{argument}>", value)
            method = "POST" if "POST" in (rule.methods or ()) else "GET"
            pages.append((method, address, access.removeprefix(f"{door} ")))
    return pages


@pytest.mark.sqlite_only
@pytest.mark.parametrize("role", list(OperatorRole))
def test_an_operator_opens_what_the_role_allows_and_nothing_else(
    app: Flask, client: FlaskClient, role: OperatorRole
) -> None:
    sign_in_operator(client, make_operator(role=role))
    token = form_token(client, "/admin/")

    pages = guarded_pages(app, "operator")

    assert len(pages) > 8
    for method, address, permission in pages:
        answer = client.open(address, method=method, data={"csrf_token": token})
        is_allowed = permission in OPERATOR_PERMISSIONS[role]
        expected = {200, 404} if is_allowed else {403}
        assert answer.status_code in expected, (role, method, address)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("role", list(StaffRole))
def test_a_staff_member_opens_what_the_role_allows_and_nothing_else(
    app: Flask, client: FlaskClient, role: StaffRole
) -> None:
    member = make_staff_member(sub_merchant=make_sub_merchant(), role=role)
    sign_in_staff(client, member)
    token = form_token(client, "/dashboard/")

    pages = guarded_pages(app, "staff")

    assert len(pages) > 4
    for method, address, permission in pages:
        answer = client.open(address, method=method, data={"csrf_token": token})
        is_allowed = permission in STAFF_PERMISSIONS[role]
        # An empty form is refused by its fields, after whoever sent it was let in.
        expected = {200, 400, 404, 422} if is_allowed else {403}
        assert answer.status_code in expected, (role, method, address)


def test_nobody_opens_anything(app: Flask, client: FlaskClient) -> None:
    for door in ("operator", "staff"):
        for method, address, _ in guarded_pages(app, door):
            assert client.open(address, method=method).status_code in (303, 403), address


def test_staff_see_their_own_orders_and_no_one_elses(client: FlaskClient) -> None:
    here, there = make_sub_merchant(), make_sub_merchant()
    mine = make_order(sub_merchant=here, description="Mine", state=OrderState.PAID)
    theirs = make_order(sub_merchant=there, description="Theirs", state=OrderState.PAID)
    sign_in_staff(client, make_staff_member(sub_merchant=here))

    shown = [
        client.get(path).text
        for path in (
            "/dashboard/",
            "/dashboard/orders",
            f"/dashboard/orders?q={theirs.out_trade_no}",
            f"/dashboard/orders?sub_merchant={there.id}",
            "/dashboard/orders.csv",
        )
    ]
    missing = client.get(f"/dashboard/orders/{theirs.id}")
    absent = client.get("/dashboard/orders/ord_none")

    assert "Mine" in shown[0]
    assert mine.out_trade_no in shown[1]
    assert mine.out_trade_no in shown[4]
    for text in shown:
        assert "Theirs" not in text
        assert f"orders/{theirs.id}" not in text
    assert (missing.status_code, absent.status_code) == (404, 404)
    assert _but_for_the_request(missing, theirs.id) == _but_for_the_request(absent, "ord_none")


def test_a_disabled_operator_is_out_with_the_next_request(client: FlaskClient) -> None:
    known = sign_in_operator(client)
    assert client.get("/admin/").status_code == 200

    disable(operator=known.operator)

    assert client.get("/admin/").status_code == 303


def _but_for_the_request(answer: TestResponse, asked_for: str) -> list[str]:
    """What an answer says, without what differs from one request to the next."""
    own = ("req_", "csrf_token")
    lines = [line for line in answer.text.splitlines() if not any(word in line for word in own)]
    return [line.replace(asked_for, "") for line in lines]
