"""What every floor may refuse, and the shape a refusal has outside.

An `AppError` is an answer, not an accident: it has a stable code, a status, a sentence that says
what to do next and a detail that names the field. Everything else that escapes is a fault of ours
and is answered without its text.
"""

from __future__ import annotations

from collections.abc import Mapping


class AppError(Exception):
    """A refusal that a caller can act on."""

    code: str = "internal_error"
    status: int = 500

    def __init__(
        self, message: str, *, retry_after_seconds: int | None = None, **detail: object
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail: Mapping[str, object] = detail
        self.retry_after_seconds = retry_after_seconds


class InvalidPayload(AppError):
    """The request cannot be read as what it claims to be."""

    code = "invalid_request"
    status = 400

    def __init__(self, message: str, *, fields: list[dict[str, str]] | None = None) -> None:
        super().__init__(message)
        if fields:
            # The first by itself too, as refusals about one field name theirs.
            self.detail = {"field": fields[0]["field"], "fields": fields}


class Unauthorized(AppError):
    """Nobody we know is asking."""

    code = "unauthorized"
    status = 401


class Forbidden(AppError):
    """The caller is known and may not do this."""

    code = "forbidden"
    status = 403


class NotFound(AppError):
    """Absent, or somebody else's: the answer is the same."""

    code = "not_found"
    status = 404


class Conflict(AppError):
    """Impossible beside what already stands."""

    code = "conflict"
    status = 409


class RefusedHere(AppError):
    """Well-formed, but a rule of the platform forbids it."""

    code = "refused"
    status = 422


class TooFast(AppError):
    """More requests than this caller may make."""

    code = "rate_limited"
    status = 429


class Unavailable(AppError):
    """Something we depend on does not answer just now."""

    code = "unavailable"
    status = 503
