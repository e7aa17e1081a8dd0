"""What `make run` starts and stops together, with commands that stand in for the real ones."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.processes import Household
from config.run_environment import HOST, CannotRun, Places, child_environment, write_private
from tests.programs import free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield int(listener.getsockname()[1])


@pytest.fixture
def household() -> Iterator[Household]:
    made = Household(dict(os.environ))
    yield made
    made.stop()


def test_a_taken_port_is_named_with_a_way_out(taken_port: int) -> None:
    places = Places(web=taken_port, simulator=free_port())

    with pytest.raises(CannotRun, match=rf"Port {taken_port} .* make run PORT="):
        places.require_free()


def test_free_ports_are_fine() -> None:
    Places(web=free_port(), simulator=free_port()).require_free()


def test_secrets_are_written_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "var" / "run.env"

    write_private(path, "SECRET_KEY=x")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "SECRET_KEY=x"


def test_a_command_never_gets_a_broker_from_its_surroundings() -> None:
    told = child_environment({"DATABASE_URL": "sqlite:///x"})

    assert told["DATABASE_URL"] == "sqlite:///x"
    assert (told["REDIS_URL"], told["BROKER_URL"], told["TRUSTED_PROXIES"]) == ("", "", "")
    assert told["METRICS_FOLDER"] == ""


@pytest.mark.processes
def test_one_that_ends_is_named_and_the_rest_is_stopped(household: Household) -> None:
    port = free_port()
    household.start("listener", "http.server", str(port), "--bind", HOST)
    household.wait_for(f"http://{HOST}:{port}/Makefile", "listener")
    household.start("liar", "this_module_is_nowhere")

    with pytest.raises(CannotRun, match="The liar ended"):
        household.stay()

    household.stop()
    assert [child.process.poll() is None for child in household.children] == [False, False]


@pytest.mark.processes
def test_a_command_that_fails_says_which(household: Household) -> None:
    with pytest.raises(CannotRun, match="this_module_is_nowhere"):
        household.run("this_module_is_nowhere")
