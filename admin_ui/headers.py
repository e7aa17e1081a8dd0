"""What every answer tells the browser not to do.

No inline script or style, nothing from elsewhere, no frames, no guessing of types, and no copies of
pages kept anywhere. A view that needs something else says so on its own answer.
"""

from __future__ import annotations

from http import HTTPStatus

from flask import Flask, Response, request

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
_EVERYWHERE = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_ON_PAGES = {
    **_EVERYWHERE,
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_TWO_YEARS = "max-age=63072000; includeSubDomains"


def init_headers(app: Flask) -> None:
    """Put the headers on every answer that does not bring its own."""

    def add(response: Response) -> Response:
        if response.status_code == HTTPStatus.NO_CONTENT:
            return response  # there is nothing to show or to keep
        brought = {name.lower() for name, _ in response.headers}
        wanted = _ON_PAGES if response.mimetype == "text/html" else _EVERYWHERE
        if "content-security-policy" in brought:
            brought.add(
                "x-frame-options"
            )  # such a policy names its frames; this one knows no names
        response.headers.extend(
            [(name, value) for name, value in wanted.items() if name.lower() not in brought]
        )
        if request.is_secure:
            response.headers.setdefault("Strict-Transport-Security", _TWO_YEARS)
        return response

    app.after_request(add)
