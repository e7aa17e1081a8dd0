"""Connections and answers that go wrong, as a client sees them: in-process and over a socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import requests
from werkzeug.serving import make_server

from partner.simulator import Simulator
from tests.partner.simulator.conftest import BASE, ORDERS, Merchant

CONTROL = f"{BASE}/_simulator/faults"


def test_a_lost_answer_did_its_work(merchant: Merchant, sim: Simulator) -> None:
    sim.faults.add("lost_answer")

    with pytest.raises(requests.ConnectionError):
        merchant.place()

    assert sim.ledger.order_numbers() == ["T20260301-000042"]
    assert merchant.place().status_code == 200


@pytest.mark.parametrize("kind", ["timeout", "reset"])
def test_a_request_that_never_arrived_did_nothing(
    merchant: Merchant, sim: Simulator, kind: str
) -> None:
    sim.faults.add(kind)

    with pytest.raises((requests.ReadTimeout, requests.ConnectionError)):
        merchant.place()

    assert sim.ledger.count() == 0


def test_a_held_request_meets_the_clients_time_out_without_waiting_for_it(
    merchant: Merchant, sim: Simulator
) -> None:
    sim.faults.add("timeout", seconds=30)
    started = time.monotonic()

    with pytest.raises(requests.ReadTimeout):
        merchant.place()

    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [("http_500", 500), ("http_502", 502), ("http_503", 503), ("rate_limit", 429)],
)
@pytest.mark.parametrize("work_done", [False, True])
def test_server_trouble_may_hide_work_that_was_done(
    merchant: Merchant, sim: Simulator, kind: str, status: int, work_done: bool
) -> None:
    sim.faults.add(kind, work_done=work_done)

    answer = merchant.place()

    assert answer.status_code == status
    assert not merchant.is_genuine(answer)
    assert sim.ledger.count() == int(work_done)


def test_any_refusal_of_the_documents_can_be_had(merchant: Merchant, sim: Simulator) -> None:
    told = {"code": "RULE_LIMIT", "message": "今日收款超出单日收款最大金额"}
    sim.faults.add("refusal", status=403, number=268448010, **told)

    refused = merchant.place()

    assert (refused.status_code, refused.json()) == (403, told)
    assert refused.headers["Request-ID"].endswith("-268448010")
    assert not merchant.is_genuine(refused)
    assert sim.ledger.count() == 0
    assert merchant.place().status_code == 200


@pytest.mark.parametrize("kind", ["bad_signature", "probe_signature", "unsigned", "unknown_serial"])
def test_an_answer_that_cannot_be_trusted_hides_work_that_was_done(
    merchant: Merchant, sim: Simulator, kind: str
) -> None:
    sim.faults.add(kind)

    spoiled = merchant.place()

    assert spoiled.status_code == 200
    assert not merchant.is_genuine(spoiled)
    assert sim.ledger.count() == 1
    assert merchant.is_genuine(merchant.place())


def test_a_stale_answer_is_genuine_but_old(merchant: Merchant, sim: Simulator) -> None:
    sim.faults.add("stale_timestamp", seconds=900)

    answer = merchant.place()

    assert merchant.is_genuine(answer)
    assert time.time() - int(answer.headers["Wechatpay-Timestamp"]) > 890


def test_a_cut_reply_breaks_off_in_the_middle(merchant: Merchant, sim: Simulator) -> None:
    sim.faults.add("cut_reply")

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        merchant.place()

    assert sim.ledger.count() == 1


def test_a_slow_reply_drips_out_whole(merchant: Merchant, sim: Simulator) -> None:
    sim.faults.add("slow", seconds=0.4)
    started = time.monotonic()

    answer = merchant.place()

    assert merchant.is_genuine(answer)
    assert time.monotonic() - started >= 0.35


def test_a_fault_strikes_only_where_and_as_often_as_it_was_told(
    merchant: Merchant, sim: Simulator
) -> None:
    sim.faults.add("http_500", path=ORDERS, method="post", times=2)

    statuses = [
        merchant.call("GET", "/v3/certificates").status_code,
        merchant.place().status_code,
        merchant.query("T20260301-000042").status_code,
        merchant.place().status_code,
        merchant.place().status_code,
    ]

    assert statuses == [200, 500, 404, 500, 200]
    assert sim.faults.active() == []


def test_chance_repeats_itself_under_the_same_seed(merchant: Merchant, sim: Simulator) -> None:
    def run() -> list[int]:
        sim.faults.clear()
        sim.faults.add("http_503", share=0.5, seed=7)
        return [merchant.call("GET", "/v3/certificates").status_code for _ in range(20)]

    first, second = run(), run()

    assert first == second
    assert {200, 503} == set(first)


def test_faults_are_set_listed_and_cleared_over_http(web: requests.Session, sim: Simulator) -> None:
    made = web.post(CONTROL, json={"kind": "http_500", "times": None, "path": "/v3/bill"})

    listed = web.get(CONTROL).json()["data"]
    cleared = web.delete(CONTROL).json()

    assert made.status_code == 201
    assert [one["id"] for one in listed] == [made.json()["id"]]
    assert cleared == {"cleared": 1}
    assert sim.faults.active() == []


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "nonsense"},
        {},
        {"kind": "http_500", "times": 0},
        {"kind": "http_500", "share": 2},
        {"kind": "slow", "seconds": "long"},
        {"kind": "slow", "path": 1},
        {"kind": "refusal", "status": 200},
        {"kind": "refusal", "status": "403"},
        {"kind": "refusal", "code": 7},
        {"kind": "refusal", "message": ""},
        {"kind": "notification_wrong_content", "set": []},
    ],
)
def test_a_fault_nobody_knows_is_answered_with_those_that_exist(
    web: requests.Session, body: dict[str, object]
) -> None:
    answer = web.post(CONTROL, json=body)

    assert answer.status_code == 400
    assert "lost_answer" in answer.json()["kinds"]


@pytest.fixture
def socket_base(sim: Simulator) -> Iterator[str]:
    """The same simulator behind a real socket."""
    server = make_server("127.0.0.1", 0, sim.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("kind", ["slow", "unsigned"])
def test_over_a_socket_the_answer_is_the_same(
    sim: Simulator, merchant: Merchant, socket_base: str, kind: str
) -> None:
    sim.faults.add(kind, seconds=0.2)
    target = "/v3/certificates"
    headers = {
        "Accept": "*/*",
        "User-Agent": "x",
        "Authorization": merchant.authorization("GET", target, b""),
    }

    answer = requests.get(socket_base + target, headers=headers, timeout=5)

    assert answer.status_code == 200
    assert len(answer.json()["data"]) == len(sim.world.rings.first.certificates)
