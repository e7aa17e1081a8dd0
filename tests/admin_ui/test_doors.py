"""The way in and the way out, as a browser walks them."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from config.database import db, release
from config.sessions import LoginSession
from config.throttle import TRIES_FROM_ONE_PLACE
from tests.factories.people import (
    OPERATOR_COOKIE,
    PASSWORD,
    STAFF_COOKIE,
    form_token,
    make_operator,
    make_staff_member,
    sign_in_operator,
    sign_in_staff,
)
from tests.factories.submerchants import make_sub_merchant

OPERATOR_DOOR, STAFF_DOOR = "/admin/sign-in", "/dashboard/sign-in"


def send(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    """Open a page and send its first form."""
    return client.post(path, data={**fields, "csrf_token": form_token(client, path)})


def test_an_operator_comes_in_with_password_and_code(client: FlaskClient) -> None:
    known = make_operator()

    first = send(client, OPERATOR_DOOR, email=known.operator.email, password=PASSWORD)
    before = client.get("/admin/")
    second = send(client, "/admin/second-factor", code=known.code())
    after = client.get("/admin/")

    assert (first.status_code, first.location) == (303, "/admin/second-factor")
    assert before.status_code == 303, "a password alone opens nothing"
    assert (second.status_code, second.location) == (303, "/admin/")
    assert after.status_code == 200
    assert known.operator.email in after.text


def test_the_cookie_is_host_bound_and_its_value_changes_at_each_step(client: FlaskClient) -> None:
    known = make_operator()

    first = send(client, OPERATOR_DOOR, email=known.operator.email, password=PASSWORD)
    second = send(client, "/admin/second-factor", code=known.code())

    cookies = [_cookie(response, OPERATOR_COOKIE) for response in (first, second)]
    assert cookies[0].split(";")[0] != cookies[1].split(";")[0]
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert "Domain" not in cookie


def test_a_staff_member_comes_in_with_a_password(client: FlaskClient) -> None:
    member = make_staff_member(sub_merchant=make_sub_merchant(name="山茶咖啡"))

    entered = send(client, STAFF_DOOR, email=member.email, password=PASSWORD)
    page = client.get("/dashboard/")

    assert (entered.status_code, entered.location) == (303, "/dashboard/")
    assert "山茶咖啡" in page.text
    assert client.get("/admin/").status_code == 303


def test_everybody_is_sent_to_their_own_place(client: FlaskClient, app: Flask) -> None:
    as_staff, as_nobody = app.test_client(), app.test_client()
    sign_in_operator(client)
    sign_in_staff(as_staff, make_staff_member(sub_merchant=make_sub_merchant()))

    assert client.get("/").location == "/admin/"
    assert as_staff.get("/").location == "/dashboard/"
    assert as_nobody.get("/").location == STAFF_DOOR


@pytest.mark.parametrize(
    ("email", "password"), [("nobody@example.test", PASSWORD), ("anna@example.test", "wrong")]
)
def test_what_does_not_match_gets_one_answer(
    client: FlaskClient, email: str, password: str
) -> None:
    make_operator(email="anna@example.test")

    refused = send(client, OPERATOR_DOOR, email=email, password=password)

    assert refused.status_code == 401
    assert "信息不匹配" in refused.text
    assert "Set-Cookie" not in refused.headers or OPERATOR_COOKIE not in str(refused.headers)
    assert password not in refused.text


def test_a_wrong_code_is_told_that_codes_work_once(client: FlaskClient) -> None:
    known = make_operator()
    send(client, OPERATOR_DOOR, email=known.operator.email, password=PASSWORD)

    refused = send(client, "/admin/second-factor", code="000000")

    assert refused.status_code == 401
    assert "已经用过；请等待下一个" in refused.text


def test_too_many_tries_are_told_when_to_come_back(client: FlaskClient) -> None:
    for _ in range(TRIES_FROM_ONE_PLACE):
        send(client, OPERATOR_DOOR, email="anna@example.test", password="wrong")

    refused = send(client, OPERATOR_DOOR, email="anna@example.test", password="wrong")

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_a_link_leads_on_to_where_it_was_meant_and_nowhere_else(client: FlaskClient) -> None:
    member = make_staff_member(sub_merchant=make_sub_merchant())
    asked = client.get("/dashboard/orders?state=PAID")
    token = form_token(client, STAFF_DOOR)
    form = {"email": member.email, "password": PASSWORD, "csrf_token": token}

    entered = client.post(asked.location, data=form)

    assert entered.location == "/dashboard/orders?state=PAID"
    for elsewhere in (
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/admin/../x y",
    ):
        other = client.application.test_client()
        token = form_token(other, STAFF_DOOR)
        sent = other.post(
            STAFF_DOOR, query_string={"next": elsewhere}, data={**form, "csrf_token": token}
        )
        assert sent.location == "/dashboard/"


def test_leaving_ends_the_session_on_the_server(client: FlaskClient) -> None:
    sign_in_operator(client)
    cookie = client.get_cookie(OPERATOR_COOKIE, domain="pay.example.test")
    token = form_token(client, "/admin/")

    left = client.post("/admin/sign-out", data={"csrf_token": token})
    assert cookie
    client.set_cookie(OPERATOR_COOKIE, cookie.value, domain="pay.example.test", secure=True)

    assert (left.status_code, left.location) == (303, OPERATOR_DOOR)
    assert client.get("/admin/").status_code == 303
    assert db.session.scalars(select(LoginSession)).all() == []


def test_signing_in_again_ends_the_session_of_before(client: FlaskClient) -> None:
    member = make_staff_member(sub_merchant=make_sub_merchant())
    send(client, STAFF_DOOR, email=member.email, password=PASSWORD)
    before = client.get_cookie(STAFF_COOKIE, domain="pay.example.test")
    form = {"email": member.email, "password": PASSWORD}
    form["csrf_token"] = form_token(client, "/dashboard/")

    again = client.post(STAFF_DOOR, data=form)

    after = client.get_cookie(STAFF_COOKIE, domain="pay.example.test")
    assert again.status_code == 303
    assert before
    assert after
    assert before.value != after.value
    release()
    assert len(db.session.scalars(select(LoginSession)).all()) == 1


@pytest.mark.parametrize("path", [OPERATOR_DOOR, STAFF_DOOR, "/language", "/admin/sign-out"])
def test_a_form_without_its_token_is_refused(client: FlaskClient, path: str) -> None:
    refused = client.post(path, data={"email": "a@example.test", "password": PASSWORD})

    assert refused.status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://pay.example.test"},
        {"Referer": "https://evil.example/page"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_sent_from_elsewhere_is_refused_even_with_its_token(
    client: FlaskClient, headers: dict[str, str]
) -> None:
    member = make_staff_member(sub_merchant=make_sub_merchant())
    form = {"email": member.email, "password": PASSWORD}
    form["csrf_token"] = form_token(client, STAFF_DOOR)

    refused = client.post(STAFF_DOOR, data=form, headers=headers)
    taken = client.post(STAFF_DOOR, data=form, headers={"Origin": "https://pay.example.test"})

    assert refused.status_code == 403
    assert taken.status_code == 303


def test_a_session_of_one_door_does_not_open_the_other(client: FlaskClient) -> None:
    member = make_staff_member(sub_merchant=make_sub_merchant())
    sign_in_staff(client, member)
    cookie = client.get_cookie(STAFF_COOKIE, domain="pay.example.test")
    assert cookie

    client.set_cookie(OPERATOR_COOKIE, cookie.value, domain="pay.example.test", secure=True)

    assert client.get("/admin/").status_code == 303


def test_pages_are_chinese_until_somebody_chooses_english(client: FlaskClient) -> None:
    chinese = client.get(STAFF_DOOR, headers={"Accept-Language": "fr"})
    token = form_token(client, STAFF_DOOR)
    form = {"language": "en", "next": STAFF_DOOR, "csrf_token": token}

    chosen = client.post("/language", data=form)
    english = client.get(STAFF_DOOR)

    assert 'lang="zh-CN"' in chinese.text
    assert "商户后台" in chinese.text
    assert chosen.location == STAFF_DOOR
    assert 'lang="en"' in english.text
    assert not re.search(r"[\u4e00-\u9fff]", english.text.replace("中文", "").replace("中", ""))


def test_a_form_that_expired_leads_back_to_its_page(client: FlaskClient) -> None:
    sign_in_operator(client)

    expired = client.post("/admin/orders/ord_1/refunds", data={"amount": "1"})

    assert expired.status_code == 403
    assert 'href="/admin/orders/ord_1"' in expired.text


def test_an_error_page_speaks_either_language(client: FlaskClient) -> None:
    nowhere = client.get("/dashboard/nowhere").text

    assert 'action="/language"' in nowhere
    assert 'name="next" value="/dashboard/nowhere"' in nowhere


def test_a_part_of_a_page_sends_the_whole_page_to_the_door(client: FlaskClient) -> None:
    answer = client.get("/admin/orders", headers={"HX-Request": "true"})

    assert answer.headers["HX-Redirect"] == OPERATOR_DOOR


def _cookie(response: TestResponse, name: str) -> str:
    return next(one for one in response.headers.getlist("Set-Cookie") if one.startswith(name))
