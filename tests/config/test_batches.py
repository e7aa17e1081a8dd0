"""Many rows in few statements: the same meaning on every database, however they travel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from config.audit import AuditEntry
from config.batches import insert_missing, insert_rows, update_rows
from config.database import db, release, transaction
from config.scheduler import JobLease
from tests.statements import statements_run

MOMENT = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


def lease(name: str, holder: str, held_until: datetime = MOMENT) -> dict[str, object]:
    return {"id": name, "holder": holder, "held_until": held_until}


def leases() -> dict[str, tuple[str, datetime]]:
    rows = db.session.execute(select(JobLease.id, JobLease.holder, JobLease.held_until))
    return {row.id: (row.holder, row.held_until) for row in rows}


def entry(object_id: str, tenant_id: str | None) -> dict[str, object]:
    words = ("actor_kind", "actor_id", "actor_name", "origin", "request_id", "action")
    rest = {"object_kind": "order", "result": "done", "detail": "{}", "happened_at": MOMENT}
    return {**dict.fromkeys(words, "x"), **rest, "object_id": object_id, "tenant_id": tenant_id}


def test_rows_go_in_as_they_are(app):
    with transaction():
        count = insert_rows(JobLease, [lease("a", "茶 'n' \"b\", {c}"), lease("b", "\\")])

    assert count == 2
    assert leases() == {"a": ("茶 'n' \"b\", {c}", MOMENT), "b": ("\\", MOMENT)}


def test_what_is_missing_in_some_rows_is_missing_there(app):
    with transaction():
        insert_rows(AuditEntry, [entry("a", "t"), entry("b", None)])

    rows = db.session.execute(select(AuditEntry.object_id, AuditEntry.tenant_id))
    assert {row.object_id: row.tenant_id for row in rows} == {"a": "t", "b": None}


def test_what_is_there_already_is_left_alone(app):
    with transaction():
        insert_rows(JobLease, [lease("a", "first")])

    with transaction():
        count = insert_missing(JobLease, [lease("a", "2nd"), lease("b", "h")], unique=("id",))

    assert count in (1, None)  # MySQL does not say
    assert leases() == {"a": ("first", MOMENT), "b": ("h", MOMENT)}


def test_each_row_gets_its_own_values(app):
    later = MOMENT + timedelta(hours=1)
    with transaction():
        insert_rows(JobLease, [lease("a", "h"), lease("b", "h"), lease("c", "h")])

    with transaction():
        news = [lease("a", "x", later), lease("b", "y"), lease("nobody", "z", later)]
        count = update_rows(JobLease, news, key="id")

    assert count == 2
    assert leases() == {"a": ("x", later), "b": ("y", MOMENT), "c": ("h", MOMENT)}


def test_nothing_is_sent_for_no_rows(app):
    release()
    with statements_run(db.engine) as sent, transaction():
        counts = [
            insert_rows(JobLease, []),
            insert_missing(JobLease, [], unique=("id",)),
            update_rows(JobLease, [], key="id"),
        ]

    assert (counts, sent) == ([0, 0, 0], [])


@pytest.mark.postgresql_only
def test_postgresql_gets_one_statement_for_all_rows(app):
    release()
    with statements_run(db.engine) as sent, transaction():
        insert_rows(JobLease, [lease(f"j{number}", "h") for number in range(50)])
        update_rows(JobLease, [lease(f"j{number}", "i") for number in range(50)], key="id")

    assert sent == ["INSERT", "UPDATE", "COMMIT"]
    assert {holder for holder, _ in leases().values()} == {"i"}
