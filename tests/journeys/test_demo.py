"""The demo that `make run` loads: real trade at a real simulator, once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

import wsgi
from config import clock
from config.database import db
from config.settings import Settings
from payments.orders.models import Order, OrderState, TradeType
from payments.refunds.models import Refund, RefundOrigin, RefundState, RefundTask, Waiting
from payments.webhooks.models import WebhookEndpoint
from submerchants.tenancy import across_tenants
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

    @property
    def inbox(self) -> str:
        return f"{self.environment['WECHATPAY_BASE_URL']}/_simulator/inbox"

    def provider(self) -> dict[str, Any]:
        """The provider as the simulator knows it."""
        url = f"{self.environment['WECHATPAY_BASE_URL']}/_simulator/merchants"
        [known] = requests.get(url, timeout=10).json()["data"]
        return dict(known)

    @contextmanager
    def books(self) -> Iterator[None]:
        """Inside, queries see what was loaded, of every tenant."""
        app = wsgi.create_app(Settings.from_environment(self.environment))
        with app.app_context(), across_tenants("a test looks at the demo"):
            yield
            db.engine.dispose()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    home, port = tmp_path / "simulator", free_port()
    simulator = programs.simulator(home, port).start().wait_ready()
    wechatpay = f"http://{HOST}:{port}"
    environment = {
        **variables_for(
            f"sqlite:///{tmp_path / 'demo.sqlite'}", f"http://{HOST}:{free_port()}", wechatpay
        ),
        "WEIXIN_OPEN_BASE_URL": wechatpay,
        "WEIXIN_API_BASE_URL": wechatpay,
        "WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    programs.run_flask(environment, "db", "upgrade")
    yield Stage(home, environment)
    simulator.stop()


@pytest.mark.processes
def test_the_demo_loads_once_and_leaves_something_to_look_at(stage: Stage) -> None:
    first = stage.load()
    moved_to = stage.environment["PUBLIC_BASE_URL"] = f"http://{HOST}:{free_port()}"

    second = stage.load()

    assert first["loaded"]
    assert second == {
        "loaded": False,
        "checkout_link_id": first["checkout_link_id"],
        "checkout_url": f"{moved_to}/checkout/{first['checkout_url'].rpartition('/')[2]}",
        "paid_order_id": first["paid_order_id"],
    }
    assert f"{moved_to}/checkout/" in stage.provider()["payment_directories"]
    assert 61 <= first["orders"] <= 81  # three whole days, today as far as it has come, and one now
    assert len(first["sub_merchants"]) == 3
    assert {entry["state"] for entry in stage.flask("notifications", "list")} == {"APPLIED"}
    assert stage.flask("audit", "verify")["faults"] == []
    assert _kinds_by_days_ago(stage) == {3: {}, 2: {"MISSING_HERE": 1}}
    with stage.books():
        _assert_orders_are_of_every_kind()
        _assert_refunds_stand_everywhere()
        assert db.session.scalars(select(WebhookEndpoint.url)).all() == [stage.inbox]


def _kinds_by_days_ago(stage: Stage) -> dict[int, Counter[str]]:
    """What differs on the days whose bill is there at any hour, payments and refunds alike."""
    today = clock.beijing_date(clock.now())
    kinds = {}
    for days_ago in (3, 2):
        day = (today - timedelta(days=days_ago)).isoformat()
        tenants = stage.flask("reconcile", "--date", day)
        kinds[days_ago] = Counter(one["kind"] for each in tenants for one in each["discrepancies"])
    return kinds


def _assert_orders_are_of_every_kind() -> None:
    made = db.session.execute(select(Order.merchant_order_no, Order.trade_type, Order.state)).all()
    paid = {trade_type for _, trade_type, state in made if state is OrderState.PAID}
    untold = [state for number, _, state in made if number.endswith("-014")]
    assert paid == set(TradeType)
    assert untold.count(OrderState.PAID) >= 3  # one a day was never notified, and the sweep asked


def _assert_refunds_stand_everywhere() -> None:
    made = db.session.scalars(select(Refund)).all()
    tasks = db.session.scalars(select(RefundTask.refund_id)).all()
    assert {refund.state for refund in made} == set(RefundState)
    assert {refund.origin for refund in made} == set(RefundOrigin)
    assert [one.waiting for one in made if one.state is RefundState.REQUESTED] == [Waiting.FUNDS]
    assert tasks == [one.id for one in made if one.state is RefundState.ABNORMAL]
    assert {one.amount_fen == one.total_fen for one in made} == {True, False}
    assert max(Counter(one.order_id for one in made).values()) == 2
