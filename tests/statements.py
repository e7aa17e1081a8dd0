"""What a database was asked, counted: by SQLAlchemy's events, or by PostgreSQL's own answers.

On PostgreSQL statements travel together past SQLAlchemy, so there the driver's record of the wire
is read instead.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, event


class WireTrace:
    """What the connections of an engine heard, once the block has ended."""

    text = ""


@contextmanager
def wire_trace(engine: Engine) -> Iterator[WireTrace]:
    """Have each PostgreSQL connection that is taken from the pool write down what it hears."""
    heard = WireTrace()
    with tempfile.TemporaryFile("w+") as file:

        def taken(connection: psycopg.Connection[Any], *_: object) -> None:
            connection.pgconn.trace(file.fileno())
            connection.pgconn.set_trace_flags(psycopg.pq.Trace.SUPPRESS_TIMESTAMPS)

        def given_back(connection: psycopg.Connection[Any], *_: object) -> None:
            connection.pgconn.untrace()

        with listening(engine, checkout=taken, checkin=given_back):
            yield heard
        file.seek(0)
        heard.text = file.read()


def commands_done(trace: str) -> list[str]:
    """What PostgreSQL said it has done, such as `SELECT 1` or `COMMIT`, in order."""
    return re.findall(r'CommandComplete\s.*"(.+)"', trace)


@contextmanager
def listening(target: Engine, **listeners: Callable[..., None]) -> Iterator[None]:
    """Listen to events of an engine inside the block."""
    for name, listener in listeners.items():
        event.listen(target, name, listener)
    yield
    for name, listener in listeners.items():
        event.remove(target, name, listener)


@contextmanager
def statements_run(engine: Engine) -> Iterator[list[str]]:
    """The first word of each statement but BEGIN that runs inside the block."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement.split()[0])

    if engine.dialect.name == "postgresql":
        with wire_trace(engine) as trace:
            yield seen
        seen += [done.split()[0] for done in commands_done(trace.text)]
    else:
        with listening(engine, before_cursor_execute=note):
            yield seen
    seen[:] = [word for word in seen if word != "BEGIN"]
