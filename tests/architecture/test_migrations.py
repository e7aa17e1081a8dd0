"""The migrations lead to exactly the tables the models speak of, on every database."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask

from config.database import MIGRATIONS, Base, db


def test_migrations_lead_to_what_the_models_say(app: Flask) -> None:
    with db.engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)

        differences = compare_metadata(context, Base.metadata)

    assert differences == []


def test_migrations_form_one_line() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))

    heads = scripts.get_heads()

    assert len(heads) == 1
