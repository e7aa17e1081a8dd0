"""Whether this process lives (`/healthz`) and whether it should be sent work (`/readyz`).

Each floor registers what it needs to be ready: a name and a function that answers a problem in
words, or None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from flask import Blueprint, Flask, Response, current_app, jsonify
from sqlalchemy import literal, select
from sqlalchemy.exc import SQLAlchemyError

from config.answers import public
from config.database import db

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Check = Callable[[], "str | None"]

PROBED = frozenset({"/healthz", "/readyz", "/metrics"})

blueprint = Blueprint("health", __name__)


def init_health(app: Flask, checks: Mapping[str, Check]) -> None:
    """Serve both addresses; `checks` are the floors' own, beside the database's."""
    app.extensions["readiness"] = {"database": database_answers, **checks}
    app.register_blueprint(blueprint)
    app.wsgi_app = under_any_host(app.wsgi_app)  # type: ignore[method-assign, assignment]


def under_any_host(wsgi_app: WSGIApplication) -> WSGIApplication:
    """Let probes and scrapers call a machine by its own address, whatever the public host is.

    What they get builds no link, so it does not matter which name they used.
    """

    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") in PROBED:
            environ["HTTP_HOST"] = "localhost"
        return wsgi_app(environ, start_response)

    return call


def database_answers() -> str | None:
    """None when the database answers a trivial question."""
    try:
        db.session.execute(select(literal(1)))
        db.session.commit()
    except SQLAlchemyError as error:
        return f"the database does not answer ({type(error).__name__})"
    return None


@blueprint.get("/healthz")
@public
def healthz() -> Response:
    """The process runs; says nothing about what it depends on."""
    return jsonify({"status": "alive"})


@blueprint.get("/readyz")
@public
def readyz() -> tuple[Response, int]:
    """Every registered check, and 503 while one of them fails."""
    checks: Mapping[str, Check] = current_app.extensions["readiness"]
    problems = {name: problem for name, check in checks.items() if (problem := check())}
    report = {name: problems.get(name, "ok") for name in checks}
    status = "ready" if not problems else "not ready"
    return jsonify({"status": status, "checks": report}), 503 if problems else 200
