"""How migrations run: on the application's own engine and against its own metadata.

Flask-Migrate calls this with an application context. On SQLite a changed table is built anew and
the old one dropped, so foreign keys are checked once at the end instead of on the way.
"""

from alembic import context
from flask import current_app
from sqlalchemy import BigInteger, Connection, String, Text

from config.database import UtcDateTime

_migrate = current_app.extensions["migrate"]
_db = _migrate.db


def _as_we_write_it(kind: str, item: object, _context: object) -> str | bool:
    """Name our own column types the way the models do; False leaves the rest to Alembic."""
    if kind == "type":
        match item:
            case UtcDateTime():
                return "UtcDateTime()"
            case Text() if "mysql" in item._variant_mapping:
                return "long_text()"
            case String() if "mysql" in item._variant_mapping:
                return f"identifier({item.length})"
            case BigInteger() if "sqlite" in item._variant_mapping:
                return "big_integer"
    return False


_arguments = {
    "target_metadata": _db.metadata,
    "render_item": _as_we_write_it,
    **_migrate.configure_args,
}


def _foreign_keys(connection: Connection, *, on: bool) -> None:
    # The pragma means nothing inside a transaction, so it goes past SQLAlchemy, which would open one.
    if connection.dialect.name == "sqlite":
        raw = connection.connection.driver_connection
        raw.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")


def _require_whole(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"The migration leaves rows without their parents: {broken[:5]}")


def _leave_out_empty(_context: object, _revision: object, directives: list) -> None:
    """Write no revision when nothing changed."""
    if directives and directives[0].upgrade_ops.is_empty():
        directives[:] = []


def _migrate_online() -> None:
    with _db.engine.connect() as connection:
        _foreign_keys(connection, on=False)
        context.configure(
            connection=connection, process_revision_directives=_leave_out_empty, **_arguments
        )
        try:
            with context.begin_transaction():
                context.run_migrations()
                _require_whole(connection)
        finally:
            connection.rollback()
            _foreign_keys(connection, on=True)


def _print_sql() -> None:
    url = _db.engine.url.render_as_string(hide_password=False)
    context.configure(url=url, literal_binds=True, **_arguments)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _print_sql()
else:
    _migrate_online()
