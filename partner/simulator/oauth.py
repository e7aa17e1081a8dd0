"""Where a payer's openid comes from: the OAuth page and the exchange of its code.

Errors of the page are pages, errors of the exchange are HTTP 200 with an errcode, as the open
platform has it. Codes live five real minutes and are good for one exchange.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from partner.simulator import keys
from partner.simulator.merchants import Merchants
from partner.simulator.people import People

CODE_LIFE_S: Final = 300
ACCESS_TOKEN_LIFE_S: Final = 7200
STATE: Final = re.compile(r"[0-9A-Za-z]{1,128}")
SCOPES: Final = ("snsapi_base", "snsapi_userinfo")
DEFAULT_PERSON: Final = "payer"


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
        self, merchants: Merchants, people: People, wire_time: Callable[[], float]
    ) -> None:
        self._merchants = merchants
        self._people = people
        self._wire_time = wire_time
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}
        self._used: dict[str, float] = {}

    def check(self, query: dict[str, str]) -> None:
        """Whether the page may be shown at all; OAuthPageError with the documented number."""
        needed = (("appid", 10012), ("redirect_uri", 10011), ("scope", 10010), ("state", 10013))
        for name, number in needed:
            if not query.get(name):
                raise OAuthPageError(number, f"{name}参数为空")
        owner = self._merchants.owner_of_appid(query["appid"])
        if owner is None:
            raise OAuthPageError(10016, "AppID不存在，或不是公众号")
        if query.get("response_type") != "code" or query["scope"] not in SCOPES:
            raise OAuthPageError(10005, "response_type或scope参数错误，或没有该scope的权限")
        if not STATE.fullmatch(query["state"]):
            raise OAuthPageError(10013, "state参数只能由字母和数字组成，最多128字节")
        url = urlsplit(query["redirect_uri"])
        domains = owner.oauth_domains.get(query["appid"])
        is_web = url.scheme in ("http", "https") and bool(url.hostname)
        if not is_web or (domains is not None and url.hostname not in domains):
            raise OAuthPageError(10003, "redirect_uri域名与后台配置不一致")

    def grant(self, query: dict[str, str], person: str) -> str:
        """Where the payer goes next, with a fresh code."""
        code, now = keys.nonce(32), self._wire_time()
        with self._lock:
            self._forget_old(now)
            ends_at = now + CODE_LIFE_S
            self._grants[code] = Grant(query["appid"], person, query["scope"], ends_at)
        return with_query(query["redirect_uri"], code=code, state=query["state"])

    def exchange(self, query: dict[str, str]) -> dict[str, Any]:
        """The openid behind a code; ExchangeError otherwise."""
        self._check_caller(query)
        grant = self._take(query["code"], query["appid"])
        answer: dict[str, Any] = {
            "access_token": keys.nonce(88),
            "expires_in": ACCESS_TOKEN_LIFE_S,
            "refresh_token": keys.nonce(88),
            "openid": self._people.openid(grant.appid, grant.person),
            "scope": grant.scope,
        }
        if grant.scope == "snsapi_userinfo":
            answer["unionid"] = self._people.openid("unionid", grant.person)
        return answer

    def _check_caller(self, query: dict[str, str]) -> None:
        for name, errcode in (("appid", 41002), ("secret", 41004), ("code", 41008)):
            if not query.get(name):
                raise ExchangeError(errcode, f"{name} missing")
        if query.get("grant_type") != "authorization_code":
            raise ExchangeError(40002, "invalid grant_type")
        owner = self._merchants.owner_of_appid(query["appid"])
        if owner is None:
            raise ExchangeError(40013, "invalid appid")
        if owner.app_secrets.get(query["appid"], query["secret"]) != query["secret"]:
            raise ExchangeError(40125, "invalid appsecret")

    def _take(self, code: str, appid: str) -> Grant:
        now = self._wire_time()
        with self._lock:
            if code in self._used:
                raise ExchangeError(40163, "code been used")
            grant = self._grants.get(code)
            if grant is None or grant.appid != appid or now > grant.ends_at:
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
