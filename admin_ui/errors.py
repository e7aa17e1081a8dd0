"""An error as a page: what happened, what to do, and the number to tell us.

Drawn without asking the database anything, because it may be what failed.
"""

from __future__ import annotations

from flask import Response, g, has_request_context, render_template, request
from flask_babel import gettext as _

from config.errors import AppError
from config.i18n import LANGUAGE_PATH

_OURS = ("/admin", "/dashboard", LANGUAGE_PATH)
_EXPIRED = "page_expired"
_FOR_MACHINES = ("/api", "/notify", "/healthz", "/readyz", "/metrics", "/assets")


def render_error_page(error: AppError) -> Response | None:
    """The page for an error, or None where a program asked."""
    if not has_request_context() or _is_for_machines(request.path):
        return None
    if not _wants_page():
        return None
    title, advice = _words(error)
    page = render_template(
        "errors/error.html",
        status=error.status,
        title=title,
        advice=advice,
        request_id=g.get("request_id", ""),
        is_dashboard=request.path.startswith("/dashboard"),
        is_expired=error.code == _EXPIRED,
    )
    return Response(page, status=error.status, mimetype="text/html")


def _is_for_machines(path: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in _FOR_MACHINES)


def _wants_page() -> bool:
    html, json = (request.accept_mimetypes[kind] for kind in ("text/html", "application/json"))
    # Elsewhere than at our pages, only somebody who asks for a page gets one.
    return html >= json if request.path.startswith(_OURS) else html > json


def _words(error: AppError) -> tuple[str, str]:
    if error.code == _EXPIRED:
        return _("This page has expired"), _("Open it again and send the form once more.")
    if error.status == 403:
        return _("Not for your role"), _(
            "Ask an administrator if you need this page for your work."
        )
    if error.status == 404:
        return _("Nothing here"), _("The address may be old, or what you look for is not yours.")
    if error.status == 429:
        return _("A little too fast"), _("Wait a moment, then try again.")
    if error.status == 503:
        return _("Busy just now"), _("Nothing was lost. Try again in a few seconds.")
    if error.status >= 500:
        return _("That was our fault"), _("It is recorded. Tell us the number below to find it.")
    return _("That did not work"), _("Go back, check what you entered, and try again.")
