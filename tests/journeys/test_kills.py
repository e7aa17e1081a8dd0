"""Money while processes die and messages go astray: afterwards the books are WeChat Pay's.

Real programs, real databases. Web workers, the whole web server and the schedulers are killed
without warning while tenants order, payers pay, some of it is given back, answers are lost and
notifications are lost, doubled, reordered or spoiled. Chance is seeded; a failure prints the seed,
KILLS_SEED replays it.
"""

from __future__ import annotations

import os
import random
import secrets
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from config import audit, clock
from config.database import db
from payments.orders.models import Order, OrderState
from payments.orders.sweep import sweep_due
from payments.refunds.models import Refund, RefundState
from payments.refunds.states import FINAL
from payments.refunds.sweep import sweep_refunds
from payments.webhooks.models import WebhookEvent
from submerchants.tenancy import across_tenants
from tests.conftest import missing
from tests.factories.payments import OPENID
from tests.factories.submerchants import bearer
from tests.journeys.deployment import Deployment, deployed
from tests.servers import MYSQL, POSTGRESQL, make_database

PAYMENTS = int(os.environ.get("KILLS_PAYMENTS", "150"))
BUYERS = 8
PATIENCE_SECONDS = 120
KILL_EVERY_SECONDS = (0.2, 0.8)
LOOK_SECONDS = 0.2
PAID_SHARE = 0.85
REFUNDED_SHARE = 0.4  # of what is paid
PATIENT_SHARE = 0.9  # the rest of the tenants give up after the first answer that is no answer

# What goes wrong, and how often.
FAULTS: dict[str, dict[str, Any]] = {
    "lost_answer": {"share": 0.06, "path": "/v3/pay"},
    "cut_reply": {"share": 0.02, "path": "/v3/pay"},
    "bad_signature": {"share": 0.02, "path": "/v3/pay"},
    "http_500": {"share": 0.03, "path": "/v3/pay", "work_done": True},
    "reset": {"share": 0.03, "path": "/v3/pay"},
    "http_502": {"share": 0.05, "path": "/v3/refund", "work_done": True},
    "unsigned": {"share": 0.05, "path": "/v3/refund"},
    "slow": {"share": 0.01, "path": "/v3/refund", "seconds": 1},
    "http_503": {"share": 0.05, "path": "/v3/refund"},
    "rate_limit": {"share": 0.03, "path": "/v3/refund"},
    "notification_missing": {"share": 0.10},
    "notification_repeated": {"share": 0.20, "repeats": 2},
    "notification_reordered": {"share": 0.20},
    "notification_bad_signature": {"share": 0.05},
    "notification_probe": {"share": 0.05},
    "notification_wrong_amount": {"share": 0.03},
}


@pytest.fixture(params=["sqlite", "postgresql", "mysql"])
def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    engine: str = request.param
    database = make_database(engine, tmp_path)
    if database is None:
        missing((POSTGRESQL if engine == "postgresql" else MYSQL).missing)
        raise AssertionError
    # SQLite is served by one process; the others by two, of which one can die alone.
    workers = 1 if engine == "sqlite" else 2
    with deployed(database.url, tmp_path, workers=workers, schedulers=2) as made:
        yield made
    database.drop()


@pytest.mark.processes
@pytest.mark.timeout(900)
def test_after_kills_and_losses_our_books_are_wechat_pays(deployment: Deployment) -> None:
    seed = os.environ.get("KILLS_SEED") or secrets.token_hex(4)
    print(f"KILLS_SEED={seed}")  # noqa: T201 - shown when the test fails
    chance = random.Random(seed)
    for number, (kind, details) in enumerate(FAULTS.items()):
        deployment.wechatpay.set_fault(
            kind, times=None, seed=chance.randrange(2**32) + number, **details
        )

    with Killing(deployment, random.Random(f"{seed}/kills")) as kills:
        _buy_everything(deployment, seed)
    deployment.wechatpay.clear_faults()
    _let_the_sweep_finish(deployment)

    assert kills.total() >= 3
    _assert_books_agree(deployment)
    _assert_refunds_agree(deployment)


def _buy_everything(deployment: Deployment, seed: str) -> None:
    with ThreadPoolExecutor(BUYERS) as buyers:
        done = [
            buyers.submit(_buy, deployment, number, random.Random(f"{seed}/{number}"))
            for number in range(PAYMENTS)
        ]
    assert [error for one in done if (error := one.exception()) is not None] == []


def _buy(deployment: Deployment, number: int, chance: random.Random) -> None:
    # Numbers are taken in threes, so that all tenants use the same merchant_order_no.
    _, key = deployment.tenants[number % len(deployment.tenants)]
    order = {
        "merchant_order_no": f"K{number // len(deployment.tenants)}",
        "description": "Tea",
        "amount_fen": 100 + number,
        "payer": {"sub_openid": OPENID},
    }
    is_patient = chance.random() < PATIENT_SHARE
    deadline = time.monotonic() + (PATIENCE_SECONDS if is_patient else 0)
    while True:
        answer = _place(deployment, key, order)
        if answer is not None and answer.status_code in (200, 201):
            if chance.random() < PAID_SHARE:
                deployment.wechatpay.pay(answer.json()["out_trade_no"])
                if chance.random() < REFUNDED_SHARE:
                    _give_back(deployment, key, answer.json(), chance)
            return
        assert answer is None or answer.status_code in (424, 429, 500, 503), answer.text
        if time.monotonic() > deadline:
            return
        time.sleep(chance.uniform(0.2, 1.0))


def _give_back(
    deployment: Deployment, key: str, order: dict[str, Any], chance: random.Random
) -> None:
    """All of it, or two parts, each asked for with the same number until it is taken on."""
    part = chance.choice([order["amount_fen"], order["amount_fen"] // 2])
    for turn in range(chance.choice([1, 2])):
        body = {
            "order_id": order["id"],
            "merchant_refund_no": f"{order['merchant_order_no']}-{turn}",
            "amount_fen": part,
        }
        deadline = time.monotonic() + PATIENCE_SECONDS / 4
        while time.monotonic() < deadline:
            answer = _post(deployment, key, "refunds", body)
            if answer is not None and answer.status_code in (200, 201):
                break
            code = "" if answer is None else answer.json()["code"]
            if code == "refund_exceeds_balance":
                return  # the first part was all of it
            if code == "order_not_refundable":
                _post(deployment, key, f"orders/{order['id']}/sync", {})
            time.sleep(chance.uniform(0.2, 1.0))


def _place(deployment: Deployment, key: str, order: dict[str, Any]) -> requests.Response | None:
    return _post(deployment, key, "orders", order)


def _post(
    deployment: Deployment, key: str, path: str, body: dict[str, Any]
) -> requests.Response | None:
    try:
        return requests.post(
            f"{deployment.url}/api/v1/{path}", json=body, headers=bearer(key), timeout=30
        )
    except requests.RequestException:
        return None  # the process that would have answered is dead


class Killing:
    """Inside the block, programs die without warning and are started again."""

    def __init__(self, deployment: Deployment, chance: random.Random) -> None:
        self._deployment, self._chance = deployment, chance
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.kills: Counter[str] = Counter()

    def __enter__(self) -> Counter[str]:
        self._thread.start()
        return self.kills

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()
        for program in self._deployment.programs:
            if not program.is_alive:
                program.start()

    def _run(self) -> None:
        while not self._ending.wait(self._chance.uniform(*KILL_EVERY_SECONDS)):
            victim = self._chance.choice(["worker", "worker", "web", "scheduler"])
            self.kills[victim] += 1
            getattr(self, f"_kill_{victim}")()
            self._look_after()

    def _look_after(self) -> None:
        """What a supervisor does: start again what has ended, until the web answers."""
        while not self._ending.wait(LOOK_SECONDS):
            for program in self._deployment.programs:
                if not program.is_alive:
                    program.start()
            if self._deployment.web.answers():
                return

    def _kill_worker(self) -> None:
        workers = self._deployment.web.workers()
        if workers:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(workers), signal.SIGKILL)

    def _kill_web(self) -> None:
        self._deployment.web.kill()

    def _kill_scheduler(self) -> None:
        self._chance.choice(self._deployment.schedulers).kill()


def _let_the_sweep_finish(deployment: Deployment) -> None:
    """What is still open is asked about, as it would be within the next hour."""
    for scheduler in deployment.schedulers:
        scheduler.stop()
    with deployment.app.app_context(), clock.frozen_at(clock.now() + timedelta(hours=1)):
        while sweep_due().get("asked"):
            continue
    deployment.wechatpay.advance(timedelta(hours=2).total_seconds())
    for hours in range(2, 12):
        deployment.wechatpay.advance(timedelta(hours=1).total_seconds())
        with deployment.app.app_context(), clock.frozen_at(clock.now() + timedelta(hours=hours)):
            if not sweep_refunds().get("asked"):
                return
        time.sleep(LOOK_SECONDS * 10)  # it settles what it accepted


def _assert_books_agree(deployment: Deployment) -> None:
    theirs = {order["out_trade_no"]: order for order in deployment.wechatpay.orders()}
    with deployment.app.app_context(), across_tenants("comparing the books"):
        ours = {order.out_trade_no: order for order in db.session.scalars(select(Order))}
        events = list(
            db.session.scalars(select(WebhookEvent).where(WebhookEvent.type == "order.paid"))
        )
        credited = list(
            db.session.scalars(
                select(audit.AuditEntry.object_id).where(audit.AuditEntry.action == "order.paid")
            )
        )
    paid = {number for number, order in ours.items() if order.state is OrderState.PAID}

    assert set(theirs) <= set(ours)  # nothing is known there that was not written here first
    assert paid == {number for number, order in theirs.items() if order["transaction_id"]}
    assert len(paid) > PAYMENTS // 2
    assert _money(ours[number] for number in paid) == _their_money(theirs, paid)
    assert Counter(credited) == Counter(ours[number].id for number in paid)
    assert sorted((event.object_id, event.sub_merchant_id) for event in events) == sorted(
        (ours[number].id, ours[number].sub_merchant_id) for number in paid
    )


def _assert_refunds_agree(deployment: Deployment) -> None:
    theirs = {refund["out_refund_no"]: refund for refund in deployment.wechatpay.refunds()}
    with deployment.app.app_context(), across_tenants("comparing the books"):
        ours = {refund.out_refund_no: refund for refund in db.session.scalars(select(Refund))}
        orders = {order.id: order for order in db.session.scalars(select(Order))}
        told = list(
            db.session.scalars(
                select(WebhookEvent.object_id).where(WebhookEvent.type == "refund.succeeded")
            )
        )
    back = [refund for refund in ours.values() if refund.state is RefundState.SUCCEEDED]

    assert {refund.state for refund in ours.values()} <= FINAL
    assert {refund.out_refund_no for refund in back} == set(theirs)
    assert {one["status"] for one in theirs.values()} == {"SUCCESS"}
    assert len(back) > PAYMENTS // 10
    assert sorted((one.out_refund_no, one.amount_fen, one.sub_mchid) for one in back) == sorted(
        (one["out_refund_no"], one["amount"], one["sub_mchid"]) for one in theirs.values()
    )
    assert Counter(told) == Counter(refund.id for refund in back)
    given: Counter[str] = Counter()
    for refund in back:
        given[refund.order_id] += refund.amount_fen
    for order in orders.values():
        assert order.refunded_fen == order.refund_reserved_fen == given[order.id]
        assert order.refunded_fen <= order.amount_fen


def _money(orders: Iterator[Order]) -> list[tuple[object, ...]]:
    return sorted(
        (order.out_trade_no, order.sub_mchid, order.amount_fen, order.transaction_id)
        for order in orders
    )


def _their_money(theirs: dict[str, dict[str, Any]], paid: set[str]) -> list[tuple[object, ...]]:
    rows = (theirs[number] for number in paid)
    return sorted(
        (row["out_trade_no"], row["sub_mchid"], row["amount"], row["transaction_id"])
        for row in rows
    )
