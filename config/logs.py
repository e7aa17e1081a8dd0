"""One JSON line per event on standard error, with the request's id and without secrets.

Redaction sits at the root: whatever a caller passes, a field whose name speaks of a secret and a
text that looks like one leave the process as stars. An object is judged by the text it would be
written as, an error with all it quotes included.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_STARS = "****"
_SECRET_NAME = re.compile(
    r"(secret|password|private_key|api_v3_key|authorization|cookie|api_key|master_key|totp"
    r"|auth_code|token|openid|account|real_name)",
    re.I,
)
_SECRET_TEXT = re.compile(
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|\bwhsec_[A-Za-z0-9+/=]+|\bsk_[0-9a-z]+_[A-Za-z0-9_-]+|\b(Bearer|Basic)\s+\S+"
    r"|(?<=signature=\")[^\"]+"
    r"|otpauth://\S+"
    r"|(?<=://)[^/@\s]*:[^/@\s]+(?=@)"  # a URL's user and password
    r"|(?<=/)[0-9a-z]{32}(?![0-9A-Za-z_-])"  # a part of an address that opens it for anybody
    r"|(?<=secret=)[^&\s\"']+|(?<=token=)[^&\s\"']+|(?<=[?&]code=)[^&\s\"']+)",
    re.DOTALL,
)

_Event = MutableMapping[str, Any]


def redacted(value: object, name: str = "") -> object:
    """The value as it may be written down."""
    if name and _SECRET_NAME.search(name) and not isinstance(value, bool | int):
        return _STARS
    if isinstance(value, str):
        # Each of those forms holds a blank or a sign, and most of what is written down does not.
        return value if value.isalnum() else _SECRET_TEXT.sub(_STARS, value)
    if isinstance(value, dict):
        return {key: redacted(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return _SECRET_TEXT.sub(_STARS, text)


def _redact(_logger: object, _method: str, event: _Event) -> _Event:
    # What begins with an underscore is structlog's own and is taken out before the line is written.
    return {
        name: value if name.startswith("_") else redacted(value, name)
        for name, value in event.items()
    }


def configure_logs(level: int = logging.INFO) -> None:
    """Send our events and the libraries' through the same root."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in ("apscheduler", "alembic", "werkzeug", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def get_logger(room: str) -> structlog.stdlib.BoundLogger:
    """The logger of a room; `room` is its module name."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(room=room)
    return logger
