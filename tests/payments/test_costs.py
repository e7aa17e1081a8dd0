"""What a warm process spends on a payment: parsed keys, connections, statements. Counts only."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

import wsgi
from config.clock import now
from config.database import changed_rows, db, transaction
from config.scheduler import JobLease
from config.settings import Settings
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.orders.models import Order
from submerchants.tenants.models import SubMerchant
from tests.conftest import PLATFORM_URL
from tests.factories.payments import OPENID, place_order
from tests.factories.submerchants import bearer, make_api_key
from tests.statements import commands_done, listening, wire_trace

MOST_WRITES = 4  # inbox, order, event, audit
MOST_JOURNEYS = 2  # to PostgreSQL: the order with BEGIN, the others with COMMIT
# The order and its audit; once WeChat Pay has answered, the order again and its audit.
MOST_ORDER_WRITES, MOST_ORDER_COMMITS = 4, 2
MOST_ORDER_JOURNEYS = 4  # the key, the order with its audit, and two for the answer
ORDERS = 40
THREADS = 4
PARSERS = {"load_pem_private_key", "load_pem_public_key", "load_pem_x509_certificate"}


def test_a_notification_costs_four_writes_and_one_commit(
    app: Flask, sub_merchant: SubMerchant, partner: Partner, simulator: Simulator
) -> None:
    _pay(place_order(sub_merchant=sub_merchant, partner=partner), simulator)
    order = place_order(sub_merchant=sub_merchant, partner=partner)
    simulator.pay(order.out_trade_no)

    with _counting_writes() as counts:
        simulator.notifier.deliver_due()

    assert len(counts.writes) == MOST_WRITES, counts.writes
    assert counts.commits == 1
    assert counts.journeys in (None, MOST_JOURNEYS)
    assert simulator.outbox.listed({}, 10, 0)[-1]["state"] == "DELIVERED"


def test_an_order_costs_four_writes_and_two_commits(
    client: FlaskClient, sub_merchant: SubMerchant, partner: Partner
) -> None:
    key = make_api_key(sub_merchant)
    for number in ("W1", "W2"):  # the first one also notes that the key is in use
        client.post("/api/v1/orders", json=_tea(number), headers=bearer(key))

    with _counting_writes() as counts:
        answer = client.post("/api/v1/orders", json=_tea("W3"), headers=bearer(key))

    assert answer.status_code == 201
    assert len(counts.writes) == MOST_ORDER_WRITES, counts.writes
    assert counts.commits == MOST_ORDER_COMMITS
    assert counts.journeys in (None, MOST_ORDER_JOURNEYS)


def test_the_count_of_writes_can_fail(app: Flask) -> None:
    with _counting_writes() as counts:
        for name in ("a", "b"):
            with transaction() as session:
                session.add(JobLease(id=name, holder="h", held_until=now()))
                session.flush()
                changed_rows(update(JobLease).values(holder="g"))

    assert len(counts.writes) == 4
    assert counts.commits == 2


@pytest.mark.sqlite_only
def test_no_key_is_parsed_once_a_process_is_warm(
    client: FlaskClient, sub_merchant: SubMerchant, partner: Partner, simulator: Simulator
) -> None:
    key = make_api_key(sub_merchant)
    _order_and_pay(client, key, simulator, "W0")

    with _counting_calls(PARSERS) as parsed:
        for number in range(1, 6):
            _order_and_pay(client, key, simulator, f"W{number}")

    assert parsed == []


@pytest.mark.sqlite_only
def test_the_parser_count_can_fail(app: Flask, simulator: Simulator, partner: Partner) -> None:
    with _counting_calls(PARSERS) as parsed:
        Simulator(simulator.home, persistent=False).close()

    assert "load_pem_private_key" in parsed


@pytest.mark.sqlite_only
def test_warm_orders_share_their_connections(
    settings: Settings, sub_merchant: SubMerchant, partner: Partner, simulator: Simulator
) -> None:
    key = make_api_key(sub_merchant)
    with _served(simulator) as (url, connections):
        networked = wsgi.create_app(
            settings.model_copy(
                update={"wechatpay_base_url": url, "wechatpay_fallback_base_url": url}
            )
        )

        with ThreadPoolExecutor(THREADS) as threads:
            statuses = list(
                threads.map(lambda number: _order(networked, key, number), range(ORDERS))
            )
        with networked.app_context():
            db.engine.dispose()

    assert set(statuses) == {201}
    assert len(connections) <= THREADS


def _pay(order: Order, simulator: Simulator) -> None:
    simulator.pay(order.out_trade_no)
    simulator.notifier.deliver_due()


def _order_and_pay(client: FlaskClient, key: str, simulator: Simulator, number: str) -> None:
    answer = client.post("/api/v1/orders", json=_tea(number), headers=bearer(key))
    assert answer.status_code == 201, answer.text
    simulator.pay(json.loads(answer.data)["out_trade_no"])
    assert simulator.notifier.deliver_due() == 1


def _order(app: Flask, key: str, number: int) -> int:
    client = app.test_client()
    answer = client.post(
        "/api/v1/orders", json=_tea(f"C{number}"), headers=bearer(key), base_url=PLATFORM_URL
    )
    return answer.status_code


def _tea(number: str) -> dict[str, object]:
    return {
        "merchant_order_no": number,
        "description": "Tea",
        "amount_fen": 1800,
        "payer": {"sub_openid": OPENID},
    }


class _Counts:
    """Statements that write, and commits that end a transaction with one in it."""

    def __init__(self) -> None:
        self.writes: list[str] = []
        self.commits = 0
        self.journeys: int | None = None  # known where the server's own answers are counted
        self._uncommitted = 0

    def executed(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            self.writes.append(statement)
            self._uncommitted += 1

    def committed(self, _connection: Any) -> None:
        self.commits += bool(self._uncommitted)
        self._uncommitted = 0

    def read_trace(self, trace: str) -> None:
        """What PostgreSQL said it has done, out of the driver's own record of the wire."""
        self.journeys = trace.count("ReadyForQuery")
        for done in commands_done(trace):
            if done == "COMMIT":
                self.committed(None)
            else:
                self.executed(None, None, done)


@contextmanager
def _counting_writes() -> Iterator[_Counts]:
    counts = _Counts()
    if db.engine.dialect.name == "postgresql":
        with wire_trace(db.engine) as trace:
            yield counts
        counts.read_trace(trace.text)
        return
    with listening(db.engine, before_cursor_execute=counts.executed, commit=counts.committed):
        yield counts


@contextmanager
def _counting_calls(names: set[str]) -> Iterator[list[str]]:
    """The built-in functions of these names that are called inside, wherever they were imported."""
    called: list[str] = []

    def look(_frame: FrameType, what: str, function: Any) -> None:
        if what == "c_call" and getattr(function, "__name__", "") in names:
            called.append(function.__name__)

    sys.setprofile(look)
    try:
        yield called
    finally:
        sys.setprofile(None)


class _CountingServer(ThreadingHTTPServer):
    """The simulator on a socket, over connections that stay open and are remembered."""

    daemon_threads = True

    def __init__(self, application: Flask) -> None:
        super().__init__(("127.0.0.1", 0), _KeepingHandler)
        self.application = application
        self.connections: list[object] = []

    def get_request(self) -> tuple[socket.socket, Any]:
        accepted = super().get_request()
        self.connections.append(accepted[1])
        return accepted


class _KeepingHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _CountingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = self.server.application.test_client().post(
            self.path, data=body, headers=list(self.headers.items())
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.data)

    def log_message(self, *_: object) -> None:
        """Quiet: the test says what it found."""


@contextmanager
def _served(simulator: Simulator) -> Iterator[tuple[str, list[object]]]:
    server = _CountingServer(simulator.app)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", server.connections
    server.shutdown()
    thread.join()
    server.server_close()
