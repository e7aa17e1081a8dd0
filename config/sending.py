"""How statements reach the database: on PostgreSQL several in one journey, elsewhere one by one.

`config.database` says what a transaction is and who may write; here is the connection it holds and
what of it is still to be sent. An error means the same either way: it is SQLAlchemy's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import psycopg
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import PoolProxiedConnection

from config.pipeline import BEGIN, COMMIT, Failed, Outcome, Pipeline
from config.prepared import Prepared, goes_in_pipeline

Statement = tuple[str, Any]  # SQL, and its values as the driver takes them


class Transaction:
    """An open transaction: its connection, taken when first needed, and what waits to be sent.

    Statements that travel together need the driver's connection and nothing of SQLAlchemy's, which
    costs as much as they do; it is wrapped around when somebody asks for it.
    """

    def __init__(self, engine: Engine) -> None:
        self.dialect = engine.dialect
        self._engine = engine
        self._together = goes_in_pipeline(engine.dialect)
        self._taken: PoolProxiedConnection | None = None
        self._connection: Connection | None = None
        self._waiting: list[Statement] = []

    def run(self, prepared: Prepared, values: Mapping[str, Any]) -> Outcome:
        """Run one statement, and before it those that wait."""
        self._waiting.append((prepared.sql, prepared.bound(values)))
        return self._send_waiting()[-1]

    def run_later(self, prepared: Prepared, values: Mapping[str, Any]) -> None:
        """Run one statement on the next journey, where statements travel together."""
        self._waiting.append((prepared.sql, prepared.bound(values)))
        if not self._together:
            self._send_waiting()

    def connection(self) -> Connection:
        """For whoever writes in another way; what waits is sent first, so the order holds."""
        if self._waiting:
            self._send_waiting()
        if self._connection is None:
            self._connection = Connection(self._engine, self._take())
            self._connection.begin()
        return self._connection

    def commit(self) -> None:
        """Send what waits and COMMIT; returns once the server has said that it is done."""
        if self._together and (self._waiting or self._taken is not None):
            self._waiting.append(COMMIT)
            self._send_waiting()
        if self._connection is not None:
            self._connection.commit()

    def rollback(self) -> None:
        """Undo what was sent, and forget what was not."""
        self._waiting.clear()
        if self._connection is not None:
            self._connection.rollback()

    def close(self) -> None:
        """Give the connection back; the pool undoes what was not committed."""
        if self._connection is not None:
            self._connection.close()
        elif self._taken is not None:
            self._taken.close()

    def _take(self) -> PoolProxiedConnection:
        if self._taken is None:
            self._taken = take(self._engine)
        return self._taken

    def _send_waiting(self) -> list[Outcome]:
        statements, self._waiting = self._waiting, []
        if not self._together:
            connection = self.connection()
            return [_sent_alone(connection, sql, values) for sql, values in statements]
        taken = self._take()
        if _pipeline(taken).is_idle:
            statements.insert(0, BEGIN)
        return _sent_together(self._engine, taken, statements)


def send(engine: Engine, sql: str, values: Any) -> Outcome:
    """Run one statement on a connection that is given back at once; it is its own transaction."""
    if not goes_in_pipeline(engine.dialect):
        with engine.connect() as connection:
            return _sent_alone(connection, sql, values)
    taken = take(engine)
    try:
        return _sent_together(engine, taken, [(sql, values)])[0]
    finally:
        taken.close()


def take(engine: Engine) -> PoolProxiedConnection:
    """A connection of the pool's."""
    try:
        return engine.raw_connection()
    except engine.dialect.loaded_dbapi.Error as error:
        told = DBAPIError.instance(
            None, None, error, engine.dialect.loaded_dbapi.Error, dialect=engine.dialect
        )
        raise told from error


def _sent_together(
    engine: Engine, taken: PoolProxiedConnection, statements: Sequence[Statement]
) -> list[Outcome]:
    try:
        return _pipeline(taken).send(statements)
    except Failed as failed:
        raise _as_told(failed, engine, taken) from failed.error


def _sent_alone(connection: Connection, sql: str, values: Any) -> Outcome:
    result = connection.exec_driver_sql(sql, values)
    if not result.returns_rows:
        return Outcome(result.rowcount, ())
    rows = [tuple(row) for row in result]
    return Outcome(len(rows), rows)  # SQLite does not count what it gives back


def _pipeline(taken: PoolProxiedConnection) -> Pipeline:
    """Kept with the driver's connection for as long as that lives."""
    kept: Pipeline | None = taken.info.get("pipeline")
    if kept is None:
        driver = cast("psycopg.Connection[Any]", taken.dbapi_connection)
        kept = taken.info["pipeline"] = Pipeline(driver)
    return kept


def _as_told(failed: Failed, engine: Engine, taken: PoolProxiedConnection) -> DBAPIError:
    dialect, error = engine.dialect, failed.error
    is_lost = dialect.is_disconnect(error, taken, None)  # type: ignore[arg-type]
    if is_lost:
        # What took this connection away took its idle neighbours too.
        taken.invalidate(error)
        engine.dispose()
    told = DBAPIError.instance(
        failed.sql,
        None,
        error,
        psycopg.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )
    return cast("DBAPIError", told)
