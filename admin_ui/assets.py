"""Style sheets, scripts and pictures, all our own; nothing comes from another host.

An address carries a digest of the file, so a browser may keep it for ever and still sees a change
at once. Text is sent compressed; each file is compressed once per process.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from flask import Blueprint, Response, request, url_for

from config.answers import public
from config.errors import NotFound

STATIC = Path(__file__).resolve().parent / "static"
_COMPRESSED = (".css", ".js", ".svg")
_KEEP = "public, max-age=31536000, immutable"

blueprint = Blueprint("assets", __name__)


@blueprint.get("/assets/<path:name>")
@public
def send(name: str) -> Response:
    """One file of ours."""
    if name not in _names():
        raise NotFound("There is no such file.")
    is_compressed = name.endswith(_COMPRESSED) and "gzip" in request.headers.get(
        "Accept-Encoding", ""
    )
    response = Response(_bytes(name, is_compressed), mimetype=mimetypes.guess_type(name)[0])
    if is_compressed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    is_exact = request.args.get("v") == digest(name)
    response.headers["Cache-Control"] = _KEEP if is_exact else "no-cache"
    return response


def asset(name: str) -> str:
    """The address of a file, for templates."""
    return url_for("assets.send", name=name, v=digest(name))


@cache
def digest(name: str) -> str:
    """A short digest of a file's content."""
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


@cache
def _names() -> frozenset[str]:
    files = (path for path in STATIC.rglob("*") if path.is_file())
    return frozenset(path.relative_to(STATIC).as_posix() for path in files)


@cache
def _bytes(name: str, is_compressed: bool) -> bytes:
    content = (STATIC / name).read_bytes()
    return gzip.compress(content, mtime=0) if is_compressed else content
