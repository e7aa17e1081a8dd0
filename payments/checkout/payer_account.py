"""How a payer becomes known: off to WeChat's sign-in, and back with a code."""

from __future__ import annotations

import re
from typing import Final

from flask import Response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from config.errors import AppError, Unauthorized, Unavailable
from config.logs import get_logger
from config.vault import Secret
from partner import app_secrets as provider_secrets
from partner.openids import weixin
from partner.weixin.errors import (
    AppRefused,
    CodeRefused,
    VirtualPayer,
    WeixinUnavailable,
)
from payments.checkout import faults
from payments.checkout.browser import STATE_LIFE, cookie_name
from payments.checkout.entry import Opened
from payments.checkout.errors import CannotBePaid
from payments.checkout.links import page_url
from payments.checkout.visits import begin_visit, known_openid, name_payer
from submerchants.doctor.explain import explain
from submerchants.tenants import app_secrets as own_secrets

MAX_TRIPS: Final = 2  # without coming back; after that the payer is asked what WeChat showed

_CODE: Final = re.compile(r"[0-9A-Za-z_-]{1,512}")
_AWAY: Final = re.compile(r"(chk_[0-9a-z]{26})\.([0-9])")

log = get_logger(__name__)


class SignInOver(Unauthorized):
    """The way back from WeChat was not begun in this browser, or too long ago, or used before."""

    code = "sign_in_over"


class SignInDeclined(Unauthorized):
    """The payer came back without a code."""

    code = "sign_in_declined"


class PreviewOnly(Unauthorized):
    """WeChat showed a snapshot of the page, whose visitor is made up."""

    code = "virtual_payer"


class WeixinSilent(Unavailable):
    """Weixin's open platform gave no usable answer."""

    code = "weixin_silent"


def trips_without_return(opened: Opened) -> int:
    """How often this browser was sent to WeChat's sign-in for this link and came back without."""
    form = _AWAY.fullmatch(request.cookies.get(_away_cookie(), ""))
    return int(form[2]) if form and form[1] == opened.link.id else 0


def send_to_sign_in(opened: Opened) -> AnyResponse:
    """Off to WeChat. Raises CannotBePaid when nobody could be recognised on the way back."""
    link, browser = opened.link, opened.visitor
    _secret(opened)
    url = weixin().sign_in_url(
        appid=link.appid,
        redirect_uri=f"{page_url(link)}/return",
        state=browser.new_state(link.id),
    )
    response = redirect(url, 302)
    trips = min(trips_without_return(opened) + 1, 9)
    response.set_cookie(
        _away_cookie(),
        f"{link.id}.{trips}",
        max_age=int(STATE_LIFE.total_seconds()),
        secure=cookie_name().startswith("__Host-"),
        httponly=True,
        samesite="Lax",
    )
    return response


def take_back(opened: Opened, *, state: str, code: str) -> AnyResponse:
    """The payer is back: learn who it is, once, and show the page.

    Raises SignInOver, SignInDeclined, PreviewOnly, WeixinSilent or CannotBePaid.
    """
    link, browser = opened.link, opened.visitor
    is_known = known_openid(link, browser) is not None
    if browser.is_new or not browser.brings_state(link.id, state):
        if is_known:  # the back button, an old address: this browser has signed in before
            return _to_page(opened)
        raise SignInOver("This sign-in was not begun here, or too long ago. Open the link again.")
    if not _CODE.fullmatch(code):
        raise SignInDeclined("WeChat sent no code along. Open the link again and allow it.")
    visit = begin_visit(link=link, visitor=browser, state=state)
    if visit is None:
        if is_known:
            return _to_page(opened)
        raise SignInOver("This sign-in was used before. Open the link again.")
    name_payer(visit, _openid(opened, code))
    return _to_page(opened)


def forget_trips(response: Response) -> Response:
    """The browser came back: the next trip is the first again."""
    response.delete_cookie(
        _away_cookie(),
        secure=cookie_name().startswith("__Host-"),
        httponly=True,
        samesite="Lax",
    )
    return response


def _openid(opened: Opened, code: str) -> str:
    try:
        return weixin().openid_of(appid=opened.link.appid, secret=_secret(opened), code=code)
    except AppRefused as refused:
        log.error("an appid or its secret was refused", errcode=refused.errcode)
        raise CannotBePaid(explain(code=str(refused.errcode))) from refused
    except CodeRefused as refused:
        log.info("a code was refused", errcode=refused.errcode, was_used=refused.was_used)
        raise SignInOver("WeChat takes this code no more. Open the link again.") from refused
    except VirtualPayer as nobody:
        raise PreviewOnly("Leave WeChat's preview of the page, then pay.") from nobody
    except WeixinUnavailable as silence:
        log.warning("weixin gave no answer", reason=silence.reason.value)
        raise _silent() from silence


def _silent() -> AppError:
    return WeixinSilent("WeChat does not answer just now. Try again.", retry_after_seconds=3)


def _secret(opened: Opened) -> Secret:
    link, found = opened.link, opened.found
    if link.is_sub_appid:
        secret = own_secrets.find_app_secret(found.sub_merchant.id, link.appid)
    else:
        secret = provider_secrets.find_app_secret(found.partner.id, link.appid)
    if secret is None:
        raise CannotBePaid(faults.SECRET_MISSING)
    return secret


def _to_page(opened: Opened) -> AnyResponse:
    return redirect(page_url(opened.link), 303)


def _away_cookie() -> str:
    return f"{cookie_name()}-away"
