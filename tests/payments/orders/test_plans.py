"""How PostgreSQL goes about the statements that it plans once and keeps."""

from __future__ import annotations

import re

import pytest

from config.database import db, dialect_here
from payments.orders.place import _note_down

pytestmark = pytest.mark.postgresql_only


def plan_of(sql: str) -> str:
    """How it would run whatever the values are, with nothing known of the table."""
    with db.engine.connect() as connection:
        connection.exec_driver_sql("SET plan_cache_mode = force_generic_plan")
        connection.exec_driver_sql(f"PREPARE looked_at AS {sql}")
        values = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", sql))))
        rows = connection.exec_driver_sql(f"EXPLAIN EXECUTE looked_at({values})").scalars().all()
        connection.exec_driver_sql("DEALLOCATE looked_at")
        connection.rollback()
    return "\n".join(rows)


def test_an_order_is_written_by_its_id_even_in_a_table_nobody_has_analysed(app):
    prepared = _note_down(dialect_here(), ("state", "prepay_id"))

    plan = plan_of(prepared.sql)

    assert "pk_orders" in plan
    assert "Index Cond: ((id)::text" in plan
