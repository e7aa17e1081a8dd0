"""The payer's page's own style, script and pictures; small enough for a phone on a slow line.

An address carries a digest of the file, so a browser may keep it for ever and still sees a change.
"""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from flask import Response, request, url_for

from config.errors import NotFound

STATIC = Path(__file__).with_name("static")
_KEEP = "public, max-age=31536000, immutable"


def file_response(name: str) -> Response:
    """One file of ours. Raises NotFound for whatever else."""
    if name not in _names():
        raise NotFound("There is no such file.")
    response = Response((STATIC / name).read_bytes(), mimetype=mimetypes.guess_type(name)[0])
    is_exact = request.args.get("v") == _digest(name)
    response.headers["Cache-Control"] = _KEEP if is_exact else "no-cache"
    return response


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in STATIC.iterdir() if path.is_file())


def address(name: str) -> str:
    """Where a file is, for templates."""
    return url_for("checkout.asset", name=name, v=_digest(name))


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
