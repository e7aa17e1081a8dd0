"""Where a payer's openid comes from: the OAuth page and the exchange of its code.

Errors of the page are pages, errors of the exchange are HTTP 200 with an errcode, as the open
platform has it. Codes live five real minutes and are good for one exchange.
"""

from __future__ import annotations

import base64
import re
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from partner.simulator import keys
from partner.simulator.faults import FaultBook
from partner.simulator.merchants import Merchants
from partner.simulator.people import People

CODE_LIFE_S: Final = 300
ACCESS_TOKEN_LIFE_S: Final = 7200
STATE: Final = re.compile(r"[0-9A-Za-z]{1,128}")
SCOPES: Final = ("snsapi_base", "snsapi_userinfo")
MINI_PROGRAM: Final = "mini program"  # what a code of wx.login is good for: no scope at all
PAGE_ERRORS: Final = {
    10003: "redirect_uri域名与后台配置不一致",
    10004: "此公众号被封禁",
    10005: "此公众号并没有这些scope的权限",
    10006: "必须关注此测试号",
    10009: "操作太频繁了，请稍后重试",
    10015: "公众号未授权第三方平台，请检查授权状态",
    10016: "不支持微信开放平台的AppID，请使用公众号AppID",
}
EXCHANGE_ERRORS: Final = {
    -1: "system error",
    40029: "invalid code",
    42003: "code expired",
    45009: "reach max api daily quota limit",
    45011: "api minute-quota reach limit, must slower, retry next minute",
}


class OAuthPageError(Exception):
    """Shown to the payer as a page: a number and what it means."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number
        self.message = message


class ExchangeError(Exception):
    """Told to the server that brought the code."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(errmsg)
        self.body = {"errcode": errcode, "errmsg": errmsg}


@dataclass(frozen=True)
class Grant:
    """What a code stands for."""

    appid: str
    person: str
    scope: str
    ends_at: float


class OAuth:
    """Codes given out, codes taken back."""

    def __init__(
        self,
        merchants: Merchants,
        people: People,
        faults: FaultBook,
        wire_time: Callable[[], float],
    ) -> None:
        self._merchants = merchants
        self._people = people
        self._faults = faults
        self._wire_time = wire_time
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}
        self._used: dict[str, float] = {}

    def check(self, query: dict[str, str]) -> None:
        """Whether the page may be shown at all; OAuthPageError with the documented number."""
        fault = self._faults.take(("oauth_page_error",))
        if fault is not None:
            number = fault.number("number", 10004)
            raise OAuthPageError(number, PAGE_ERRORS.get(number, "参数错误"))
        needed = (("appid", 10012), ("redirect_uri", 10011), ("scope", 10010), ("state", 10013))
        for name, number in needed:
            if not query.get(name):
                raise OAuthPageError(number, f"{name}参数为空")
        owner = self._merchants.owner_of_appid(query["appid"])
        if owner is None:
            raise OAuthPageError(10016, PAGE_ERRORS[10016])
        allowed = owner.oauth_scopes.get(query["appid"], SCOPES)
        if query.get("response_type") != "code" or query["scope"] not in allowed:
            raise OAuthPageError(10005, PAGE_ERRORS[10005])
        if not STATE.fullmatch(query["state"]):
            raise OAuthPageError(10013, "state参数只能由字母和数字组成，最多128字节")
        url = urlsplit(query["redirect_uri"])
        domains = owner.oauth_domains.get(query["appid"])
        is_web = url.scheme in ("http", "https") and bool(url.hostname)
        if not is_web or (domains is not None and url.hostname not in domains):
            raise OAuthPageError(10003, PAGE_ERRORS[10003])

    def grant(self, query: dict[str, str], person: str) -> str:
        """Where the payer goes next, with a fresh code."""
        code = self._give(query["appid"], person, query["scope"])
        return with_query(query["redirect_uri"], code=code, state=query["state"])

    def log_in(self, appid: str, person: str) -> str | None:
        """A code as `wx.login` of a mini program gets it; None when nobody has the appid."""
        if self._merchants.owner_of_appid(appid) is None:
            return None
        return self._give(appid, person, MINI_PROGRAM)

    def exchange_js_code(self, query: dict[str, str]) -> dict[str, Any]:
        """The openid behind a mini program's code; ExchangeError otherwise."""
        self._check_caller(query, "js_code")
        grant = self._take(query["js_code"], query["appid"], (MINI_PROGRAM,))
        return {
            "openid": self._people.openid(grant.appid, grant.person),
            "session_key": base64.b64encode(secrets.token_bytes(16)).decode(),
        }

    def exchange(self, query: dict[str, str]) -> dict[str, Any]:
        """The openid behind a code; ExchangeError otherwise."""
        self._check_caller(query, "code")
        grant = self._take(query["code"], query["appid"], SCOPES)
        is_snapshot = self._faults.take(("oauth_snapshot",)) is not None
        if is_snapshot:
            openid = self._people.virtual_openid(grant.appid)
        else:
            openid = self._people.openid(grant.appid, grant.person)
        answer: dict[str, Any] = {
            "access_token": keys.nonce(88),
            "expires_in": ACCESS_TOKEN_LIFE_S,
            "refresh_token": keys.nonce(88),
            "openid": openid,
            "scope": grant.scope,
        }
        if grant.scope == "snsapi_userinfo":
            answer["unionid"] = self._people.openid("unionid", grant.person)
        if is_snapshot:
            answer["is_snapshotuser"] = 1
        return answer

    def _check_caller(self, query: dict[str, str], code: str) -> None:
        fault = self._faults.take(("oauth_errcode",))
        if fault is not None:
            errcode = fault.number("errcode", -1)
            raise ExchangeError(errcode, EXCHANGE_ERRORS.get(errcode, "as told"))
        for name, errcode in (("appid", 41002), ("secret", 41004), (code, 41008)):
            if not query.get(name):
                raise ExchangeError(errcode, f"{name} missing")
        if query.get("grant_type") != "authorization_code":
            raise ExchangeError(40002, "invalid grant_type")
        owner = self._merchants.owner_of_appid(query["appid"])
        if owner is None:
            raise ExchangeError(40013, "invalid appid")
        if owner.app_secrets.get(query["appid"], query["secret"]) != query["secret"]:
            raise ExchangeError(40125, "invalid appsecret")

    def _give(self, appid: str, person: str, scope: str) -> str:
        code, now = keys.nonce(32), self._wire_time()
        with self._lock:
            self._forget_old(now)
            self._grants[code] = Grant(appid, person, scope, now + CODE_LIFE_S)
        return code

    def _take(self, code: str, appid: str, scopes: tuple[str, ...]) -> Grant:
        now = self._wire_time()
        with self._lock:
            if code in self._used:
                raise ExchangeError(40163, "code been used")
            grant = self._grants.get(code)
            fits = grant is not None and grant.appid == appid and grant.scope in scopes
            if grant is None or not fits or now > grant.ends_at:
                raise ExchangeError(40029, "invalid code")
            del self._grants[code]
            self._used[code] = grant.ends_at
        return grant

    def _forget_old(self, now: float) -> None:
        self._grants = {code: one for code, one in self._grants.items() if one.ends_at >= now}
        self._used = {code: at for code, at in self._used.items() if at >= now - CODE_LIFE_S}


def with_query(url: str, **more: str) -> str:
    """The URL with these parameters added to its query."""
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *more.items()]
    return urlunsplit(parts._replace(query=urlencode(query)))
