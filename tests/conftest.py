"""What every test stands on: real databases, the real application, WeChat Pay's side in a process.

A test that uses `app` runs once on each database that answers. Each worker keeps one database and
one application per engine: brought up by the real migrations once, emptied after every test. The
simulator stands behind the client's transport, and its notifications come back into the
application, both without a socket; nothing of ours is replaced.
"""

from __future__ import annotations

import asyncio
import base64
import contextvars
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask_migrate
import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import delete
from werkzeug.serving import make_server

import wsgi
from config import vault
from config.database import Base, db
from config.settings import Settings
from partner.gateway import init_gateway
from partner.models import Partner
from partner.simulator.adapter import WsgiAdapter
from partner.simulator.simulator import Simulator
from submerchants.tenants.models import SubMerchant
from tests.browser import LAUNCH_ARGUMENTS, MISSING, find_browser
from tests.factories.partner import make_partner_of
from tests.factories.submerchants import make_sub_merchant
from tests.servers import ENGINES, MYSQL, POSTGRESQL, ScratchDatabase, is_ci, make_database

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PLATFORM_URL = "https://pay.example.test"
WECHATPAY_URL = "http://wechatpay.localhost"
WECHATPAY_FALLBACK_URL = "http://wechatpay-backup.localhost"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whatever touches a database runs on all of them, unless it says that it looks at one."""
    if "database_engine" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker
        only = [engine for engine in ENGINES if marked(f"{engine}_only")]
        metafunc.parametrize("database_engine", only or ENGINES)


def missing(what: str) -> None:
    """Skip for want of a server or browser; with CI=true that is a failure."""
    if is_ci():
        pytest.fail(what)
    pytest.skip(what)


class Databases:
    """One scratch database per engine for this worker, made on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, ScratchDatabase | None] = {}

    def get(self, engine: str) -> ScratchDatabase | None:
        if engine not in self._made:
            self._made[engine] = make_database(engine, self._folder)
        return self._made[engine]

    def drop(self) -> None:
        for database in self._made.values():
            if database is not None:
                database.drop()


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    made = Databases(tmp_path_factory.mktemp("databases"))
    yield made
    made.drop()


@pytest.fixture
def database_url(database_engine: str, databases: Databases) -> str:
    """The URL of this worker's database on one engine."""
    database = databases.get(database_engine)
    if database is None:
        missing((POSTGRESQL if database_engine == "postgresql" else MYSQL).missing)
        raise AssertionError
    return database.url


@pytest.fixture(scope="session")
def variables() -> dict[str, str]:
    """Settings as they would stand in the environment, but for DATABASE_URL."""
    return {
        "MASTER_KEYS": f"test:{base64.b64encode(os.urandom(32)).decode()}",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_BASE_URL": PLATFORM_URL,
        "WECHATPAY_BASE_URL": WECHATPAY_URL,
        "WECHATPAY_FALLBACK_BASE_URL": WECHATPAY_FALLBACK_URL,
        "WEIXIN_OPEN_BASE_URL": WECHATPAY_URL,
        "WEIXIN_API_BASE_URL": WECHATPAY_URL,
    }


@pytest.fixture
def settings(variables: dict[str, str], database_url: str) -> Settings:
    return Settings.from_values({**variables, "DATABASE_URL": database_url})


class Exchange:
    """A WSGI application that passes every call on to whichever one is connected just now.

    A call runs in a context of its own, as it would in another process: neither the tenant a test
    acts for nor its application context leaks into it.
    """

    def __init__(self) -> None:
        self.connected: WSGIApplication | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self.connected is None:
            raise requests.ConnectionError("The test did not ask for `simulator`.")
        return contextvars.Context().run(self.connected, environ, start_response)


class PlatformClient(FlaskClient):
    """A client that comes to the public address, each request in a context of its own."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("base_url", PLATFORM_URL)
        kwargs.setdefault("buffered", True)  # a streamed answer is read where it was asked for
        return contextvars.Context().run(super().open, *args, **kwargs)


class Applications:
    """One application per engine for this worker, made and migrated on first use."""

    def __init__(self, wechatpay: Exchange) -> None:
        self._upstream = WsgiAdapter(wechatpay)
        self._made: dict[str, Flask] = {}

    def get(self, settings: Settings) -> Flask:
        """The application for these settings, as if its process had just begun."""
        url = settings.database_url
        if url not in self._made:
            app = wsgi.create_app(settings, upstream=self._upstream)
            app.test_client_class = PlatformClient
            with app.app_context():
                flask_migrate.upgrade()
            self._made[url] = app
        vault.unlock(settings.master_keys)
        init_gateway(self._made[url], settings, self._upstream)
        return self._made[url]

    def dispose(self) -> None:
        for app in self._made.values():
            with app.app_context():
                db.engine.dispose()


@pytest.fixture(scope="session")
def wechatpay_exchange() -> Exchange:
    return Exchange()


@pytest.fixture(scope="session")
def applications(databases: Databases, wechatpay_exchange: Exchange) -> Iterator[Applications]:
    made = Applications(wechatpay_exchange)
    yield made
    made.dispose()


@pytest.fixture
def app(applications: Applications, settings: Settings) -> Iterator[Flask]:
    """The real application on an empty, migrated database, with its context pushed."""
    app = applications.get(settings)
    with app.app_context():
        yield app
        db.session.remove()
        empty_database()


def empty_database() -> None:
    """Delete every row of the current application's database, children first, in one go."""
    with db.engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def simulator_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """WeChat Pay's and the provider's keys, made once for this worker."""
    return tmp_path_factory.mktemp("simulator")


@pytest.fixture
def simulator(
    app: Flask, wechatpay_exchange: Exchange, simulator_home: Path
) -> Iterator[Simulator]:
    """WeChat Pay's side, with an empty ledger. `notifier.deliver_due()` sends what is due."""
    back = Exchange()
    back.connected = app
    session = requests.Session()
    session.trust_env = False
    session.mount(PLATFORM_URL, WsgiAdapter(back))
    made = Simulator(
        simulator_home, base_url=WECHATPAY_URL, persistent=False, deliver_session=session
    )
    wechatpay_exchange.connected = made.app
    yield made
    wechatpay_exchange.connected = None
    made.close()


@pytest.fixture
def partner(app: Flask, simulator: Simulator) -> Partner:
    """The provider the simulator knows, with its real keys."""
    return make_partner_of(simulator)


@pytest.fixture
def sub_merchant(partner: Partner, simulator: Simulator) -> SubMerchant:
    """The first sub-merchant of that provider, with the appid the simulator knows."""
    first = simulator.facts["sub_merchants"][0]
    return make_sub_merchant(partner=partner, **first)


@pytest.fixture
def other_sub_merchant(partner: Partner, simulator: Simulator) -> SubMerchant:
    """The second one: whatever is asked of it must not show up at the first."""
    second = simulator.facts["sub_merchants"][1]
    return make_sub_merchant(partner=partner, **second)


@pytest.fixture
def live_url(app: Flask) -> Iterator[str]:
    """Where a browser finds the application: a real server on a free loopback port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium of this machine."""
    path = find_browser()
    if path is None:
        missing(MISSING)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=list(LAUNCH_ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(autouse=True)
def browsers_loop_is_out_of_the_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let every other test of this worker run loops of its own.

    Playwright keeps its loop marked as running in this thread from the first browser test on.
    """
    if "browser" in request.fixturenames:
        yield
        return
    kept = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(kept)
