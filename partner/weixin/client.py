"""Sign-in on an official account's page: where the payer is sent, and what the code comes to.

The exchange is repeated only where no code can have been used up: when no connection came about, or
when Weixin itself said it was busy. Weixin documents: "网页授权", "获取用户授权凭证".
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn, Protocol
from urllib.parse import quote, urlencode

import requests
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from partner.wechatpay.sessions import SignedRequest
from partner.weixin.errors import (
    AppRefused,
    CodeRefused,
    Silence,
    VirtualPayer,
    WeixinUnavailable,
)

SCOPE: Final = "snsapi_base"  # the openid, silently; more than that is not needed to pay
MAX_TRIES: Final = 3
CONNECT_TIMEOUT_S: Final = 3.0
READ_TIMEOUT_S: Final = 5.0
DEADLINE_S: Final = 8.0
LONGEST_PAUSE_S: Final = 0.4
MAX_REPLY_BYTES: Final = 16_384
LONGEST_OPENID: Final = 128
LONGEST_TOLD: Final = 200
USER_AGENT: Final = "partner-platform/0.1"

_CODE_USED: Final = 40163
_BUSY: Final = -1
# What an errcode means for the one who asked; whatever is not listed is a configuration to look at.
_CODE_IS_BAD: Final = frozenset({40029, _CODE_USED, 41008, 42001, 42002, 42003})
_TOO_OFTEN: Final = frozenset({45009, 45011})


class Hidden(Protocol):
    """A secret that shows itself only when it is asked to."""

    def reveal(self) -> str: ...


def authorise_url(
    *, open_base_url: str, appid: str, redirect_uri: str, state: str, scope: str = SCOPE
) -> str:
    """Where the payer's browser goes to become known. `state` is letters and digits, ≤ 128."""
    query = urlencode(
        [
            ("appid", appid),
            ("redirect_uri", redirect_uri),
            ("response_type", "code"),
            ("scope", scope),
            ("state", state),
        ],
        quote_via=quote,
        safe="",
    )
    return f"{open_base_url}/connect/oauth2/authorize?{query}#wechat_redirect"


class WeixinClient:
    """Turns codes into openids. Shared by all threads."""

    def __init__(self, session: requests.Session, api_base_url: str) -> None:
        self._session = session
        self._origin = api_base_url.rstrip("/")

    def openid_of(self, *, appid: str, secret: Hidden, code: str) -> str:
        """The payer's openid under this appid.

        Raises CodeRefused, AppRefused, VirtualPayer, or WeixinUnavailable.
        """
        query = urlencode(
            [
                ("appid", appid),
                ("secret", secret.reveal()),
                ("code", code),
                ("grant_type", "authorization_code"),
            ],
            quote_via=quote,
            safe="",
        )
        told = self._asked(f"/sns/oauth2/access_token?{query}")
        if told.get("is_snapshotuser") in (1, "1"):
            raise VirtualPayer("Weixin showed a snapshot of the page to somebody who is nobody.")
        openid = told.get("openid")
        if not isinstance(openid, str) or not 0 < len(openid) <= LONGEST_OPENID:
            raise WeixinUnavailable(Silence.ODD_REPLY)
        return openid

    def _asked(self, target: str) -> Mapping[str, Any]:
        deadline = time.monotonic() + DEADLINE_S
        for tries in range(1, MAX_TRIES + 1):
            try:
                return _judged(self._got(target, deadline))
            except WeixinUnavailable as silence:
                nothing_used = silence.reason in (Silence.NO_CONNECTION, Silence.BUSY)
                pause = random.uniform(0, LONGEST_PAUSE_S)  # noqa: S311 - spreads repeats
                if not nothing_used or tries == MAX_TRIES or time.monotonic() + pause >= deadline:
                    raise
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _got(self, target: str, deadline: float) -> bytes:
        left = max(0.1, deadline - time.monotonic())
        request = SignedRequest(
            method="GET",
            origin=self._origin,
            target=target,
            headers={"Accept": "application/json", "User-Agent": USER_AGENT},
            body=None,
            deadline=deadline,
        )
        try:
            response = self._session.get_adapter(self._origin).send(
                request,
                stream=True,
                timeout=(min(CONNECT_TIMEOUT_S, left), min(READ_TIMEOUT_S, left)),
                verify=self._session.verify or True,
                proxies={},
            )
            with response:
                body: bytes = response.raw.read(MAX_REPLY_BYTES + 1)
        except (requests.RequestException, HTTPError, OSError) as error:
            _raise_silence(error)
        if response.status_code != requests.codes.ok or len(body) > MAX_REPLY_BYTES:
            raise WeixinUnavailable(Silence.ODD_REPLY)
        return body


def _raise_silence(error: Exception) -> NoReturn:
    wrapped = error.args[0] if error.args else None
    reason = wrapped.reason if isinstance(wrapped, MaxRetryError) else None
    unconnected = isinstance(error, requests.ConnectTimeout) or isinstance(
        reason, NewConnectionError
    )
    # Without its cause: what went wrong names the address, and the secret is part of that.
    raise WeixinUnavailable(Silence.NO_CONNECTION if unconnected else Silence.NO_REPLY) from None


def _judged(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise WeixinUnavailable(Silence.ODD_REPLY) from None
    errcode = told.get("errcode", 0)
    if errcode == 0:
        return MappingProxyType(told)
    if not isinstance(errcode, int):
        raise WeixinUnavailable(Silence.ODD_REPLY)
    errmsg = str(told.get("errmsg", ""))[:LONGEST_TOLD]
    if errcode == _BUSY:
        raise WeixinUnavailable(Silence.BUSY, errcode)
    if errcode in _TOO_OFTEN:
        raise WeixinUnavailable(Silence.TOO_OFTEN, errcode)
    if errcode in _CODE_IS_BAD:
        raise CodeRefused(errcode, errmsg, was_used=errcode == _CODE_USED)
    raise AppRefused(errcode, errmsg)
