"""Jobs behind a broker: sent by name, run by a worker, decided by the lease."""

from __future__ import annotations

import os
import time

import pytest
import redis
from dramatiq import Worker
from flask import Flask
from sqlalchemy import select

from config.audit import AuditEntry, record, verify_chain
from config.database import db, release, transaction
from config.scheduler import get_job
from config.tasks import QUEUES, NoBroker, init_tasks, send_or_run, work
from tests.conftest import missing

REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
PATIENCE_SECONDS = 15


@pytest.fixture
def broker_app(app: Flask):
    server = redis.Redis.from_url(REDIS_URL)
    try:
        server.ping()
    except redis.ConnectionError:
        missing("No Redis answers. Start one: redis-server --bind 127.0.0.1 --port 6379")
    server.flushdb()
    init_tasks(app, REDIS_URL)
    yield app
    init_tasks(app, None)
    server.flushdb()
    server.close()


@pytest.mark.sqlite_only
def test_a_sent_job_is_run_by_a_worker_and_not_by_the_sender(broker_app):
    with transaction():
        record("test.happened", object_kind="test", object_id="t")
    send_or_run(broker_app, get_job(broker_app, "audit.seal"))
    before = verify_chain()
    worker = Worker(broker_app.extensions["broker"], queues=set(QUEUES), worker_threads=1)

    worker.start()
    sealed = _wait_until_sealed()
    worker.stop()
    broker_app.extensions["broker"].close()

    assert (before.unsealed, sealed) == (1, True)


def test_without_a_broker_the_sender_runs_the_job(app):
    with transaction():
        record("test.happened", object_kind="test", object_id="t")

    send_or_run(app, get_job(app, "audit.seal"))

    assert verify_chain().unsealed == 0


def test_a_worker_without_a_broker_says_what_is_missing(app):
    with pytest.raises(NoBroker, match="BROKER_URL"):
        work(app)


def _wait_until_sealed() -> bool:
    ends = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends:
        entry = db.session.scalars(
            select(AuditEntry), execution_options={"populate_existing": True}
        ).one()
        release()
        if entry.position is not None:
            return True
        time.sleep(0.1)
    return False
