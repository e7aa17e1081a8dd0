"""Rows whose values we know without asking, because we have just written them.

What a path wrote it need not read back, and a row that nobody else will look at need not be in a
session: looking after it there costs more than the statement that wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import class_mapper, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from config.database import Base, db

Row = TypeVar("Row", bound=Base)


def as_stored(model: type[Row], values: Mapping[str, Any]) -> Row:
    """A row that was inserted with exactly these values, not read back and in no session.

    Columns that were not given stand at NULL.
    """
    row: Row = class_mapper(model).class_manager.new_instance()
    row.__dict__.update(dict.fromkeys(model.__table__.columns.keys()), **values)
    make_transient_to_detached(row)
    return row


def note_stored(row: Base, values: Mapping[str, Any]) -> None:
    """Tell a loaded row what an UPDATE has just written, without reading it back."""
    for name, value in values.items():
        set_committed_value(row, name, value)


def reread(row: Base) -> None:
    """Bring a loaded row to what the database says now, whether or not it is in the session."""
    model = type(row)
    columns = [getattr(model, column.key) for column in model.__table__.columns]
    here = [getattr(model, key.key) == getattr(row, key.key) for key in model.__table__.primary_key]
    note_stored(row, db.session.execute(select(*columns).where(*here)).one()._asdict())
