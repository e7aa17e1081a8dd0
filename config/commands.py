"""How commands behave, and the commands of this floor.

With `--json` a command prints exactly one JSON document on standard output. A refusal is one line
on standard error and exit status 1. Whatever a command changes, the audit trail names the person at
the terminal.
"""

from __future__ import annotations

import gc
import getpass
import json
import os
import signal
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar, cast

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.exc import OperationalError, ProgrammingError

from config.audit import Actor, acting_as, verify_chain
from config.errors import AppError, Conflict
from config.loops import LoopsBeside, start_loops
from config.rekeying import rekey_all, verify_master_keys
from config.scheduler import Job, JobRun, get_job, latest_runs, run_job, start_scheduler
from config.tasks import QUEUES, has_broker, send_or_run, work
from config.vault import VaultError

JOBS_NICENESS = 5

Command = TypeVar("Command", bound=Callable[..., Any])

vault = AppGroup("vault", help="The secrets in the database.")
audit = AppGroup("audit", help="The audit trail.")
jobs = AppGroup("jobs", help="What is done in the background.")


class JobIsRunning(Conflict):
    """Another process holds the job's lease."""

    code = "job_is_running"


class CommandRefused(click.ClickException):
    """A refusal as it stands in the terminal: one line, exit status 1."""

    def format_message(self) -> str:
        return " ".join(super().format_message().split())


def register(app: Flask) -> None:
    """Give the application these commands."""
    for command in (vault, audit, jobs, scheduler, loops, worker):
        app.cli.add_command(command)


def json_option(command: Command) -> Command:
    """Give a command `--json` and the house's manners; goes right above the function."""

    @click.option("as_json", "--json", is_flag=True, help="Print one JSON document.")
    @wraps(command)
    def mannered(*args: Any, **kwargs: Any) -> Any:
        try:
            with acting_as(Actor(kind="command", id=_person(), origin="terminal")):
                return command(*args, **kwargs)
        except AppError as refusal:
            raise CommandRefused(refusal.message) from refusal
        except VaultError as error:
            raise CommandRefused(f"The vault does not open: {error}") from error
        except (OperationalError, ProgrammingError) as error:
            raise CommandRefused(
                f"The database refused ({error.orig}). Is it running, and migrated with `db "
                "upgrade`?"
            ) from error

    return cast("Command", mannered)


def emit(document: object, as_json: bool, lines: Iterable[str]) -> None:
    """Print the document for programs, or the lines for people."""
    if as_json:
        text = json.dumps(document, ensure_ascii=False, indent=2, default=_plain)
        click.echo(text)
        return
    for line in lines:
        click.echo(line)


def shown_time(moment: datetime | None) -> str:
    """A moment for people, or a dash."""
    return "-" if moment is None else moment.isoformat(timespec="seconds")


@vault.command("rekey")
@json_option
def rekey(as_json: bool) -> None:
    """Seal every secret under the first of MASTER_KEYS; then the others may be dropped."""
    moved = rekey_all()
    lines = [f"{table}: {count} moved" for table, count in moved.items()]
    emit({"moved": dict(moved)}, as_json, lines or ["Everything is under the first key already."])


@audit.command("verify")
@json_option
def verify(as_json: bool) -> None:
    """Walk the audit chain and name every altered, missing or inserted entry."""
    report = verify_chain()
    document = {
        "ok": not report.faults,
        "entries": report.entries,
        "unsealed": report.unsealed,
        "head": report.head,
        "faults": list(report.faults),
    }
    whole = f"{report.entries} entries are whole; {report.unsealed} wait to be chained."
    emit(document, as_json, report.faults or [whole, f"head {report.head}"])
    if report.faults:
        raise click.exceptions.Exit(1)


@jobs.command("list")
@json_option
def list_jobs(as_json: bool) -> None:
    """Every job, when it runs, and how its last run that did something ended."""
    newest: dict[str, JobRun] = {}
    for run in latest_runs(limit=500):
        newest.setdefault(run.job, run)
    known: dict[str, Job] = current_app.extensions["jobs"]
    shown = [_present_job(job, newest.get(name)) for name, job in sorted(known.items())]
    lines = [f"{job['name']:<28} {job['trigger']:<24} {job['what_for']}" for job in shown]
    emit(shown, as_json, lines)


@jobs.command("run")
@click.argument("name")
@json_option
def run_one(name: str, as_json: bool) -> None:
    """Run a job now, in this process, under its lease."""
    job = get_job(current_app, name)
    figures = run_job(job)
    if figures is None:
        raise JobIsRunning(f"The job {name} is running elsewhere. Try again when it is done.")
    lines = [f"{figure}: {value}" for figure, value in figures.items()]
    emit({"job": name, "figures": dict(figures)}, as_json, lines or ["Done."])


@click.command("scheduler")
@with_appcontext
def scheduler() -> None:
    """Trigger every job when it is due, until told to stop. Any number of these is safe."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    _prove_master_keys()
    # Where there is a broker, its workers run the loops.
    loops = None if has_broker(app) else LoopsBeside()
    # Jobs can wait for a core, requests and webhooks cannot. On Linux this thread and those that
    # it begins give way, and the loops, begun before and by another thread, do not.
    os.nice(JOBS_NICENESS)
    running = start_scheduler(app, send_or_run)
    stopped.wait()
    if loops is not None:
        loops.stop()
    running.shutdown(wait=True)


@click.command("loops", hidden=True)
@with_appcontext
def loops() -> None:
    """What the scheduler begins beside itself; ends with it."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    threading.Thread(target=_note_end_of_input, args=(stopped,), daemon=True).start()
    # What stands in memory by now stays; going through it again and again would hold up deliveries.
    gc.collect()
    gc.freeze()
    running = start_loops(current_app._get_current_object())  # type: ignore[attr-defined]
    stopped.wait()
    running.stop()


def _note_end_of_input(stopped: threading.Event) -> None:
    with open(0, "rb", buffering=0, closefd=False) as begun_by:
        while begun_by.read(1024):
            pass
    stopped.set()


@click.command("worker")
@click.option(
    "queues", "--queue", multiple=True, type=click.Choice(QUEUES), help="Take only these."
)
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1, 64))
@with_appcontext
def worker(queues: tuple[str, ...], threads: int) -> None:
    """Run jobs from the broker, until told to stop."""
    _prove_master_keys()
    try:
        work(current_app._get_current_object(), queues or QUEUES, threads)  # type: ignore[attr-defined]
    except AppError as refusal:
        raise CommandRefused(refusal.message) from refusal


def _prove_master_keys() -> None:
    try:
        verify_master_keys()
    except VaultError as error:
        raise CommandRefused(f"The vault does not open: {error}") from error


def _present_job(job: Job, last: JobRun | None) -> dict[str, Any]:
    return {
        "name": job.name,
        "what_for": job.what_for,
        "trigger": str(job.trigger),
        "last_run": None
        if last is None
        else {
            "started_at": last.started_at,
            "result": last.result,
            "figures": json.loads(last.figures),
        },
    }


def _person() -> str:
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):  # a container's user without an entry anywhere
        return f"uid-{os.getuid()}"


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)
