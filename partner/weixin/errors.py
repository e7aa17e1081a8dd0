"""Why a code did not become an openid, told apart by who can do something about it."""

from __future__ import annotations

from enum import StrEnum


class WeixinError(Exception):
    """Everything this client raises. Never carries the URL called: the app secret stands in it."""


class CodeRefused(WeixinError):
    """The code counts no more, or never did: send the payer through the sign-in again."""

    def __init__(self, errcode: int, errmsg: str, *, was_used: bool = False) -> None:
        super().__init__(f"Weixin refused the code: {errcode} {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg
        self.was_used = was_used  # a page that was reloaded, not a fault


class AppRefused(WeixinError):
    """The appid or its secret is wrong: no payer can get through until somebody mends it."""

    def __init__(self, errcode: int, errmsg: str) -> None:
        super().__init__(f"Weixin refused the appid or its secret: {errcode} {errmsg}")
        self.errcode = errcode
        self.errmsg = errmsg


class VirtualPayer(WeixinError):
    """A snapshot page's made-up person, whose openid cannot pay."""


class Silence(StrEnum):
    """Why there was no answer to go by."""

    NO_CONNECTION = "no_connection"
    NO_REPLY = "no_reply"
    ODD_REPLY = "odd_reply"
    BUSY = "busy"
    TOO_OFTEN = "too_often"


class WeixinUnavailable(WeixinError):
    """No answer that says anything; the code may be used up, so the payer signs in again."""

    def __init__(self, reason: Silence, errcode: int | None = None) -> None:
        super().__init__(f"Weixin gave no usable answer: {reason.value} {errcode or ''}".rstrip())
        self.reason = reason
        self.errcode = errcode
