"""The database: one session, one base class, one way to write.

Reading needs no ceremony. Writing happens only inside `transaction()`, which on SQLite begins
IMMEDIATE, so that two writers queue instead of failing half way. Nothing slow belongs inside it: no
network, no hashing, no rendering. SQLite, PostgreSQL and MariaDB or MySQL get the same schema and
the same meaning.
"""

from __future__ import annotations

import enum
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from flask import Flask
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    CursorResult,
    DateTime,
    Dialect,
    Engine,
    Enum,
    Insert,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    event,
    insert,
    make_url,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.sql.dml import UpdateBase

from config.prepared import Prepared

POOL_SIZE = 16  # at least the threads of one process; a held connection is a waiting request
POOL_WAIT_SECONDS = 5
BUSY_TIMEOUT_MS = 10_000
STALE_CONNECTION_SECONDS = 1_800
MIGRATIONS = Path(__file__).parent / "migrations"
MYSQL = ("mysql", "mariadb")
_MYSQL_DUPLICATE_KEY = 1062

_writing: ContextVar[Session | None] = ContextVar("writing", default=None)  # the open transaction
_watchers: list[Callable[[Prepared, Mapping[str, Any]], None]] = []


class UtcDateTime(TypeDecorator[datetime]):
    """A moment: aware in, aware UTC out, to the microsecond on every database."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        if dialect.name in MYSQL:
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A moment without its zone cannot be stored.")
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def identifier(length: int) -> String:
    """Text that is compared byte by byte everywhere: `abc` is never `ABC`."""
    binary = String(length, collation="utf8mb4_bin")
    return String(length).with_variant(binary, "mysql", "mariadb")


def long_text() -> Text:
    """Text without a practical limit; plain TEXT ends at 64 KiB on MySQL."""
    return Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")


big_integer = BigInteger().with_variant(Integer, "sqlite")


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


Row = TypeVar("Row", bound=Base)

db = SQLAlchemy(metadata=Base.metadata, session_options={"expire_on_commit": False})


class WriteOutsideTransaction(RuntimeError):
    """Somebody wrote without `transaction()`: a defect of ours, never of the input."""


@contextmanager
def transaction() -> Iterator[Session]:
    """Write inside this block: it commits at the end and rolls back on any error."""
    session = db.session()
    if _writing.get():
        raise RuntimeError("A transaction is already open; use cases do not nest them.")
    release()
    token = _writing.set(session)
    try:
        yield session
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        _writing.reset(token)


def release() -> None:
    """Give the connection back after reading, for instance before a call over the network."""
    session = db.session()
    if _writing.get():
        raise RuntimeError("A transaction is open; finish it before waiting for anybody.")
    if session.new or session.dirty or session.deleted:
        raise WriteOutsideTransaction("Rows were changed outside transaction().")
    if session.in_transaction():
        session.commit()


def changed_rows(statement: UpdateBase) -> int:
    """Run one UPDATE or DELETE and answer how many rows it met."""
    options = {"synchronize_session": False}
    result = db.session.execute(statement, execution_options=options)
    return cast("CursorResult[Any]", result).rowcount


def insert_new(table: type[Base], values: Mapping[str, Any], *, unique: tuple[str, ...]) -> bool:
    """Insert unless a row with the same unique columns stands there; answer whether it was new.

    One statement on every database; the unique constraint decides, never a look beforehand.
    """
    dialect = dialect_here()
    target = cast("Table", table.__table__)
    try:
        inserted = run(_prepared_insert(target, dialect, unique, tuple(values)), values)
    except IntegrityError as error:
        # A failed statement leaves a MySQL transaction as it was, so no savepoint is needed.
        duplicate = error.orig is not None and error.orig.args[0] == _MYSQL_DUPLICATE_KEY
        if dialect.name not in MYSQL or not duplicate:
            raise
        return False
    return inserted.rowcount == 1


@cache
def _prepared_insert(
    target: Table, dialect: Dialect, unique: tuple[str, ...], given: tuple[str, ...]
) -> Prepared:
    return Prepared(_insert_new(target, dialect.name, unique).inline(), dialect, given=given)


def watch_prepared(watch: Callable[[Prepared, Mapping[str, Any]], None]) -> None:
    """Have every prepared statement looked at before it runs; a higher floor refuses by raising."""
    _watchers.append(watch)


def run(prepared: Prepared, values: Mapping[str, Any]) -> CursorResult[Any]:
    """Run a prepared statement that writes, inside `transaction()`."""
    session = _writing.get()
    if session is None:
        raise WriteOutsideTransaction("Write inside transaction().")
    _watch(prepared, values)
    return session.connection().exec_driver_sql(prepared.sql, prepared.bound(values))


def read(prepared: Prepared, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows a prepared statement finds, each by its columns' names.

    Outside `transaction()` it reads on a connection of its own, which it gives back at once.
    """
    if _writing.get():
        return [prepared.facts(row) for row in run(prepared, values)]
    _watch(prepared, values)
    with _reading(db.engine).connect() as connection:
        found = connection.exec_driver_sql(prepared.sql, prepared.bound(values))
        return [prepared.facts(row) for row in found]


def _watch(prepared: Prepared, values: Mapping[str, Any]) -> None:
    for watch in _watchers:
        watch(prepared, values)


@cache
def _reading(engine: Engine) -> Engine:
    # One SELECT needs no transaction around it. Only on PostgreSQL does leaving it out save
    # anything: there BEGIN and COMMIT are journeys of their own.
    if engine.dialect.name != "postgresql":
        return engine
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def dialect_here() -> Dialect:
    """The dialect of the current application's database."""
    return db.engine.dialect


def ensure_row(table: type[Base], values: Mapping[str, Any], *, unique: tuple[str, ...]) -> None:
    """Insert unless the row stands there already, when an UPDATE of it follows.

    `insert_new` is not for that: on MySQL an INSERT that meets a duplicate keeps a shared lock, and
    two callers who then update the row wait for each other until one is thrown out.
    """
    dialect = db.session.get_bind().dialect.name
    db.session.execute(_ensure_row(cast("Table", table.__table__), dialect, unique), values)


@cache
def _ensure_row(target: Table, dialect: str, unique: tuple[str, ...]) -> Insert:
    if dialect in MYSQL:
        same = {unique[0]: target.c[unique[0]]}
        return mysql.insert(target).on_duplicate_key_update(same)
    return _insert_new(target, dialect, unique)


@cache
def _insert_new(target: Table, dialect: str, unique: tuple[str, ...]) -> Insert:
    # Kept, because building a statement costs more than running it.
    if dialect in MYSQL:
        return insert(target)
    build = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return build(target).on_conflict_do_nothing(index_elements=unique)


def as_stored(row: Row) -> Row:
    """The session's own copy of a row that was inserted with exactly these values, not read back.

    Columns that were not given stand at NULL.
    """
    for column in type(row).__table__.columns:
        if column.key not in row.__dict__:
            setattr(row, column.key, None)
    make_transient_to_detached(row)
    db.session.add(row)
    return row


def note_stored(row: Base, values: Mapping[str, Any]) -> None:
    """Tell a loaded row what an UPDATE has just written, without reading it back."""
    for name, value in values.items():
        set_committed_value(row, name, value)


def can_return_updated() -> bool:
    """Whether UPDATE … RETURNING exists here; MySQL and MariaDB do not have it."""
    return bool(dialect_here().update_returning)


def engine_options(url: str) -> dict[str, Any]:
    """How connections to this database are made and kept."""
    backend = make_url(url).get_backend_name()
    options: dict[str, Any] = {
        "pool_size": POOL_SIZE,
        "max_overflow": 0,
        "pool_timeout": POOL_WAIT_SECONDS,
        "pool_recycle": STALE_CONNECTION_SECONDS,
        "hide_parameters": True,  # errors are logged, and payers' data is no part of a log
    }
    if backend in MYSQL:
        options["isolation_level"] = "READ COMMITTED"
        options["connect_args"] = {"charset": "utf8mb4", "init_command": "SET time_zone='+00:00'"}
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
