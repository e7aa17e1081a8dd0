"""The database: one session, one base class, one way to write.

Reading needs no ceremony. Writing happens only inside `transaction()`, which on SQLite begins
IMMEDIATE, so that two writers queue instead of failing half way. Nothing slow belongs inside it: no
network, no hashing, no rendering. SQLite, PostgreSQL and MariaDB or MySQL get the same schema and
the same meaning. An INSERT that may meet a row which is there already is in `config.inserts`.

On PostgreSQL a journey to the server costs more than a statement. There the first prepared one
takes BEGIN along, and those that nobody waits for travel with COMMIT (`config.sending`).
"""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import Connection, CursorResult, Dialect, Engine, Enum, MetaData, event, make_url
from sqlalchemy.orm import (
    DeclarativeBase,
    ORMExecuteState,
    Session,
    scoped_session,
)
from sqlalchemy.sql.dml import UpdateBase

from config.by_key import by_key
from config.columns import MYSQL, UtcDateTime, big_integer
from config.columns import identifier as identifier
from config.columns import long_text as long_text
from config.pipeline import Outcome
from config.prepared import Prepared
from config.sending import Transaction, send

POOL_SIZE = 16  # at least the threads of one process; a held connection is a waiting request
POOL_WAIT_SECONDS = 5
BUSY_TIMEOUT_MS = 10_000
STALE_CONNECTION_SECONDS = 1_800
MYSQL_LONGEST_TEXT = 16 * 1024 * 1024  # of rows put together; by itself it may cut after 1024
MIGRATIONS = Path(__file__).parent / "migrations"

_watchers: list[Callable[[Prepared, Mapping[str, Any]], None]] = []


class Base(DeclarativeBase):
    """Every table's parent: names of constraints and types are the same everywhere."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_N_label)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a class attribute
        datetime: UtcDateTime(),
        int: big_integer,
        enum.Enum: Enum(enum.Enum, native_enum=False, length=32, create_constraint=False),
    }


class WriteOutsideTransaction(RuntimeError):
    """Somebody wrote without `transaction()`: a defect of ours, never of the input."""


_writing: ContextVar[Transaction | None] = ContextVar("writing", default=None)


class _Session(FlaskSession):
    """Inside `transaction()` the session works on the transaction's own connection."""

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:
        writing = _writing.get()
        return super().get_bind(*args, **kwargs) if writing is None else writing.connection()


db = SQLAlchemy(
    metadata=Base.metadata, session_options={"class_": _Session, "expire_on_commit": False}
)


@contextmanager
def transaction() -> Iterator[scoped_session[FlaskSession]]:
    """Write inside this block: it commits at the end and rolls back on any error."""
    release()
    writing = Transaction(db.engine)
    token = _writing.set(writing)
    try:
        yield db.session
        has_session = db.session.registry.has()
        if has_session:
            db.session.flush()
        writing.commit()
        if has_session and db.session().in_transaction():
            db.session.commit()
    except BaseException:
        if db.session.registry.has():
            db.session.rollback()
        writing.rollback()
        raise
    finally:
        _writing.reset(token)
        writing.close()


def release() -> None:
    """Give the connection back after reading, for instance before a call over the network."""
    if _writing.get():
        raise RuntimeError("A transaction is open; finish it before waiting or opening another.")
    if not db.session.registry.has():
        return
    session = db.session()
    if session.new or session.dirty or session.deleted:
        raise WriteOutsideTransaction("Rows were changed outside transaction().")
    if session.in_transaction():
        session.commit()


def changed_rows(statement: UpdateBase) -> int:
    """Run one UPDATE or DELETE and answer how many rows it met."""
    options = {"synchronize_session": False}
    here = by_key(statement, dialect_here())
    result = db.session.execute(here, execution_options=options)
    return cast("CursorResult[Any]", result).rowcount


def watch_prepared(watch: Callable[[Prepared, Mapping[str, Any]], None]) -> None:
    """Have every prepared statement looked at before it runs; a higher floor refuses by raising."""
    _watchers.append(watch)


def run(prepared: Prepared, values: Mapping[str, Any]) -> Outcome:
    """Run a prepared statement that writes, inside `transaction()`."""
    _watch(prepared, values)
    return _open_transaction().run(prepared, values)


def run_later(prepared: Prepared, values: Mapping[str, Any]) -> None:
    """Run one whose outcome nobody needs: at the latest with COMMIT, which fails if it does."""
    _watch(prepared, values)
    _open_transaction().run_later(prepared, values)


def read(prepared: Prepared, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows a prepared statement finds, each by its columns' names.

    Outside `transaction()` it reads on a connection of its own, which it gives back at once.
    """
    if _writing.get():
        return [prepared.facts(row) for row in run(prepared, values).rows]
    _watch(prepared, values)
    found = send(db.engine, prepared.sql, prepared.bound(values))
    return [prepared.facts(row) for row in found.rows]


def _open_transaction() -> Transaction:
    writing = _writing.get()
    if writing is None:
        raise WriteOutsideTransaction("Write inside transaction().")
    return writing


def _watch(prepared: Prepared, values: Mapping[str, Any]) -> None:
    for watch in _watchers:
        watch(prepared, values)


def dialect_here() -> Dialect:
    """The dialect of the current application's database."""
    writing = _writing.get()
    return db.engine.dialect if writing is None else writing.dialect


def engine_options(url: str) -> dict[str, Any]:
    """How connections to this database are made and kept."""
    backend = make_url(url).get_backend_name()
    options: dict[str, Any] = {
        "pool_size": POOL_SIZE,
        "max_overflow": 0,
        "pool_timeout": POOL_WAIT_SECONDS,
        # The one given back last: what the database's process keeps at hand for it is still warm.
        "pool_use_lifo": True,
        "pool_recycle": STALE_CONNECTION_SECONDS,
        "hide_parameters": True,  # errors are logged, and payers' data is no part of a log
    }
    if backend in MYSQL:
        options["isolation_level"] = "READ COMMITTED"
        options["connect_args"] = {
            "charset": "utf8mb4",
            "init_command": f"SET time_zone='+00:00', group_concat_max_len={MYSQL_LONGEST_TEXT}",
        }
    if backend == "postgresql":
        # `config.pipeline` prepares what is worth it. The driver's own way forgets everything that
        # was ever prepared at each ROLLBACK, ours as well.
        options["connect_args"] = {"prepare_threshold": None}
    if backend == "sqlite":
        options["connect_args"] = {"timeout": BUSY_TIMEOUT_MS / 1000}
    return options


def init_database(app: Flask, url: str) -> None:
    """Bind the session of this application to its database."""
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(url)
    db.init_app(app)


def init_migrations(app: Flask) -> None:
    """Let `flask db upgrade` find the migrations and the models they lead to."""
    Migrate(app, db, directory=str(MIGRATIONS), render_as_batch=True, compare_type=True)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    if not isinstance(connection, sqlite3.Connection):
        return
    connection.isolation_level = None  # we say BEGIN ourselves, in `_begin`
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Any) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writing.get() else "BEGIN")


def _refuse_stray_write(state: ORMExecuteState) -> None:
    if not _writing.get() and (state.is_insert or state.is_update or state.is_delete):
        raise WriteOutsideTransaction("Write inside transaction().")


def _refuse_stray_flush(session: Session, *_: object) -> None:
    if not _writing.get():
        raise WriteOutsideTransaction("Write inside transaction().")


event.listen(Engine, "connect", _prepare_sqlite)
event.listen(Engine, "begin", _begin)
event.listen(db.session, "do_orm_execute", _refuse_stray_write)
event.listen(db.session, "before_flush", _refuse_stray_flush)
