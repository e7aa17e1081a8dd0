"""The clock of the background: jobs, their leases and the history of their runs.

APScheduler only triggers. The right to run a job is a lease in the database, claimed by one
conditional statement, so any number of scheduler processes is safe: whoever does not get the lease
does nothing. A job that a killed process held runs again when the lease ends. Jobs find their own
work in the database, so a missed tick loses nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.date import DateTrigger
from flask import Flask
from sqlalchemy import String, delete, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from config import metrics
from config.clock import now
from config.database import Base, changed_rows, db, identifier, long_text, transaction
from config.errors import NotFound
from config.identifiers import new_id
from config.inserts import ensure_row
from config.logs import get_logger

MISFIRE_GRACE_SECONDS = 120
KEEP_RUNS = timedelta(days=14)

log = get_logger(__name__)
runs_total = metrics.counter("job_runs_total", "Runs of background jobs.", "job", "result")


@dataclass(frozen=True, slots=True)
class Job:
    """Something done again and again: what, when, and for how long one run may hold its lease."""

    name: str
    what_for: str
    run: Callable[[], Mapping[str, object] | None]  # answers a few figures for the history
    trigger: BaseTrigger
    lease: timedelta = timedelta(minutes=5)
    queue: str = "critical"  # which workers take it, where there is a broker
    first_after: timedelta | None = None  # also once so long after a start, for what was missed


class JobLease(Base):
    """Who may run a job just now."""

    __tablename__ = "job_leases"

    id: Mapped[str] = mapped_column(identifier(64), primary_key=True)  # the job's name
    holder: Mapped[str] = mapped_column(identifier(40))
    held_until: Mapped[datetime]


class JobRun(Base):
    """One run and how it ended. Runs that found nothing to do are not kept."""

    __tablename__ = "job_runs"

    id: Mapped[str] = mapped_column(identifier(40), primary_key=True)
    job: Mapped[str] = mapped_column(String(64), index=True)
    started_at: Mapped[datetime] = mapped_column(index=True)
    seconds: Mapped[str] = mapped_column(String(16))
    result: Mapped[str] = mapped_column(String(16))
    figures: Mapped[str] = mapped_column(long_text())


def init_jobs(app: Flask, jobs: list[Job]) -> None:
    """Let this application know the floors' jobs."""
    names = [job.name for job in jobs]
    if len(set(names)) != len(names):
        raise RuntimeError("Two jobs share a name.")
    app.extensions["jobs"] = {job.name: job for job in jobs}


def get_job(app: Flask, name: str) -> Job:
    """The job of this name. Raises NotFound naming those there are."""
    jobs: dict[str, Job] = app.extensions["jobs"]
    if name not in jobs:
        raise NotFound(f"There is no job {name!r}. There are: {', '.join(sorted(jobs))}.")
    return jobs[name]


def run_job(job: Job) -> Mapping[str, object] | None:
    """Run a job under its lease. Answers its figures, or None when somebody else holds it."""
    holder = new_id("run")
    if not _claim(job, holder):
        return None
    started_at, started = now(), time.monotonic()
    try:
        figures = dict(job.run() or {})
    except Exception as error:
        log.error("job failed", job=job.name, exc_info=error)
        _finish(job, holder, started_at, started, "failed", {"error": type(error).__name__})
        raise
    _finish(job, holder, started_at, started, "done", figures)
    return figures


def start_scheduler(app: Flask, start: Callable[[Flask, Job], None]) -> BackgroundScheduler:
    """Call `start` for every due job, in threads of this process, until it is shut down."""
    scheduler = BackgroundScheduler(
        timezone="Asia/Shanghai",
        job_defaults={
            "coalesce": True,
            "misfire_grace_time": MISFIRE_GRACE_SECONDS,
            "max_instances": 1,
        },
    )
    for job in app.extensions["jobs"].values():
        trigger = job.trigger
        if job.first_after is not None:
            trigger = OrTrigger([DateTrigger(now() + job.first_after), trigger])
        scheduler.add_job(_triggered, trigger, args=(app, job, start), id=job.name)
    scheduler.start()
    return scheduler


def _triggered(app: Flask, job: Job, start: Callable[[Flask, Job], None]) -> None:
    with app.app_context():
        try:
            start(app, job)
        except Exception as error:
            # It is logged and in the history; the next tick tries again.
            log.warning("job will be tried again", job=job.name, error=type(error).__name__)


def _claim(job: Job, holder: str) -> bool:
    moment = now()
    values = {"holder": holder, "held_until": moment + job.lease}
    with transaction():
        nobodys = {"id": job.name, "holder": "", "held_until": moment}
        ensure_row(JobLease, nobodys, unique=("id",))
        free = or_(JobLease.held_until < moment, JobLease.holder == "")
        here = update(JobLease).where(JobLease.id == job.name, free)
        return changed_rows(here.values(**values)) == 1


def _finish(
    job: Job,
    holder: str,
    started_at: datetime,
    started: float,
    result: str,
    figures: dict[str, Any],
) -> None:
    runs_total.labels(job.name, result).inc()
    with transaction() as session:
        mine = update(JobLease).where(JobLease.id == job.name, JobLease.holder == holder)
        changed_rows(mine.values(holder=""))
        if result == "failed" or any(figures.values()):
            session.add(
                JobRun(
                    id=holder,
                    job=job.name,
                    started_at=started_at,
                    seconds=f"{time.monotonic() - started:.3f}",
                    result=result,
                    figures=json.dumps(figures, ensure_ascii=False, default=str),
                )
            )


def latest_runs(limit: int = 50) -> list[JobRun]:
    """The newest runs that did something, newest first."""
    newest = select(JobRun).order_by(JobRun.started_at.desc()).limit(limit)
    return list(db.session.scalars(newest))


def forget_old_runs() -> Mapping[str, object]:
    """Drop history that nobody reads any more."""
    with transaction():
        old = delete(JobRun).where(JobRun.started_at < now() - KEEP_RUNS)
        return {"forgotten": changed_rows(old)}
