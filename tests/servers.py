"""Database servers the tests may use: found, never started, and never shared between two runs.

Each run makes databases of its own under random names and drops them again, so a server that other
people work with is a good one too.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import redis
from sqlalchemy import URL, NullPool, create_engine, make_url, text
from sqlalchemy.exc import SQLAlchemyError

ENGINES = ("sqlite", "postgresql", "mysql")
CONNECT_SECONDS = 3

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Server:
    """Where one kind of server is looked for, and how somebody without one gets it."""

    name: str
    variable: str
    standard_urls: tuple[str, ...]
    how_to_start: str

    @property
    def missing(self) -> str:
        return f"No {self.name} answers. {self.how_to_start} Or name one in {self.variable}."


POSTGRESQL = Server(
    "PostgreSQL",
    "TEST_POSTGRES_URL",
    (
        "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
        "postgresql+psycopg://postgres:postgres@127.0.0.1:5432/postgres",
    ),
    "Start one: docker run -d -p 127.0.0.1:5432:5432 -e POSTGRES_HOST_AUTH_METHOD=trust postgres.",
)
MYSQL = Server(
    "MySQL or MariaDB",
    "TEST_MYSQL_URL",
    ("mysql+pymysql://root@127.0.0.1:3306/?charset=utf8mb4",),
    "Start one: docker run -d -p 127.0.0.1:3306:3306 -e MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1"
    " mariadb.",
)
REDIS = Server(
    "Redis",
    "TEST_REDIS_URL",
    ("redis://127.0.0.1:6379/0",),
    "Start one: docker run -d -p 127.0.0.1:6379:6379 redis.",
)


def is_ci() -> bool:
    """Whether a missing server or browser is a failure instead of a skip."""
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


@cache
def find_database_server(engine: str) -> URL | None:
    """The server of this engine that answers, or None."""
    server = POSTGRESQL if engine == "postgresql" else MYSQL
    return _first_that_answers(server, _database_answers, make_url)


@cache
def find_redis() -> str | None:
    """The Redis that answers, or None."""
    return _first_that_answers(REDIS, _redis_answers, str)


def _first_that_answers(
    server: Server, answers: Callable[[str], bool], build: Callable[[str], Found]
) -> Found | None:
    named = os.environ.get(server.variable)
    candidates = (named,) if named else server.standard_urls
    return next((build(url) for url in candidates if answers(url)), None)


def _database_answers(url: str) -> bool:
    engine = create_engine(
        url, poolclass=NullPool, connect_args={"connect_timeout": CONNECT_SECONDS}
    )
    try:
        with engine.connect():
            return True
    except SQLAlchemyError:
        return False


def _redis_answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECT_SECONDS) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


@dataclass(frozen=True, slots=True)
class ScratchDatabase:
    """One empty database of this run's own."""

    engine: str
    url: str

    def drop(self) -> None:
        """Remove it, connections and all."""
        if self.engine == "sqlite":
            return  # its folder goes with the run's temporary folder
        name = make_url(self.url).database
        force = " WITH (FORCE)" if self.engine == "postgresql" else ""
        _run_on_server(self.engine, f"DROP DATABASE {name}{force}")


def make_database(engine: str, folder: Path) -> ScratchDatabase | None:
    """A new empty database under a random name, or None when no server answers."""
    if engine == "sqlite":
        return ScratchDatabase(engine, f"sqlite:///{folder / f'{secrets.token_hex(6)}.sqlite'}")
    server = find_database_server(engine)
    if server is None:
        return None
    name = f"test_{secrets.token_hex(6)}"
    if engine == "mysql":
        _run_on_server(engine, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    else:
        _run_on_server(engine, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        _run_on_server(engine, f"ALTER DATABASE {name} SET synchronous_commit = off")
    return ScratchDatabase(engine, server.set(database=name).render_as_string(hide_password=False))


def _run_on_server(engine: str, statement: str) -> None:
    server = find_database_server(engine)
    if server is None:
        raise RuntimeError(f"The {engine} server that answered is gone.")
    connection_factory = create_engine(server, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with connection_factory.connect() as connection:
        connection.execute(text(statement))
