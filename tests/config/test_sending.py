"""Statements that travel together mean what they would mean one by one, whatever goes wrong."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from sqlalchemy import Table, bindparam, create_engine, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from config.database import changed_rows, db, dialect_here, read, run, run_later, transaction
from config.inserts import insert_later, insert_new
from config.prepared import Prepared
from config.scheduler import JobLease
from config.sending import take
from tests.programs import free_port

MOMENT = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
LEASES = cast("Table", JobLease.__table__)


def lease(name: str = "a", **other: object) -> dict[str, object]:
    return {"id": name, "holder": "h", "held_until": MOMENT, **other}


def holders() -> dict[str, str]:
    found = db.session.execute(select(JobLease.id, JobLease.holder)).all()
    db.session.commit()
    return {row.id: row.holder for row in found}


def renamed() -> Prepared:
    names: dict[str, Any] = {"holder": bindparam("now_held_by")}
    return Prepared(
        update(LEASES).where(LEASES.c.id == bindparam("name")).values(names), dialect_here()
    )


def plainly_inserted() -> Prepared:
    return Prepared(LEASES.insert().inline(), dialect_here(), given=tuple(lease()))


def test_what_was_left_for_later_is_committed(app):
    with transaction():
        insert_later(JobLease, lease("a"), unique=("id",))
        insert_later(JobLease, lease("b"), unique=("id",))

    assert holders() == {"a": "h", "b": "h"}


def test_what_was_left_for_later_comes_before_what_follows_it(app):
    with transaction() as session:
        insert_later(JobLease, lease("a"), unique=("id",))
        met = run(renamed(), {"name": "a", "now_held_by": "second"}).rowcount
        insert_later(JobLease, lease("b"), unique=("id",))
        seen = session.scalars(select(JobLease.id).order_by(JobLease.id)).all()
        insert_later(JobLease, lease("c"), unique=("id",))
        changed = changed_rows(update(JobLease).values(holder="third"))

    assert (met, seen, changed) == (1, ["a", "b"], 3)
    assert set(holders().values()) == {"third"}


def test_rows_of_a_session_and_prepared_statements_share_one_transaction(app):
    def fail_half_way() -> None:
        with transaction() as session:
            session.add(JobLease(**lease("a")))
            session.flush()
            run(renamed(), {"name": "a", "now_held_by": "second"})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()

    assert holders() == {}


def test_a_duplicate_among_what_was_left_for_later_is_no_error(app):
    for _ in range(2):
        with transaction():
            insert_later(JobLease, lease("a"), unique=("id",))

    assert holders() == {"a": "h"}


def test_an_error_of_what_was_left_for_later_ends_the_transaction(app):
    with transaction():
        insert_new(JobLease, lease("a"), unique=("id",))

    def clash_in_the_middle() -> None:
        with transaction():
            insert_later(JobLease, lease("b"), unique=("id",))
            run_later(plainly_inserted(), lease("a", holder="canary-7Q"))
            insert_later(JobLease, lease("c"), unique=("id",))

    with pytest.raises(IntegrityError) as error:
        clash_in_the_middle()

    assert "canary-7Q" not in str(error.value).partition("[SQL")[2]
    assert holders() == {"a": "h"}


def test_after_an_error_the_next_transaction_finds_all_in_order(app):
    def insert_twice() -> None:
        with transaction():
            run(plainly_inserted(), lease("a"))
            run(plainly_inserted(), lease("a"))

    for _ in range(3):
        with pytest.raises(IntegrityError):
            insert_twice()
    with transaction():
        run(plainly_inserted(), lease("a"))

    assert holders() == {"a": "h"}


@pytest.mark.postgresql_only
def test_what_the_database_cannot_store_is_an_error_and_never_cut_short(app):
    with pytest.raises(DBAPIError), transaction():
        insert_later(JobLease, lease("a", holder="h\x00idden"), unique=("id",))

    assert holders() == {}


@pytest.mark.postgresql_only
def test_a_commit_that_the_database_turns_into_a_rollback_is_an_error(app):
    def carry_on_after_an_error() -> None:
        with transaction():
            insert_later(JobLease, lease("a"), unique=("id",))
            with suppress(IntegrityError):
                run(plainly_inserted(), lease("a"))

    with pytest.raises(DBAPIError):
        carry_on_after_an_error()

    assert holders() == {}


@pytest.mark.postgresql_only
def test_a_lost_connection_is_said_and_the_next_one_is_a_new_one(app):
    here = Prepared(select(LEASES.c.id), dialect_here())
    assert read(here, {}) == []

    def lose_it_half_way() -> None:
        with transaction() as session:
            insert_later(JobLease, lease("a"), unique=("id",))
            mine = session.scalar(select(func.pg_backend_pid()))
            _end_connection(mine)
            insert_later(JobLease, lease("b"), unique=("id",))

    with pytest.raises(OperationalError) as lost:
        lose_it_half_way()

    assert lost.value.connection_invalidated
    assert read(here, {}) == []


@pytest.mark.postgresql_only
def test_a_connection_lost_between_two_journeys_is_said_too(app):
    mine = Prepared(select(func.pg_backend_pid().label("process")), dialect_here())

    def lose_it_half_way() -> None:
        with transaction():
            _end_connection(read(mine, {})[0]["process"])
            insert_later(JobLease, lease("a"), unique=("id",))

    with pytest.raises(OperationalError) as lost:
        lose_it_half_way()

    assert lost.value.connection_invalidated
    assert holders() == {}


@pytest.mark.postgresql_only
def test_what_a_failed_block_had_sent_is_undone_before_the_connection_serves_again(app):
    def fail_half_way() -> None:
        with transaction():
            run(plainly_inserted(), lease("a"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    with transaction():
        run(plainly_inserted(), lease("b"))

    assert holders() == {"b": "h"}


@pytest.mark.postgresql_only
def test_a_database_that_is_not_there_is_an_error_of_sqlalchemys_own(app):
    nowhere = create_engine(db.engine.url.set(port=free_port()))

    with pytest.raises(OperationalError):
        take(nowhere)


def _end_connection(process: int | None) -> None:
    with db.engine.connect() as other:
        other.execute(text("SELECT pg_terminate_backend(:process)"), {"process": process})


@pytest.mark.postgresql_only
def test_more_than_a_socket_takes_at_once_arrives_whole(app):
    big = "x" * 2_000_000
    length = Prepared(
        select(LEASES.c.id, bindparam("big", type_=LEASES.c.holder.type).label("big")),
        dialect_here(),
    )

    with transaction():
        insert_later(JobLease, lease("a"), unique=("id",))
        (found,) = read(length, {"big": big})

    assert found == {"id": "a", "big": big}
