"""A prepared statement is the plain one, without the work of building it again."""

from datetime import UTC, datetime
from typing import cast

import pytest
from sqlalchemy import Table, bindparam, insert, select

from config.database import dialect_here, read, run, transaction
from config.inserts import insert_new
from config.prepared import Prepared
from config.scheduler import JobLease
from payments.orders.models import Order

MOMENT = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
LEASES = cast("Table", JobLease.__table__)
ORDERS = cast("Table", Order.__table__)


def test_what_goes_in_comes_out_as_the_model_shows_it(app):
    with transaction():
        insert_new(JobLease, {"id": "a", "holder": "h", "held_until": MOMENT}, unique=("id",))
    query = select(LEASES).where(LEASES.c.id == bindparam("name"))
    prepared = Prepared(query, dialect_here())

    (row,) = read(prepared, {"name": "a"})

    assert row == {"id": "a", "holder": "h", "held_until": MOMENT}


def test_inside_a_transaction_it_reads_what_was_just_written(app):
    query = select(LEASES.c.holder).where(LEASES.c.id == bindparam("name"))
    prepared = Prepared(query, dialect_here())

    with transaction():
        insert_new(JobLease, {"id": "a", "holder": "h", "held_until": MOMENT}, unique=("id",))
        found = read(prepared, {"name": "a"})

    assert found == [{"holder": "h"}]


def test_a_duplicate_is_an_answer_and_not_an_error(app):
    lease = {"id": "a", "holder": "h", "held_until": MOMENT}

    with transaction():
        news = [insert_new(JobLease, lease, unique=("id",)) for _ in range(2)]

    assert news == [True, False]


def test_a_default_that_nobody_would_fill_in_is_refused(app):
    with pytest.raises(TypeError, match="refunded_fen"):
        Prepared(insert(ORDERS), dialect_here(), given=("id",))


def test_a_prepared_write_outside_a_transaction_is_refused(app):
    statement = insert(LEASES).inline()
    prepared = Prepared(statement, dialect_here(), given=("id", "holder", "held_until"))

    with pytest.raises(RuntimeError):
        run(prepared, {"id": "a", "holder": "h", "held_until": MOMENT})
