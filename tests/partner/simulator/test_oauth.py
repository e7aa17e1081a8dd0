"""The OAuth page and the exchange of its code."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from partner.simulator import Simulator, WsgiAdapter
from tests.partner.simulator.conftest import BASE, Merchant

APPID = "wx7a51c0ffee000901"
BACK = "https://pay.example.com/openid?order=7"


def authorize(web: requests.Session, **changes: str | None) -> requests.Response:
    query: dict[str, str | None] = {
        "appid": APPID,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "snsapi_base",
        "state": "s1",
    }
    query |= changes
    url = f"{BASE}/connect/oauth2/authorize"
    return web.get(url, params=query, allow_redirects=False)


def code_of(answer: requests.Response) -> str:
    return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]


def exchange(web: requests.Session, code: str, **changes: str) -> dict[str, object]:
    query = {"appid": APPID, "secret": "s", "code": code, "grant_type": "authorization_code"}
    answer = web.get(f"{BASE}/sns/oauth2/access_token", params={**query, **changes})
    assert answer.status_code == 200
    body: dict[str, object] = answer.json()
    return body


def test_the_silent_scope_asks_nothing_and_comes_back_with_code_and_state(
    web: requests.Session,
) -> None:
    answer = authorize(web)

    assert answer.status_code == 302
    where = urlsplit(answer.headers["Location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == "https://pay.example.com/openid"
    assert parse_qs(where.query)["order"] == ["7"]
    assert parse_qs(where.query)["state"] == ["s1"]


def test_a_person_keeps_the_openid_of_an_appid(web: requests.Session) -> None:
    first = exchange(web, code_of(authorize(web)))
    second = exchange(web, code_of(authorize(web)))
    other_person = exchange(web, code_of(authorize(web, person="another")))
    sub_appid = "wx7a51c0ffee000911"
    other_appid = exchange(web, code_of(authorize(web, appid=sub_appid)), appid=sub_appid)

    openids = [one["openid"] for one in (first, other_person, other_appid)]

    assert first["openid"] == second["openid"]
    assert len(set(openids)) == 3
    assert str(first["openid"]).startswith("o")
    assert len(str(first["openid"])) == 28
    assert (first["scope"], first["expires_in"]) == ("snsapi_base", 7200)


def test_a_code_is_good_for_one_exchange_of_its_own_appid(web: requests.Session) -> None:
    code = code_of(authorize(web))

    foreign = exchange(web, code, appid="wx7a51c0ffee000911")
    first, second = exchange(web, code), exchange(web, code)

    assert foreign["errcode"] == 40029
    assert "openid" in first
    assert second == {"errcode": 40163, "errmsg": "code been used"}


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"appid": ""}, 41002),
        ({"secret": ""}, 41004),
        ({"code": ""}, 41008),
        ({"appid": "wx0000000000000000"}, 40013),
        ({"secret": "wrong"}, 40125),
        ({"code": "never-given"}, 40029),
        ({"grant_type": "password"}, 40002),
    ],
)
def test_refusals_are_http_200_with_an_errcode(
    web: requests.Session, sim: Simulator, change: dict[str, str], errcode: int
) -> None:
    sim.register(app_secrets={APPID: "right"})

    body = exchange(web, **{"code": "x", "secret": "right", **change})

    assert body["errcode"] == errcode


@pytest.mark.parametrize(
    ("change", "number"),
    [
        ({"appid": None}, 10012),
        ({"redirect_uri": None}, 10011),
        ({"scope": None}, 10010),
        ({"state": None}, 10013),
        ({"state": "a-b"}, 10013),
        ({"scope": "everything"}, 10005),
        ({"appid": "wx0000000000000000"}, 10016),
        ({"redirect_uri": "javascript:alert(1)"}, 10003),
        ({"redirect_uri": "https://sub.pay.example.com/"}, 10003),
    ],
)
def test_a_page_that_cannot_be_shown_says_its_number(
    web: requests.Session, sim: Simulator, change: dict[str, str | None], number: int
) -> None:
    sim.register(oauth_domains={APPID: ["pay.example.com"]})

    answer = authorize(web, **change)

    assert answer.status_code == 400
    assert f"错误码 {number}" in answer.text


def test_the_asking_scope_shows_a_page_and_a_refusal_brings_the_state_alone(
    web: requests.Session,
) -> None:
    page = authorize(web, scope="snsapi_userinfo")

    assert page.status_code == 200
    assert "申请获取你的昵称" in page.text
    assert "https://pay.example.com/openid?order=7&amp;state=s1" in page.text


def test_a_scope_an_account_does_not_have_is_error_10005(
    web: requests.Session, sim: Simulator
) -> None:
    sim.register(oauth_scopes={APPID: ["snsapi_base"]})

    silent, asking = authorize(web), authorize(web, scope="snsapi_userinfo")

    assert silent.status_code == 302
    assert asking.status_code == 400
    assert "错误码 10005" in asking.text


@pytest.mark.parametrize("number", [10004, 10006, 10009, 10015])
def test_errors_of_the_account_itself_come_on_request(
    web: requests.Session, sim: Simulator, number: int
) -> None:
    sim.faults.add("oauth_page_error", number=number)

    refused, next_one = authorize(web), authorize(web)

    assert f"错误码 {number}" in refused.text
    assert next_one.status_code == 302


def test_a_code_lives_five_minutes(home: Path) -> None:
    now = [time.time()]
    simulator = Simulator(home, base_url=BASE, persistent=False, wire_time=lambda: now[0])
    with requests.Session() as web:
        web.mount(BASE, WsgiAdapter(simulator.app))
        code, late = code_of(authorize(web)), code_of(authorize(web))
        now[0] += 299
        in_time = exchange(web, code)
        now[0] += 2
        too_late = exchange(web, late)
    simulator.close()

    assert "openid" in in_time
    assert too_late["errcode"] == 40029


def test_the_exchange_fails_on_request_without_using_the_code_up(
    web: requests.Session, sim: Simulator
) -> None:
    code = code_of(authorize(web))
    sim.faults.add("oauth_errcode", errcode=45009)

    refused, again = exchange(web, code), exchange(web, code)

    assert refused["errcode"] == 45009
    assert "openid" in again


def test_a_snapshot_pages_openid_cannot_pay(merchant: Merchant, sim: Simulator) -> None:
    sim.faults.add("oauth_snapshot")

    told = exchange(merchant.session, code_of(authorize(merchant.session)))
    order = merchant.place(payer={"sp_openid": told["openid"]})

    assert told["is_snapshotuser"] == 1
    assert (order.status_code, order.json()["code"]) == (400, "PARAM_ERROR")
    assert "appid和openid不匹配" in order.json()["message"]


def test_whoever_holds_the_phone_is_asked(web: requests.Session, sim: Simulator) -> None:
    told = web.post(f"{BASE}/_simulator/person", json={"person": "wang"}).json()

    by_lever = exchange(web, code_of(authorize(web)))
    by_address = exchange(web, code_of(authorize(web, person="li")))

    assert told["person"] == "wang"
    assert by_lever["openid"] == sim.people.openid(APPID, "wang")
    assert by_address["openid"] == sim.people.openid(APPID, "li")


def js_session(web: requests.Session, js_code: str, **changes: str) -> dict[str, object]:
    query = {"appid": APPID, "secret": "s", "js_code": js_code, "grant_type": "authorization_code"}
    answer = web.get(f"{BASE}/sns/jscode2session", params={**query, **changes})
    assert answer.status_code == 200
    body: dict[str, object] = answer.json()
    return body


def test_a_mini_programs_code_is_good_for_one_session(
    web: requests.Session, sim: Simulator
) -> None:
    asked = {"appid": APPID, "person": "wang"}
    js_code = web.post(f"{BASE}/_simulator/js-codes", json=asked).json()["js_code"]

    as_page = exchange(web, js_code)
    first, second = js_session(web, js_code), js_session(web, js_code)
    missing = js_session(web, "")

    assert as_page["errcode"] == 40029
    assert first["openid"] == sim.people.openid(APPID, "wang")
    assert len(str(first["session_key"])) == 24
    assert second["errcode"] == 40163
    assert missing["errcode"] == 41008


def test_a_pages_code_opens_no_mini_program_session(web: requests.Session) -> None:
    assert js_session(web, code_of(authorize(web)))["errcode"] == 40029
    nobody = {"appid": "wx0000000000000000"}
    assert web.post(f"{BASE}/_simulator/js-codes", json=nobody).status_code == 404
