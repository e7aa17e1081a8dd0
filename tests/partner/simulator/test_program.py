"""The program: `python -m partner.simulator` started, killed, and started again."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pytest_httpserver import HTTPServer

from tests.partner.simulator.conftest import PAYER, Merchant, wechatpay_keys

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[3]
Start = Callable[[], str]


def program(home: Path, port: int) -> list[str]:
    command = [sys.executable, "-m", "partner.simulator"]
    return [*command, "--home", str(home), "--port", str(port)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def start(running: list[subprocess.Popen[bytes]], home: Path) -> Start:
    """Start the program on its port, always the same one, and wait until it answers."""
    port = free_port()

    def started() -> str:
        process = subprocess.Popen(program(home, port), cwd=ROOT, stdout=subprocess.DEVNULL)
        running.append(process)
        base_url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and process.poll() is None:
            try:
                requests.get(f"{base_url}/_simulator/clock", timeout=1)
                return base_url
            except requests.RequestException:
                time.sleep(0.05)
        raise AssertionError("the simulator did not come up")

    return started


def merchant_at(home: Path, base_url: str, notify_url: str) -> Merchant:
    facts = json.loads((home / "simulator.json").read_text())
    assert facts["base_url"] == base_url
    key = serialization.load_pem_private_key((home / "apiclient_key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    order = {
        "sp_appid": facts["sp_appid"],
        "sp_mchid": facts["sp_mchid"],
        "sub_mchid": facts["sub_merchants"][0]["sub_mchid"],
        "description": "拿铁",
        "out_trade_no": "KILLED-AFTER",
        "notify_url": notify_url,
        "amount": {"total": 1880},
        "payer": {"sp_openid": PAYER},
    }
    known = wechatpay_keys(home, facts)
    session = requests.Session()
    mchid, serial_no = facts["sp_mchid"], facts["serial_no"]
    return Merchant(session, mchid, serial_no, key, known, order, base=base_url)


def listed(base_url: str, what: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = requests.get(f"{base_url}/_simulator/{what}", timeout=5).json()[
        "data"
    ]
    return data


def test_a_kill_loses_nothing_and_the_waiting_notification_leaves_afterwards(
    start: Start,
    running: list[subprocess.Popen[bytes]],
    home: Path,
    httpserver: HTTPServer,
) -> None:
    httpserver.expect_ordered_request("/notify").respond_with_data(status=500)
    httpserver.expect_ordered_request("/notify").respond_with_data(status=204)
    base_url = start()
    merchant = merchant_at(home, base_url, httpserver.url_for("/notify"))
    placed = merchant.place()
    requests.post(f"{base_url}/_simulator/clock", json={"advance_seconds": 1000}, timeout=5)
    requests.post(
        f"{base_url}/_simulator/merchants",
        json={"sub_merchants": [{"sub_mchid": "1900000955", "name": "后来的店"}]},
        timeout=5,
    )
    paid = requests.post(f"{base_url}/_simulator/orders/KILLED-AFTER/pay", timeout=5).json()
    while not httpserver.log:
        time.sleep(0.02)
    files = {path: path.read_bytes() for path in home.glob("*.pem")}

    running[-1].send_signal(signal.SIGKILL)
    running[-1].wait()
    assert start() == base_url

    assert merchant.is_genuine(placed)
    assert listed(base_url, "orders") == [paid]
    assert merchant.query("KILLED-AFTER").json()["transaction_id"] == paid["transaction_id"]
    clock = requests.get(f"{base_url}/_simulator/clock", timeout=5).json()
    assert clock["offset_seconds"] == 1000
    names = [one["name"] for one in listed(base_url, "merchants")[0]["sub_merchants"]]
    assert "后来的店" in names
    assert files == {path: path.read_bytes() for path in home.glob("*.pem")}
    requests.post(f"{base_url}/_simulator/clock", json={"advance_seconds": 16}, timeout=5)
    deadline = time.monotonic() + 5
    while listed(base_url, "notifications")[0]["state"] != "DELIVERED":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first, second = (request.get_json()["id"] for request, _ in httpserver.log)
    assert first == second
    merchant.session.close()


def test_a_taken_port_is_said_clearly(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = subprocess.run(
            program(home, port), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
        )

    assert result.returncode == 1
    assert f"port taken: 127.0.0.1:{port}" in result.stderr


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_when_told_to(
    start: Start, running: list[subprocess.Popen[bytes]], stop: signal.Signals
) -> None:
    start()

    running[-1].send_signal(stop)

    assert running[-1].wait(timeout=10) == 0


def test_over_a_socket_connections_are_kept_reset_and_dropped(start: Start) -> None:
    base_url = start()
    session = requests.Session()
    faults = f"{base_url}/_simulator/faults"

    def broken(kind: str) -> str:
        requests.post(faults, json={"kind": kind, "seconds": 0}, timeout=5)
        with pytest.raises(requests.RequestException) as caught:
            session.get(f"{base_url}/v3/certificates", timeout=5)
        return str(caught.value)

    kept = session.get(f"{base_url}/v3/certificates", timeout=5)

    assert kept.headers["Connection"] == "keep-alive"
    assert "reset" in broken("reset").lower()
    for kind in ("timeout", "lost_answer"):
        assert "closed connection without response" in broken(kind)
    assert "IncompleteRead" in broken("cut_reply")
    session.close()
