"""Put the pages into an application: doors, console, dashboard, assets, languages, headers."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request, current_app, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface

from admin_ui import access, assets, console, dashboard, headers, sign_in
from admin_ui.console import (
    audit,
    doctor,
    notifications,
    orders,
    overview,
    reconciliation,
    refunds,
    sub_merchants,
    webhooks,
)
from admin_ui.dashboard import audit as own_audit
from admin_ui.dashboard import checkout as own_checkout
from admin_ui.dashboard import doctor as own_doctor
from admin_ui.dashboard import orders as own_orders
from admin_ui.dashboard import overview as own_overview
from admin_ui.dashboard import reconciliation as own_reconciliation
from admin_ui.dashboard import refunds as own_refunds
from admin_ui.dashboard import webhooks as own_webhooks
from admin_ui.formatting import init_formatting
from admin_ui.navigation import menu
from admin_ui.wording import reason
from config.clock import now
from config.i18n import chosen_language, init_i18n, language_tag
from config.settings import Settings

# Importing a room of pages puts its views on the blueprint.
ROOMS = (
    audit,
    doctor,
    notifications,
    orders,
    overview,
    reconciliation,
    refunds,
    sub_merchants,
    webhooks,
    own_audit,
    own_checkout,
    own_doctor,
    own_orders,
    own_overview,
    own_reconciliation,
    own_refunds,
    own_webhooks,
)
FORM_HOURS = 12


class FormSessions(SecureCookieSessionInterface):
    """The cookie that binds forms to a browser; a request without one, like the API's, skips it."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        # The bare header is looked at first: parsing cookies is the dearest part of a call by API.
        if self.get_cookie_name(app) not in request.environ.get("HTTP_COOKIE", ""):
            return self.session_class()
        return super().open_session(app, request)


_OWN_PAGES = ("/admin/", "/dashboard/")


def init_admin_ui(app: Flask, settings: Settings) -> None:
    """Wire everything under `/`, `/admin`, `/dashboard` and `/assets`."""
    is_https = settings.public_base_url.startswith("https://")
    app.config.update(
        SESSION_COOKIE_NAME="__Host-form" if is_https else "form",
        SESSION_COOKIE_SECURE=is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_CHECK_DEFAULT=False,  # `check_unsafe_request` asks, at every door of pages
        WTF_CSRF_TIME_LIMIT=FORM_HOURS * 3600,
        WTF_CSRF_SSL_STRICT=False,  # the same function compares origins, on http as well
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.session_interface = FormSessions()
    init_i18n(app)
    init_formatting(app)
    app.add_template_filter(reason)
    headers.init_headers(app)
    access.csrf.init_app(app)
    app.context_processor(_known_to_templates)
    app.teardown_request(access.forget_person)
    for blueprint in (sign_in.blueprint, console.blueprint, dashboard.blueprint, assets.blueprint):
        app.register_blueprint(blueprint)


def _known_to_templates() -> dict[str, Any]:
    return {
        "asset": assets.asset,
        "menu": menu,
        "language": chosen_language(),
        "language_tag": language_tag(),
        "now": now,
        "here": _here(),
        "current_operator": access.current_operator,
        "current_member": access.current_member,
    }


def _here() -> str:
    """The address of this page; of one that answers a form, the nearest that a link can open."""
    path = request.path
    if request.method not in access.SAFE_METHODS:
        addresses = current_app.create_url_adapter(request)
        while path and addresses is not None and not addresses.test(path, "GET"):
            path = path.rpartition("/")[0]
    # Elsewhere than in our own pages a query may hold what no page repeats, such as an OAuth code.
    if path == request.path and path.startswith(_OWN_PAGES):
        return request.full_path.rstrip("?")
    return path or "/"
