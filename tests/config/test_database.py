"""One way to write, the same on every database."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from config.audit import AuditHead
from config.database import WriteOutsideTransaction, changed_rows, db, release, transaction
from config.inserts import ensure_row, insert_new
from config.scheduler import JobLease
from partner.operators.models import Operator
from tests.factories.people import make_operator

BEIJING = timezone(timedelta(hours=8))
MOMENT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=BEIJING)


def lease(name: str = "a", moment: datetime = MOMENT) -> dict[str, object]:
    return {"id": name, "holder": "h", "held_until": moment}


def test_a_moment_comes_back_in_utc_to_the_microsecond(app):
    with transaction():
        insert_new(JobLease, lease(), unique=("id",))

    stored = db.session.scalars(select(JobLease.held_until)).one()

    assert stored == MOMENT
    assert stored.tzinfo is UTC


def test_a_moment_without_zone_is_not_stored(app):
    with pytest.raises(Exception, match="without its zone"), transaction():
        insert_new(JobLease, lease(moment=datetime(2026, 3, 1)), unique=("id",))  # noqa: DTZ001


def test_the_unique_constraint_says_whether_a_row_is_new(app):
    with transaction():
        first = insert_new(JobLease, lease(), unique=("id",))
        second = insert_new(JobLease, lease(), unique=("id",))

    assert (first, second) == (True, False)
    assert len(db.session.scalars(select(JobLease)).all()) == 1


def test_a_clash_on_another_key_than_the_named_one_is_an_error(app):
    known = make_operator(email="k'y@example.test").operator
    same = {column.key: getattr(known, column.key) for column in Operator.__table__.columns}
    other = {**same, "id": "opr_other"}

    with transaction():
        by_address = insert_new(Operator, other, unique=("email",))
    with pytest.raises(IntegrityError), transaction():
        insert_new(Operator, other, unique=("id",))

    assert by_address is False


def test_names_that_differ_in_case_are_different(app):
    with transaction():
        news = [insert_new(JobLease, lease(name), unique=("id",)) for name in ("abc", "ABC")]

    assert news == [True, True]


def test_a_conditional_update_counts_the_rows_it_met(app):
    with transaction():
        insert_new(JobLease, lease(), unique=("id",))
        same = update(JobLease).where(JobLease.id == "a").values(holder="h")
        met = changed_rows(same)
        none = changed_rows(update(JobLease).where(JobLease.id == "b").values(holder="h"))

    assert (met, none) == (1, 0)


def test_writing_outside_a_transaction_is_refused(app):
    with pytest.raises(WriteOutsideTransaction):
        db.session.execute(insert(JobLease).values(**lease()))
    db.session.rollback()
    db.session.add(AuditHead(id=1, position=0, entry_hash="0"))
    with pytest.raises(WriteOutsideTransaction):
        db.session.flush()
    db.session.rollback()

    assert db.session.scalars(select(JobLease)).all() == []


def test_a_transaction_that_fails_leaves_nothing(app):
    def fail_half_way() -> None:
        with transaction():
            insert_new(JobLease, lease(), unique=("id",))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()

    assert db.session.scalars(select(JobLease)).all() == []


def test_transactions_do_not_nest_and_nobody_waits_inside_one(app):
    with transaction():
        with pytest.raises(RuntimeError), transaction():
            pass
        with pytest.raises(RuntimeError):
            release()


@pytest.mark.sqlite_only
def test_sqlite_keeps_what_it_promised(app):
    found = {
        name: db.session.connection().exec_driver_sql(f"PRAGMA {name}").scalar()
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }

    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 10_000,
    }


def test_a_row_that_stands_already_is_left_as_it_is(app):
    with transaction():
        ensure_row(JobLease, lease(), unique=("id",))
        ensure_row(JobLease, {**lease(), "holder": "another"}, unique=("id",))

    assert db.session.scalars(select(JobLease.holder)).all() == ["h"]


def test_an_error_of_the_database_does_not_repeat_what_was_to_be_stored(app):
    with pytest.raises(IntegrityError) as error, transaction():
        db.session.execute(insert(JobLease).values(**{**lease("canary-7Q"), "holder": None}))

    statement_and_values = str(error.value).partition("[SQL")[2]
    assert "job_leases" in statement_and_values
    assert "canary-7Q" not in statement_and_values
