"""The manners every command has, and the commands of the ground floor."""

from __future__ import annotations

import json

import click
import pytest
from flask import Flask
from flask.testing import FlaskCliRunner
from sqlalchemy import select, update

from config.audit import AuditEntry, record, seal_entries
from config.commands import emit, json_option
from config.database import transaction
from config.errors import RefusedHere
from config.scheduler import JobRun, get_job
from config.vault import VaultError


@pytest.fixture
def run(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


@click.command("try")
@click.option("--wrong", type=click.Choice(["refused", "vault"]))
@json_option
def attempt(wrong: str | None, as_json: bool) -> None:
    """A command that goes right or wrong as told."""
    if wrong == "refused":
        raise RefusedHere("It cannot be done.\nDo something else.")
    if wrong == "vault":
        raise VaultError("wrong key")
    emit({"名": "值"}, as_json, ["well", "done"])


def test_json_is_one_document_and_people_get_lines(run: FlaskCliRunner) -> None:
    for_programs = run.invoke(attempt, ["--json"])
    for_people = run.invoke(attempt, [])

    assert json.loads(for_programs.stdout) == {"名": "值"}
    assert "名" in for_programs.stdout
    assert for_people.stdout == "well\ndone\n"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [("refused", "It cannot be done. Do something else."), ("vault", "wrong key")],
)
def test_a_refusal_is_one_line_on_standard_error(
    run: FlaskCliRunner, wrong: str, told: str
) -> None:
    result = run.invoke(attempt, ["--json", "--wrong", wrong])

    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_whole_audit_trail_verifies_and_an_altered_entry_is_named(
    run: FlaskCliRunner, app: Flask
) -> None:
    for number in range(3):
        with transaction():
            record("thing.done", object_kind="thing", object_id=str(number))
    seal_entries()

    whole = run.invoke(args=["audit", "verify", "--json"])
    with transaction() as session:
        session.execute(
            update(AuditEntry).where(AuditEntry.object_id == "1").values(action="thing.undone")
        )
    altered = run.invoke(args=["audit", "verify", "--json"])

    assert whole.exit_code == 0
    assert json.loads(whole.stdout)["entries"] == 3
    assert altered.exit_code == 1
    assert json.loads(altered.stdout)["faults"] == ["entry 2 was altered"]


def test_jobs_are_listed_with_their_last_run(run: FlaskCliRunner, app: Flask) -> None:
    with transaction():
        record("thing.done", object_kind="thing", object_id="1")
    ran = run.invoke(args=["jobs", "run", "audit.seal", "--json"])

    listed = run.invoke(args=["jobs", "list", "--json"])

    assert json.loads(ran.stdout) == {"job": "audit.seal", "figures": {"sealed": 1}}
    jobs = {job["name"]: job for job in json.loads(listed.stdout)}
    assert jobs["audit.seal"]["last_run"]["figures"] == {"sealed": 1}
    assert jobs["partner.warn-of-expiry"]["last_run"] is None


def test_a_job_that_runs_elsewhere_is_not_run_twice(run: FlaskCliRunner, app: Flask) -> None:
    job = get_job(app, "jobs.forget")

    def run_inside() -> dict[str, object]:
        inner = app.test_cli_runner().invoke(args=["jobs", "run", job.name])
        return {"status": inner.exit_code, "told": inner.stderr}

    app.extensions["jobs"]["jobs.forget"] = type(job)(
        job.name, job.what_for, run_inside, job.trigger
    )
    try:
        result = run.invoke(args=["jobs", "run", job.name, "--json"])
    finally:
        app.extensions["jobs"]["jobs.forget"] = job

    figures = json.loads(result.stdout)["figures"]
    assert figures["status"] == 1
    assert "is running elsewhere" in figures["told"]


def test_an_unknown_job_names_those_there_are(run: FlaskCliRunner, app: Flask) -> None:
    result = run.invoke(args=["jobs", "run", "nothing"])

    assert result.exit_code == 1
    assert "audit.seal" in result.stderr
    with app.app_context(), transaction() as session:
        assert session.scalars(select(JobRun)).all() == []
