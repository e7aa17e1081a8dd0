"""Off to WeChat's sign-in and back: every state counts once, here, now, for this link."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from config.clock import frozen_at, now
from config.database import db
from partner.simulator.simulator import Simulator
from payments.checkout.models import CheckoutVisit
from payments.checkout.visits import KNOWN_FOR, forget_old_visits
from submerchants.tenancy import across_tenants
from tests.factories.checkout import Phone, Shop


@pytest.fixture
def phone(app: Flask, simulator: Simulator) -> Phone:
    return Phone(app, simulator)


def visits() -> list[CheckoutVisit]:
    with across_tenants("a test looks at everything"):
        return list(db.session.scalars(select(CheckoutVisit)))


def test_the_payer_is_sent_to_wechat_with_a_state_of_letters_and_digits(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    link = shop.link()

    answer = phone.get(shop.url(link))

    url = urlsplit(answer.headers["Location"])
    sent = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert answer.status_code == 302
    assert url.path == "/connect/oauth2/authorize"
    assert url.fragment == "wechat_redirect"
    assert sent["appid"] == simulator.facts["sp_appid"]
    assert sent["scope"] == "snsapi_base"
    assert sent["redirect_uri"] == f"{shop.url(link)}/return"
    assert re.fullmatch(r"[0-9a-z]{32,128}", sent["state"])
    cookie = next(one for one in answer.headers.getlist("Set-Cookie") if "__Host-checkout=" in one)
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert visits() == []  # looking has changed nothing


def test_who_came_back_is_known_by_this_browser_and_not_asked_again(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    link = shop.link()
    phone.open(shop.url(link))

    again = phone.get(shop.url(link))

    assert again.status_code == 200
    [visit] = visits()
    assert visit.openid == phone.openid(link.appid)
    assert str(visit.openid) not in phone.page


def test_a_reloaded_return_finds_the_payer_it_made_known(shop: Shop, phone: Phone) -> None:
    link = shop.link()
    back = phone.sign_in(phone.get(shop.url(link)).headers["Location"])
    first = phone.get(back)

    again = phone.get(back)

    assert (first.status_code, again.status_code) == (303, 303)
    assert again.headers["Location"] == shop.url(link)
    assert len(visits()) == 1


def test_a_return_address_is_of_no_use_in_another_browser(
    app: Flask, shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    link = shop.link()
    back = phone.sign_in(phone.get(shop.url(link)).headers["Location"])
    thief = Phone(app, simulator, "thief")
    thief.get(shop.url(link))  # has a cookie of its own

    stolen, bare = thief.open(back), Phone(app, simulator).open(back)

    assert (stolen.status_code, bare.status_code) == (401, 401)
    assert "微信授权已过期" in thief.page
    assert visits() == []


def test_a_state_is_of_no_use_for_another_link_or_when_it_is_old_or_made_up(
    shop: Shop, phone: Phone
) -> None:
    link, other = shop.link(), shop.link()
    back = phone.sign_in(phone.get(shop.url(link)).headers["Location"])
    query = urlsplit(back).query

    elsewhere = phone.get(f"{shop.url(other)}/return?{query}")
    made_up = phone.get(f"{shop.url(link)}/return?code=abc&state={'a' * 94}")
    with frozen_at(now() + timedelta(minutes=11)):
        late = phone.get(back)

    assert [each.status_code for each in (elsewhere, made_up, late)] == [401, 401, 401]
    assert visits() == []


def test_a_payer_who_declines_is_told_what_to_do(shop: Shop, phone: Phone) -> None:
    link = shop.link()
    back = phone.sign_in(phone.get(shop.url(link)).headers["Location"])
    state = parse_qs(urlsplit(back).query)["state"][0]

    declined = phone.open(f"{shop.url(link)}/return?state={state}")

    assert declined.status_code == 401
    assert "微信没有告知付款人是谁" in phone.page
    assert f'href="{urlsplit(shop.url(link)).path}"' in phone.page


@pytest.mark.parametrize(
    ("errcode", "status", "sentence"),
    [
        (40163, 401, "微信授权已过期"),
        (40029, 401, "微信授权已过期"),
        (40125, 424, "这笔支付暂时无法进行"),
        (45011, 503, "微信暂时没有回应"),
        (-1, 503, "微信暂时没有回应"),
    ],
)
@pytest.mark.sqlite_only
def test_a_code_that_comes_to_nothing_is_told_and_never_loops(
    shop: Shop, phone: Phone, simulator: Simulator, errcode: int, status: int, sentence: str
) -> None:
    link = shop.link()
    simulator.faults.add("oauth_errcode", errcode=errcode, times=None)

    answer = phone.open(shop.url(link))

    assert answer.status_code == status
    assert sentence in phone.page
    simulator.faults.clear()
    assert phone.open(shop.url(link)).status_code == 200
    assert "支付 ¥28.00" in phone.page


@pytest.mark.sqlite_only
def test_a_wrong_app_secret_is_written_down_for_the_provider(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    link = shop.link()
    simulator.faults.add("oauth_errcode", errcode=40125, times=1)

    answer = phone.open(shop.url(link))

    noted = shop.problem(link)
    assert noted["code"] == "app_secret_wrong"
    assert noted["finding"]["who"] == "service_provider"
    assert noted["reference"] == answer.headers["Request-ID"]
    assert noted["reference"] in phone.page
    assert "secret" not in phone.page.lower()


@pytest.mark.sqlite_only
def test_a_snapshot_pages_virtual_payer_is_refused(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    link = shop.link()
    simulator.faults.add("oauth_snapshot", times=1)

    answer = phone.open(shop.url(link))

    assert answer.status_code == 401
    assert "现在看到的只是网页预览" in phone.page
    assert [visit.openid for visit in visits()] == [None]


@pytest.mark.sqlite_only
def test_whoever_never_comes_back_is_asked_what_wechat_showed(shop: Shop, phone: Phone) -> None:
    link = shop.link()

    trips = [phone.get(shop.url(link)).status_code for _ in range(2)]
    answer = phone.open(shop.url(link))

    assert trips == [302, 302]
    assert answer.status_code == 200
    assert "微信没有返回到这里" in phone.page
    assert shop.problem(link)["code"] == "sign_in_never_came_back"
    told = phone.post("report", {"kind": "sign_in", "told": "10003"})
    assert told.status_code == 200
    noted = shop.problem(link)
    assert noted["code"] == "oauth_domain_not_set"
    assert noted["reference"] == told.get_json()["reference"]
    assert phone.open(shop.url(link)).status_code == 200  # the next try goes out again
    assert "支付 ¥28.00" in phone.page


@pytest.mark.sqlite_only
def test_a_secret_that_is_gone_is_no_dead_end_without_a_word(shop: Shop, phone: Phone) -> None:
    link = shop.link()
    shop.forget_secret()

    answer = phone.open(shop.url(link))

    assert answer.status_code == 424
    assert "商家的收款设置还差一步" in phone.page
    assert shop.problem(link)["code"] == "app_secret_missing"


def test_who_came_is_forgotten_when_the_visit_is_over(shop: Shop, phone: Phone) -> None:
    link = shop.link()
    phone.open(shop.url(link))

    early = forget_old_visits()
    with frozen_at(now() + KNOWN_FOR + timedelta(seconds=1)):
        asked_again = phone.get(shop.url(link))
        late = forget_old_visits()

    assert (early, late) == ({"forgotten": 0}, {"forgotten": 1})
    assert asked_again.status_code == 302
    assert visits() == []
