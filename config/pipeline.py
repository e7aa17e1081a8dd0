"""PostgreSQL: several statements in one journey to the server and back.

A journey costs a request more than the statement it carries: the thread gives the interpreter away,
waits, and queues for it again. In libpq's pipeline mode any number of statements travel together,
each prepared on the server the first time this connection meets it; after one that fails the server
skips the rest. What is sent, and what an error means to the application, `config.database` decides.
PostgreSQL document: "libpq: Pipeline Mode".
"""

from __future__ import annotations

import itertools
import select
from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

BEGIN = ("BEGIN", ())
COMMIT = ("COMMIT", ())
_DONE = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)


class Outcome(NamedTuple):
    """What came of one statement: how many rows it met, and those it gave back."""

    rowcount: int
    rows: Sequence[Sequence[Any]]


class Failed(Exception):
    """A statement that the server refused, or that no answer came to; `error` is the driver's."""

    def __init__(self, sql: str, error: psycopg.Error) -> None:
        super().__init__(sql)
        self.sql = sql
        self.error = error


class Pipeline:
    """One connection's way of sending statements together, and what it has prepared so far."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._transformer = Transformer(connection)
        self._prepared: dict[str, bytes] = {}
        self._numbers = itertools.count(1)

    @property
    def is_idle(self) -> bool:
        """Whether no transaction is open on this connection."""
        return self._connection.pgconn.transaction_status == TransactionStatus.IDLE

    def send(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[Outcome]:
        """Run statements with numbered places, in their order; answer once all were answered.

        Raises Failed for the first that fails. Those behind it have not run. Without BEGIN among
        them or before them, they are one transaction of their own.
        """
        dumped = [self._dumped(sql, values) for sql, values in statements]
        driver = self._connection.pgconn
        try:
            driver.enter_pipeline_mode()
            asked = self._ask(driver, statements, dumped)
            answers = _answers(driver)
            driver.exit_pipeline_mode()
        except BaseException as error:
            # Answers that were not read would pass for those of the next statement.
            self._connection.close()
            if isinstance(error, psycopg.Error):
                raise Failed(statements[-1][0], error) from error
            raise
        return self._outcomes(asked, answers)

    def _dumped(self, sql: str, values: Sequence[Any]) -> Sequence[Any]:
        if not values:
            return ()
        try:
            return self._transformer.dump_sequence(values, [PyFormat.TEXT] * len(values))
        except psycopg.Error as error:
            raise Failed(sql, error) from error

    def _ask(
        self,
        driver: PGconn,
        statements: Sequence[tuple[str, Sequence[Any]]],
        dumped: Sequence[Sequence[Any]],
    ) -> list[tuple[str, bytes | None]]:
        """Send all; answers each command's SQL, and the name where it only prepares it."""
        asked: list[tuple[str, bytes | None]] = []
        fresh: dict[str, bytes] = {}
        for (sql, _), values in zip(statements, dumped, strict=True):
            name = self._prepared.get(sql) or fresh.get(sql)
            if name is None:
                name = fresh[sql] = b"prepared_%d" % next(self._numbers)
                driver.send_prepare(name, sql.encode())
                asked.append((sql, name))
            driver.send_query_prepared(name, values)
            asked.append((sql, None))
        driver.pipeline_sync()
        return asked

    def _outcomes(
        self, asked: Sequence[tuple[str, bytes | None]], answers: Sequence[PGresult]
    ) -> list[Outcome]:
        outcomes = []
        for (sql, name), answer in zip(asked, answers, strict=True):
            if answer.status not in _DONE:
                raise Failed(sql, error_from_result(answer))
            if name is not None:
                self._prepared[sql] = name
            else:
                outcomes.append(self._outcome(sql, answer))
        return outcomes

    def _outcome(self, sql: str, answer: PGresult) -> Outcome:
        if sql == COMMIT[0] and answer.command_status != b"COMMIT":
            # The server answers ROLLBACK where an earlier error had ended the transaction.
            raise Failed(sql, psycopg.errors.InFailedSqlTransaction("Nothing was committed."))
        if not answer.ntuples:
            return Outcome(answer.command_tuples or 0, ())
        self._transformer.set_pgresult(answer)
        rows = self._transformer.load_rows(0, answer.ntuples, tuple)
        return Outcome(answer.command_tuples or 0, rows)


def _answers(driver: PGconn) -> list[PGresult]:
    """Every command's answer, up to the mark that says that no more will come."""
    answers: list[PGresult] = []
    socket = select.poll()
    while True:
        is_sent = driver.flush() == 0
        socket.register(driver.socket, select.POLLIN if is_sent else select.POLLIN | select.POLLOUT)
        socket.poll()
        driver.consume_input()
        nones = 0  # one parts two answers; a second one says that more are on their way
        while nones < 2 and not driver.is_busy():
            answer = driver.get_result()
            if answer is None:
                nones += 1
                continue
            if answer.status == ExecStatus.PIPELINE_SYNC:
                return answers
            answers.append(answer)
            nones = 0
