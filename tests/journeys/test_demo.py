"""The demo that `make run` loads: real trade at a real simulator, once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from config import clock
from tests import programs
from tests.journeys.deployment import variables_for
from tests.programs import HOST, free_port


@dataclass
class Stage:
    """A simulator that runs, and a database of its own."""

    home: Path
    environment: dict[str, str]

    def flask(self, *command: str) -> Any:
        return json.loads(programs.run_flask(self.environment, *command, "--json"))

    def load(self) -> dict[str, Any]:
        report: dict[str, Any] = self.flask("demo", "load", "--simulator-home", str(self.home))
        return report


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    home, port = tmp_path / "simulator", free_port()
    simulator = programs.simulator(home, port).start().wait_ready()
    environment = variables_for(
        f"sqlite:///{tmp_path / 'demo.sqlite'}",
        f"http://{HOST}:{free_port()}",
        f"http://{HOST}:{port}",
    )
    programs.run_flask(environment, "db", "upgrade")
    yield Stage(home, environment)
    simulator.stop()


@pytest.mark.processes
def test_the_demo_loads_once_and_leaves_something_to_look_at(stage: Stage) -> None:
    first = stage.load()

    second = stage.load()

    day_before = clock.beijing_date(clock.now()) - timedelta(days=2)
    days = stage.flask("reconcile", "--date", day_before.isoformat())
    inbox = Counter(entry["state"] for entry in stage.flask("notifications", "list"))
    assert first["loaded"]
    assert second == {"loaded": False}
    assert 60 <= first["orders"] <= 80  # three whole days, and today as far as it has come
    assert len(first["sub_merchants"]) == 3
    assert Counter(found["kind"] for day in days for found in day["discrepancies"]) == {
        "MISSING_HERE": 1
    }
    assert set(inbox) == {"APPLIED"}
    assert first["paid"] - inbox["APPLIED"] in (3, 4)  # one a day was lost, and the sweep asked
    assert stage.flask("audit", "verify")["faults"] == []
