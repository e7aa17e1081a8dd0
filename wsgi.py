"""The composition root: the one file that knows every floor, and that none of them knows.

`create_app(settings)` wires the floors together and does no I/O. `app` is what servers and the
`flask` command load, and whatever loads it counts with the rest of the installation; an environment
that cannot start a process is reported whole, on standard error, and ends it.
"""

from __future__ import annotations

import sys

from flask import Flask
from requests.adapters import BaseAdapter
from werkzeug.middleware.proxy_fix import ProxyFix

import config.commands
import config.jobs
import partner.commands
import partner.jobs
import partner.operators.commands
import payments.commands
import payments.diagnosis.commands
import payments.jobs
import payments.reconciliation.commands
import payments.webhooks.commands
import submerchants.commands
import submerchants.staff.commands
from admin_ui import init_admin_ui, render_error_page
from config import metrics, vault
from config.answers import init_answers
from config.database import init_database, init_migrations
from config.health import init_health
from config.logs import configure_logs
from config.loops import init_loops
from config.payloads import MAX_BODY_BYTES
from config.rekeying import master_keys_problem
from config.scheduler import init_jobs
from config.settings import Settings, SettingsError
from config.tasks import init_tasks
from partner.gateway import init_gateway
from partner.openids import init_openids
from payments.api.openapi import init_api, new_openapi_app
from payments.checkout import init_checkout
from payments.demo import demo
from payments.notifications import endpoint as notifications
from submerchants.access import init_access

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def create_app(settings: Settings, *, upstream: BaseAdapter | None = None) -> Flask:
    """An application for these settings; `upstream` stands in for the network to WeChat Pay."""
    configure_logs()
    vault.unlock(settings.master_keys)
    app = new_openapi_app("wsgi")
    app.config.update(
        SECRET_KEY=settings.secret_key.reveal(),
        PUBLIC_BASE_URL=settings.public_base_url,
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        TRUSTED_HOSTS=[settings.public_host, *LOOPBACK_NAMES],
        SETTINGS=settings,
    )
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=0)  # type: ignore[method-assign]
    init_database(app, settings.database_url)
    init_migrations(app)
    init_answers(app, render_error_page)
    init_health(app, {"master_keys": master_keys_problem})
    app.register_blueprint(metrics.blueprint)
    init_gateway(app, settings, upstream)
    init_openids(app, settings, upstream)
    init_access(app)
    init_api(app, settings.redis_url)
    init_checkout(app, app.extensions["request_rate"])
    app.register_blueprint(notifications.blueprint)
    init_admin_ui(app, settings)
    init_jobs(app, [*config.jobs.jobs(), *partner.jobs.jobs(), *payments.jobs.jobs()])
    init_loops(app, payments.jobs.loops())
    init_tasks(app, settings.broker_url)
    for room in (
        config.commands,
        partner.commands,
        partner.operators.commands,
        submerchants.commands,
        submerchants.staff.commands,
        payments.commands,
        payments.diagnosis.commands,
        payments.reconciliation.commands,
        payments.webhooks.commands,
    ):
        room.register(app)
    app.cli.add_command(demo)
    return app


def __getattr__(name: str) -> Flask:
    """`app` is made when a server or the `flask` command asks for it, not by every import."""
    if name != "app":
        raise AttributeError(name)
    try:
        settings = Settings.from_environment()
        made = create_app(settings)
    except (SettingsError, vault.VaultError) as error:
        print("This process cannot start:", file=sys.stderr)  # noqa: T201
        for line in str(error).splitlines():
            print(f"  {line}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    metrics.count_together(settings.counts_folder)
    globals()["app"] = made
    return made
