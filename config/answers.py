"""From an error to an answer, and the id every request carries.

A refusal becomes `{"code", "message", "detail", "request_id"}`, or a page by the renderer that the
composition root hands in. Whatever else escapes is logged whole and answered without a word of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import structlog
from flask import Flask, Response, g, jsonify, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    MethodNotAllowed,
    RequestEntityTooLarge,
    SecurityError,
)

from config.errors import AppError, InvalidPayload, NotFound, Unavailable
from config.identifiers import new_id
from config.logs import get_logger

log = get_logger(__name__)

View = TypeVar("View", bound=Callable[..., object])
PageRenderer = Callable[[AppError], "Response | None"]

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")


def declare_access(view: View, access: str) -> View:
    """Write on a view who may call it; a test refuses views that say nothing."""
    view.access = access  # type: ignore[attr-defined]
    return view


def public(view: View) -> View:
    """Anybody may call this view."""
    return declare_access(view, "public")


class _OtherHttpError(AppError):
    """A refusal by the framework, in our shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


_FRAMEWORK_REFUSALS = {
    400: ("invalid_request", "The request cannot be read. Check its form and its headers."),
    405: ("method_not_allowed", "This address does not take that method."),
    408: ("request_timeout", "The request did not arrive in time. Send it again."),
    411: ("length_required", "Send a Content-Length."),
    413: ("payload_too_large", "The request is larger than is accepted here."),
    415: ("unsupported_media_type", "Send JSON with Content-Type: application/json."),
    431: ("headers_too_large", "The request's headers are larger than is accepted here."),
}
_FOREIGN_HOST = (
    "Nothing is served under the host name of this request. Call the platform by its public "
    "address, the one of PUBLIC_BASE_URL."
)


def present_error(error: AppError) -> dict[str, object]:
    """The public shape of a refusal."""
    return {
        "code": error.code,
        "message": error.message,
        "detail": dict(error.detail),
        "request_id": g.get("request_id", ""),
    }


def init_answers(app: Flask, render_page: PageRenderer) -> None:
    """Give every request an id and every error its shape; pages get theirs from `render_page`."""

    def answer(error: AppError) -> Response:
        response = render_page(error) or jsonify(present_error(error))
        response.status_code = error.status
        if error.retry_after_seconds is not None:
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        return response

    def framework_refusal(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:
            return Response(status=status, headers=error.get_headers())
        if status == NotFound.status:
            return answer(NotFound("There is nothing here. Check the address."))
        code, message = _FRAMEWORK_REFUSALS.get(
            status, ("refused", "The request was refused as it stands.")
        )
        refused = answer(_OtherHttpError(status if status < 500 else 400, code, message))
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            refused.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return refused

    def foreign_host(_error: SecurityError) -> Response:
        # A page links to other pages, and under a host that is not ours no link can be built.
        refused = jsonify(present_error(InvalidPayload(_FOREIGN_HOST)))
        refused.status_code = 400
        return refused

    def database_trouble(error: Exception) -> Response:
        log.error("database is not answering", error=type(error).__name__, exc_info=error)
        return answer(
            Unavailable("The database is busy. Nothing was lost; try again.", retry_after_seconds=2)
        )

    def fault(error: Exception) -> Response:
        # The rule and not the path: an address may hold a token that opens something.
        rule = str(request.url_rule) if request.url_rule else ""
        log.error("unexpected error", method=request.method, rule=rule, exc_info=error)
        return answer(
            AppError("Something failed on our side. Tell us the request_id and we will find it.")
        )

    app.before_request(_begin_request)
    app.before_request(_take_unannounced_body)
    app.after_request(_finish_request)
    app.register_error_handler(AppError, answer)
    app.register_error_handler(HTTPException, framework_refusal)
    app.register_error_handler(SecurityError, foreign_host)
    app.register_error_handler(UnicodeError, lambda _error: answer(_unreadable()))
    app.register_error_handler(OperationalError, database_trouble)
    app.register_error_handler(PoolTimeout, database_trouble)
    app.register_error_handler(Exception, fault)


def _unreadable() -> AppError:
    return InvalidPayload("The request holds text that is not UTF-8.")


def _begin_request() -> None:
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else new_id("req")
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _take_unannounced_body() -> None:
    """Read a body that came in chunks, so that its size and its form are known before it is used.

    What is cut off at the limit must not pass for the whole, and a broken chunk is the sender's
    fault, not ours.
    """
    if "HTTP_TRANSFER_ENCODING" not in request.environ:
        return
    try:
        body = request.get_data(cache=True)
    except HTTPException:
        raise
    except Exception as error:  # each server has its own for chunks it cannot read
        raise BadRequest from error
    if request.max_content_length is not None and len(body) >= request.max_content_length:
        raise RequestEntityTooLarge


def _finish_request(response: Response) -> Response:
    response.headers["Request-ID"] = g.get("request_id", "")
    return response
