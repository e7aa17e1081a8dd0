"""What binds a page to one browser: its cookie, the proofs made from it, and nothing stored.

The cookie is random and means nothing by itself. Two proofs are made with it and the server's key:
the `state` that goes to WeChat's sign-in and back, which also names the link and its last moment,
and the token that every unsafe request of the page carries. Neither is of use in another browser or
for another link.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from flask import Response, current_app, request

from config.clock import now
from config.errors import Forbidden
from config.identifiers import random_letters

COOKIE_LETTERS: Final = 32  # 160 random bits
COOKIE_LIFE: Final = timedelta(days=7)  # a link's longest life
STATE_LIFE: Final = timedelta(minutes=10)
CSRF_HEADER: Final = "X-Checkout-Proof"

_COOKIE: Final = re.compile(r"[0-9a-z]{32}")
_STATE: Final = re.compile(r"([0-9a-z]{20})([0-9]{10})([0-9a-f]{64})")
_NONCE_LETTERS: Final = 20


class ForeignRequest(Forbidden):
    """A request that no page of ours made in this browser."""

    code = "foreign_request"

    def __init__(self) -> None:
        super().__init__("This request does not come from the page itself. Open the link again.")


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser by its cookie."""

    cookie: str
    is_new: bool

    @property
    def hash(self) -> str:
        """What is stored of it."""
        return hashlib.sha256(self.cookie.encode()).hexdigest()

    def new_state(self, link_id: str) -> str:
        """Letters and digits for one trip to WeChat's sign-in and back."""
        ends = int((now() + STATE_LIFE).timestamp())
        born = f"{random_letters(_NONCE_LETTERS)}{ends:010d}"
        return born + self._proof("state", link_id, born)

    def brings_state(self, link_id: str, state: str) -> bool:
        """Whether this browser took this state along for this link, and not too long ago."""
        form = _STATE.fullmatch(state)
        if form is None:
            return False
        proof = self._proof("state", link_id, form[1] + form[2])
        return hmac.compare_digest(proof, form[3]) and int(form[2]) > now().timestamp()

    def csrf_token(self, link_id: str) -> str:
        """What the page's own requests show."""
        return self._proof("request", link_id)

    def check_request(self, link_id: str) -> None:
        """Raises ForeignRequest unless the page at hand made this request."""
        shown = request.headers.get(CSRF_HEADER, "")
        genuine = hmac.compare_digest(
            self.csrf_token(link_id).encode(), shown.encode("utf-8", "replace")
        )
        if self.is_new or not genuine or not _is_own_origin():
            raise ForeignRequest

    def remember(self, response: Response) -> Response:
        """Have the browser bring the cookie again."""
        if self.is_new:
            response.set_cookie(
                cookie_name(),
                self.cookie,
                max_age=int(COOKIE_LIFE.total_seconds()),
                secure=_is_https(),
                httponly=True,
                samesite="Lax",  # the way back from WeChat's sign-in is a link from elsewhere
            )
        return response

    def _proof(self, purpose: str, *parts: str) -> str:
        told = "\x1f".join(("checkout", purpose, self.cookie, *parts))
        key = str(current_app.config["SECRET_KEY"]).encode()
        return hmac.new(key, told.encode(), hashlib.sha256).hexdigest()


def visitor() -> Visitor:
    """The browser of this request, known or new."""
    cookie = request.cookies.get(cookie_name(), "")
    if _COOKIE.fullmatch(cookie):
        return Visitor(cookie, is_new=False)
    return Visitor(random_letters(COOKIE_LETTERS), is_new=True)


def cookie_name() -> str:
    """Only an https page of this very host can set or read the first form."""
    return "__Host-checkout" if _is_https() else "checkout"


def hash_of_state(state: str) -> str:
    """What is stored of a state, so that each counts once."""
    return hashlib.sha256(state.encode()).hexdigest()


def _is_https() -> bool:
    return str(current_app.config["PUBLIC_BASE_URL"]).startswith("https://")


def _is_own_origin() -> bool:
    origin = request.headers.get("Origin")
    if origin is not None:
        ours = urlsplit(str(current_app.config["PUBLIC_BASE_URL"])).netloc
        return urlsplit(origin).netloc in (ours, request.host)
    return request.headers.get("Sec-Fetch-Site", "same-origin") == "same-origin"
