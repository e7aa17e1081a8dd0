"""The door of the payer's pages: which link, which browser, which language, what may be framed.

A view below says how it is entered with `@opens_link(...)`. Whatever it refuses is told here: as a
page to somebody who looks at one, as JSON to the page's own requests. Faults that somebody on the
merchant's side can mend are written down on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, Protocol, TypeVar, cast

import structlog
from flask import Blueprint, Flask, Response, current_app, g, jsonify, make_response, request
from flask_babel import force_locale

from config.answers import public
from config.audit import Actor, acting_as
from config.errors import AppError, TooFast
from config.i18n import LANGUAGE_COOKIE
from partner.openids import weixin
from payments.checkout import words
from payments.checkout.browser import Visitor, visitor
from payments.checkout.faults import finding_of, note_fault
from payments.checkout.language import asked_language, page_language
from payments.checkout.links import Found, find_link
from payments.checkout.models import CheckoutLink
from submerchants.tenancy import acting_for
from submerchants.tenants.models import TenantState

LANGUAGE_SECONDS: Final = 30 * 86_400
PAYMENT_APP: Final = "https://payapp.weixin.qq.com"  # frames the ticket under 点金计划

View = TypeVar("View", bound=Callable[..., Any])

blueprint = Blueprint(
    "checkout", __name__, url_prefix="/checkout", template_folder="templates", static_folder=None
)


class Counter(Protocol):
    """Counts requests; answers 0, or after how many seconds the next one has room."""

    def count(self, allowed: int, *names: str) -> int: ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A link somebody opened, and in which browser."""

    found: Found
    visitor: Visitor

    @property
    def link(self) -> CheckoutLink:
        """The link itself."""
        return self.found.link

    @property
    def is_paused(self) -> bool:
        """Whether the merchant takes nothing new."""
        return self.found.sub_merchant.state is TenantState.SUSPENDED


def init_checkout(app: Flask, counter: Counter) -> None:
    """Serve the payer's pages; `counter` limits how often each link is asked for things."""
    app.extensions["checkout_counter"] = counter
    app.register_blueprint(blueprint)


def opens_link(*, a_minute: int, answers_json: bool = False) -> Callable[[View], View]:
    """The view is handed an `Opened` link, within its tenant's scope; anybody may come."""

    def declare(view: View) -> View:
        @wraps(view)
        def opened(token: str) -> Response:
            with force_locale(page_language()):
                return _entered(view, token, a_minute, answers_json)

        return cast("View", public(opened))

    return declare


def _entered(view: View, token: str, a_minute: int, answers_json: bool) -> Response:
    try:
        found = find_link(token)
        _check_rate(found.link, str(request.endpoint), a_minute)
    except AppError as error:
        return _told(error, None, answers_json)
    browser = visitor()
    link = found.link
    structlog.contextvars.bind_contextvars(link_id=link.id)
    payer = Actor(kind="payer", id=link.id, origin=request.remote_addr or "")
    with acting_for(link.sub_merchant_id), acting_as(payer):
        try:
            response = make_response(view(Opened(found, browser)))
        except AppError as error:
            _note(link, error)
            response = _told(error, found, answers_json)
    if (asked := asked_language()) is not None:
        response.set_cookie(LANGUAGE_COOKIE, asked, max_age=LANGUAGE_SECONDS, samesite="Lax")
    return browser.remember(response)


def _check_rate(link: CheckoutLink, endpoint: str, a_minute: int) -> None:
    counter: Counter = current_app.extensions["checkout_counter"]
    wait = counter.count(a_minute, endpoint, link.id)
    if wait:
        raise TooFast("Too many requests for this link.", retry_after_seconds=wait)


def _note(link: CheckoutLink, error: AppError) -> None:
    finding = finding_of(error)
    if finding is not None:
        told: Any = error.detail.get("wechatpay")
        said = str(told.get("message") or "") if isinstance(told, dict) else ""
        note_fault(link, finding, told=said, reference=g.request_id)


def _told(error: AppError, found: Found | None, as_json: bool) -> Response:
    notice = words.notice_of(error, finding_of(error))
    if as_json:
        response = jsonify(
            code=error.code,
            title=str(notice.title),
            advice=str(notice.advice),
            reference=g.request_id,
            retry_after_seconds=error.retry_after_seconds,
        )
    else:
        response = make_response(words.draw("notice", notice=notice, found=found))
    response.status_code = error.status
    if error.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(error.retry_after_seconds)
    return response


@blueprint.after_request
def _guard(response: Response) -> Response:
    """The page's own policy. The simulator's origin is let in only where it plays WeChat."""
    brought = response.headers.get("Content-Security-Policy")
    if response.mimetype == "text/html" and brought is None:
        response.headers["Content-Security-Policy"] = content_security_policy()
    # Towards others the origin alone: H5 needs a Referer, and the token is nobody else's business.
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.add("Vary", "Accept-Language, Cookie")
    return response


def content_security_policy(frame_ancestors: str = "'none'") -> str:
    """Nothing inline, nothing from elsewhere."""
    others = f" {weixin().open_base_url}" if weixin().is_simulated else ""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self'{others}",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src 'self'{others}",
            f"frame-src {others.strip() or chr(39) + 'none' + chr(39)}",
            "form-action 'self'",
            f"frame-ancestors {frame_ancestors}",
            "base-uri 'none'",
        )
    )
