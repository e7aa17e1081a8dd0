"""What every test stands on: real databases, the real application, WeChat Pay's side in a process.

A test that uses `app` runs once on each database that answers. Each worker keeps one database per
engine, brings it up by the real migrations once, and empties it after every test. The simulator
stands behind the client's transport, and its notifications come back into the application, both
without a socket; nothing of ours is replaced.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine

from config.database import Base
from config.settings import Settings
from tests.servers import ENGINES, MYSQL, POSTGRESQL, ScratchDatabase, is_ci, make_database

PLATFORM_URL = "https://pay.example.test"
WECHATPAY_URL = "http://wechatpay.localhost"
WECHATPAY_FALLBACK_URL = "http://wechatpay-backup.localhost"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whatever touches a database runs on all of them, unless it says that it looks at one."""
    if "database_engine" in metafunc.fixturenames:
        only_sqlite = metafunc.definition.get_closest_marker("sqlite_only")
        metafunc.parametrize("database_engine", ENGINES[:1] if only_sqlite else ENGINES)


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
    }


@pytest.fixture
def settings(variables: dict[str, str], database_url: str) -> Settings:
    return Settings.from_values({**variables, "DATABASE_URL": database_url})


def empty(url: str) -> None:
    """Delete every row, children first, in one transaction."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
