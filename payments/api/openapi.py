"""The tenant API's document, the page that shows it, and the application that carries both.

flask-openapi writes the document from the routes and their models; what every route has in common
is added here, once. The page needs nothing from outside, holds no script inline, and shows a
copy of the document in its reader's language.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, render_template, send_file
from flask_openapi.models.info import Info
from flask_openapi.models.security_scheme import SecurityScheme
from flask_openapi.openapi import OpenAPI
from pydantic import ValidationError

from config.answers import public
from config.errors import NotFound
from config.i18n import LANGUAGE_PATH, chosen_language, language_tag
from config.payloads import StrictJSONProvider, invalid_fields
from payments.api import (
    bills,
    checkout_links,
    doctor,
    events,
    orders,
    payment_directories,
    qr_codes,
    reconciliations,
    refunds,
    webhook_endpoints,
)
from payments.api.answers import Error
from payments.api.binding import KEY_HEADER, REPLAY_HEADER
from payments.api.describe import API_PREFIX, IDEMPOTENCY_KEY, REFUSALS, SECURITY_SCHEME
from payments.api.limits import READS_A_MINUTE, WRITES_A_MINUTE, init_limits
from payments.api.words import in_readers_language, readers_labels, worded

OPENAPI_VERSION = "3.1.0"
DOCUMENT_PATH = f"{API_PREFIX}/openapi.json"
ASSET_SECONDS = 3_600

ROOMS = (
    orders,
    qr_codes,
    checkout_links,
    refunds,
    bills,
    reconciliations,
    payment_directories,
    doctor,
    webhook_endpoints,
    events,
)

_OURS = Path(__file__).parent / "static"
_SWAGGER = Path(str(files("flask_openapi_swagger"))) / "templates" / "swagger"
_ASSETS = {
    "docs.css": _OURS / "docs.css",
    "docs.js": _OURS / "docs.js",
    "swagger-ui.css": _SWAGGER / "css" / "swagger-ui.css",
    "swagger-ui-bundle.js": _SWAGGER / "js" / "swagger-ui-bundle.js",
}

_HEADERS: dict[str, dict[str, Any]] = {
    "Request-ID": {
        "description": "Names this request in our logs; quote it when you ask about it.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the same request again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate.",
        "schema": {"type": "string"},
    },
    REPLAY_HEADER: {
        "description": "`true` when an earlier request under the same key earned this answer.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
_HEADERS_BY_STATUS = {
    "401": ("WWW-Authenticate",),
    "409": ("Retry-After",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}

pages = Blueprint("api_documents", __name__, template_folder="templates")


class Platform(OpenAPI):
    """The application. No view or hook of it is a coroutine, so Flask need not look each time."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def new_openapi_app(name: str) -> OpenAPI:
    """An application that reads JSON strictly and collects what its routes say of themselves."""
    app = Platform(
        name,
        info=Info(
            title="Partner platform: the sub-merchant's API",
            version="1.0.0",
            summary="Take WeChat Pay payments through your service provider.",
            description=_introduction(),
        ),
        security_schemes={
            SECURITY_SCHEME: SecurityScheme(
                type="http", scheme="bearer", description="An API key: `Bearer sk_…`."
            )
        },
        doc_ui=False,
        validation_error_status=400,
        validation_error_model=Error,
        validation_error_callback=_unread,
        static_folder=None,
    )
    app.openapi_version = OPENAPI_VERSION
    app.json = StrictJSONProvider(app)
    return app


def init_api(app: OpenAPI, redis_url: str | None = None) -> None:
    """Register every route of the tenant API, its document and its page."""
    init_limits(app, redis_url)
    for room in ROOMS:
        app.register_api(room.blueprint)
    app.register_blueprint(pages)


@pages.get(DOCUMENT_PATH)
@public
def document() -> Response:
    """The API's description, in OpenAPI 3.1."""
    return _kept_json("openapi_document", api_document)


@pages.get("/api/docs")
@public
def docs() -> str:
    """The description as people read it."""
    return render_template(
        "api_docs.html",
        tag=language_tag(),
        language_path=LANGUAGE_PATH,
        document_path=DOCUMENT_PATH,
        refusals=REFUSALS,
        in_readers_language=in_readers_language,
        readers_labels=readers_labels(),
        writes_a_minute=WRITES_A_MINUTE,
        reads_a_minute=READS_A_MINUTE,
    )


@pages.get("/api/docs/openapi.json")
@public
def worded_document() -> Response:
    """The description for the page: the same calls, in the language its reader chose."""
    return _kept_json(
        f"openapi_document_{chosen_language()}", lambda app: worded(api_document(app))
    )


@pages.get("/api/docs/<name>")
@public
def docs_asset(name: str) -> Response:
    """A style or script of the page; only the listed ones."""
    if name not in _ASSETS:
        raise NotFound("There is nothing here. Check the address.")
    return send_file(_ASSETS[name], max_age=ASSET_SECONDS)


def _kept_json(name: str, make: Callable[[Flask], dict[str, Any]]) -> Response:
    """What is made once for this process, since nothing of it changes while it runs."""
    kept = current_app.extensions.get(name)
    if kept is None:
        kept = json.dumps(make(current_app), ensure_ascii=False).encode()
        current_app.extensions[name] = kept
    return Response(kept, mimetype="application/json")


def api_document(app: Flask) -> dict[str, Any]:
    """The whole document of this application."""
    if not isinstance(app, OpenAPI):
        raise TypeError("Only an application of `new_openapi_app` describes itself.")
    described: dict[str, Any] = json.loads(json.dumps(app.api_doc))
    described["components"]["headers"] = _HEADERS
    taking_a_key = {
        view.__name__ for view in app.view_functions.values() if getattr(view, "takes_key", False)
    }
    for operation in _operations(described):
        if operation["operationId"] in taking_a_key:
            operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
        operation["description"] = operation.get("description", "").replace("<br/>", "\n").strip()
        _refine(operation)
    for part in ("paths", "components"):
        described[part] = _tidied(described[part])
    return described


def _operations(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in described["paths"].values():
        for method, operation in path.items():
            if method in ("get", "post", "put", "patch", "delete"):
                yield operation


def _refine(operation: dict[str, Any]) -> None:
    parameters = operation.get("parameters", [])
    for parameter in parameters:
        parameter["schema"] = _never_null(parameter["schema"])
    has_key = any(parameter["name"] == KEY_HEADER for parameter in parameters)
    for status, response in operation["responses"].items():
        names = ["Request-ID", *_HEADERS_BY_STATUS.get(status, ())]
        if has_key and status.startswith("2"):
            names.append(REPLAY_HEADER)
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _never_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not; there is no way to write null in an address."""
    kinds = [kind for kind in schema.pop("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) > 1:
        return {**schema, "anyOf": kinds}
    return {**schema, **kinds[0]} if kinds else schema


def _tidied(part: Any) -> Any:
    """Without titles made of field names, which hide the names, and with whole numbers whole."""
    if isinstance(part, list):
        return [_tidied(each) for each in part]
    if isinstance(part, float) and part.is_integer():
        return int(part)
    if not isinstance(part, dict):
        return part
    is_schema = isinstance(part.get("title"), str) and "version" not in part
    return {
        name: _tidied(each) for name, each in part.items() if not (is_schema and name == "title")
    }


def _introduction() -> str:
    return (
        "Money is integer fen in fields ending in `_fen`; times are RFC 3339 in UTC. Fields that "
        "are not described are refused. A list takes `limit` (at most 100) and `cursor`, and "
        "answers `next_cursor`, which is null on the last page. A refusal has a stable `code`, a "
        "`message` for people, a `detail` and the `request_id`."
    )


def _unread(error: ValidationError) -> Response:
    raise invalid_fields(error) from error
