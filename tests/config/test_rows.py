"""A row that was written and not read back is the row that stands in the database."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import inspect, select, update
from sqlalchemy.exc import NoResultFound

from config.database import changed_rows, db, transaction
from config.inserts import insert_new
from config.rows import as_stored, note_stored, reread
from config.scheduler import JobLease, JobRun

MOMENT = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
LEASE = {"id": "a", "holder": "h", "held_until": MOMENT}


def held_by(name: str) -> None:
    with transaction():
        changed_rows(update(JobLease).values(holder=name))


def written() -> JobLease:
    with transaction():
        insert_new(JobLease, LEASE, unique=("id",))
    return as_stored(JobLease, LEASE)


def test_a_written_row_is_what_a_reader_finds(app):
    row = written()

    found = db.session.scalars(select(JobLease)).one()

    assert inspect(row).detached
    assert (row.id, row.holder, row.held_until) == (found.id, found.holder, found.held_until)


def test_columns_that_were_not_given_are_null(app):
    row = as_stored(JobRun, {"id": "run_a"})

    unset = {column.key for column in JobRun.__table__.columns} - {"id"}
    assert {getattr(row, name) for name in unset} == {None}


def test_a_written_row_that_is_added_to_the_session_is_not_inserted_again(app):
    row = written()

    with transaction() as session:
        session.add(row)
        row.holder = "second"

    assert db.session.scalars(select(JobLease.holder)).all() == ["second"]


def test_what_is_noted_is_not_written_again(app):
    with transaction():
        insert_new(JobLease, LEASE, unique=("id",))
    row = db.session.scalars(select(JobLease)).one()

    note_stored(row, {"holder": "noted"})

    assert row.holder == "noted"
    assert not db.session.dirty


@pytest.mark.parametrize("is_in_session", [False, True])
def test_a_row_is_reread_in_the_session_and_out_of_it(app, is_in_session):
    row = written()
    if is_in_session:
        db.session.add(row)
    held_by("second")

    reread(row)

    assert row.holder == "second"
    assert row.held_until == MOMENT
    assert (row in db.session) is is_in_session


def test_a_row_is_reread_beside_its_double_in_the_session(app):
    row = written()
    double = db.session.scalars(select(JobLease)).one()
    held_by("second")

    reread(row)

    assert (row.holder, double.holder) == ("second", "h")


def test_a_row_that_is_gone_cannot_be_reread(app):
    with pytest.raises(NoResultFound):
        reread(as_stored(JobLease, LEASE))
