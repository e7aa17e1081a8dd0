"""Codes become openids, or errors that say who can do something about it."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from flask.testing import FlaskClient

from config.vault import Secret
from partner.openids import weixin
from partner.simulator.adapter import WsgiAdapter
from partner.simulator.simulator import Simulator
from partner.wechatpay.sessions import new_session
from partner.weixin.client import MAX_REPLY_BYTES, MAX_TRIES, WeixinClient, authorise_url
from partner.weixin.errors import (
    AppRefused,
    CodeRefused,
    Silence,
    VirtualPayer,
    WeixinError,
    WeixinUnavailable,
)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

CANARY = "canary0canary1canary2canary3cana"
SECRET = Secret(CANARY)


class Script:
    """Weixin's API host, answering what a test wrote; the last answer is repeated."""

    def __init__(self, *answers: Any, status: str = "200 OK") -> None:
        self.answers = list(answers)
        self.status = status
        self.queries: list[dict[str, str]] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.queries.append(dict(parse_qsl(environ["QUERY_STRING"])))
        answer = self.answers[min(len(self.queries), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        start_response(self.status, [("Content-Type", "text/plain")])
        return [body]

    @property
    def client(self) -> WeixinClient:
        return WeixinClient(new_session(1, WsgiAdapter(self)), "https://api.weixin.test")


def asked(script: Script) -> str:
    return script.client.openid_of(appid="wxaccount", secret=SECRET, code="CODE")


def test_the_payer_is_sent_to_the_documented_address() -> None:
    url = authorise_url(
        open_base_url="https://open.weixin.qq.com",
        appid="wxaccount",
        redirect_uri="https://pay.example.com/checkout/abc/return",
        state="s1",
    )

    assert url == (
        "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wxaccount"
        "&redirect_uri=https%3A%2F%2Fpay.example.com%2Fcheckout%2Fabc%2Freturn"
        "&response_type=code&scope=snsapi_base&state=s1#wechat_redirect"
    )


def test_a_code_becomes_an_openid_once() -> None:
    script = Script({"access_token": "t", "openid": "oPayer", "scope": "snsapi_base"})

    openid = asked(script)

    assert openid == "oPayer"
    assert script.queries == [
        {
            "appid": "wxaccount",
            "secret": CANARY,
            "code": "CODE",
            "grant_type": "authorization_code",
        }
    ]


@pytest.mark.sqlite_only
def test_the_simulator_knows_its_own_codes(client: FlaskClient, simulator: Simulator) -> None:
    appid = simulator.facts["sp_appid"]
    url = weixin().sign_in_url(
        appid=appid, redirect_uri="https://pay.example.test/checkout/x/return", state="s1"
    )
    answer = simulator.app.test_client().get(url)
    code = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))["code"]

    openid = weixin().openid_of(appid=appid, secret=SECRET, code=code)

    assert openid == simulator.people.openid(appid, "payer")
    with pytest.raises(CodeRefused) as again:
        weixin().openid_of(appid=appid, secret=SECRET, code=code)
    assert again.value.was_used


@pytest.mark.parametrize(
    ("errcode", "error"),
    [
        (40029, CodeRefused),
        (40163, CodeRefused),
        (42003, CodeRefused),
        (40013, AppRefused),
        (40125, AppRefused),
        (40001, AppRefused),
        (41004, AppRefused),
        (48001, AppRefused),
        (45009, WeixinUnavailable),
        (45011, WeixinUnavailable),
    ],
)
def test_an_errcode_says_who_can_do_something(errcode: int, error: type[WeixinError]) -> None:
    script = Script({"errcode": errcode, "errmsg": "told so"})

    with pytest.raises(error) as refused:
        asked(script)

    assert str(errcode) in str(refused.value)
    assert len(script.queries) == 1


def test_a_used_code_is_told_from_a_wrong_one() -> None:
    with pytest.raises(CodeRefused) as used:
        asked(Script({"errcode": 40163, "errmsg": "code been used"}))
    with pytest.raises(CodeRefused) as wrong:
        asked(Script({"errcode": 40029, "errmsg": "invalid code"}))

    assert (used.value.was_used, wrong.value.was_used) == (True, False)


def test_a_snapshot_pages_made_up_person_is_refused() -> None:
    with pytest.raises(VirtualPayer):
        asked(Script({"openid": "oNobody", "is_snapshotuser": 1}))


def test_a_busy_weixin_is_asked_again_and_a_lost_answer_is_not() -> None:
    busy = Script({"errcode": -1, "errmsg": "system error"}, {"openid": "oPayer"})
    lost = Script(ConnectionResetError("gone"), {"openid": "oPayer"})

    openid = asked(busy)
    with pytest.raises(WeixinUnavailable) as silence:
        asked(lost)

    assert openid == "oPayer"
    assert silence.value.reason is Silence.NO_REPLY
    assert len(lost.queries) == 1


def test_a_weixin_that_stays_busy_is_left_alone_after_three_tries() -> None:
    script = Script({"errcode": -1, "errmsg": "system error"})

    with pytest.raises(WeixinUnavailable):
        asked(script)

    assert len(script.queries) == MAX_TRIES


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"[]",
        b"",
        b'{"openid": 7}',
        b'{"errcode": "x"}',
        b"[" * 9_000,
        b" " * (MAX_REPLY_BYTES + 1),
    ],
)
def test_an_odd_answer_is_no_openid(body: bytes) -> None:
    with pytest.raises(WeixinUnavailable) as silence:
        asked(Script(body))

    assert silence.value.reason is Silence.ODD_REPLY


def test_a_failing_host_is_no_openid() -> None:
    with pytest.raises(WeixinUnavailable):
        asked(Script({"openid": "oPayer"}, status="502 Bad Gateway"))


def test_the_secret_shows_in_no_error() -> None:
    def unreachable() -> WeixinClient:
        # Nothing listens on port 1; the error of the library names the whole address.
        return WeixinClient(new_session(1), "http://127.0.0.1:1")

    calls: list[Callable[[], str]] = [
        lambda: asked(Script(requests.ConnectionError(f"…secret={CANARY}…"))),
        lambda: asked(Script({"errcode": 40125, "errmsg": "invalid appsecret"})),
        lambda: unreachable().openid_of(appid="wxaccount", secret=SECRET, code="CODE"),
    ]
    told = ""
    for call in calls:
        with pytest.raises(WeixinError) as refused:
            call()
        told += "".join(traceback.format_exception(refused.value)) + repr(refused.value)

    assert CANARY not in told
