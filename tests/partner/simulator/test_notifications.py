"""Payments are told to the merchant: signed, sealed, repeated on the schedule, and spoiled on
request."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from partner.simulator import Simulator
from partner.simulator.order_fields import PRODUCTS
from tests.partner.simulator.conftest import BASE, Merchant, Receiver, is_signed

SCHEDULE = [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600]


def opened(home: Path, body: bytes) -> dict[str, Any]:
    resource = json.loads(body)["resource"]
    key = (home / "api_v3_key").read_bytes()
    sealed = base64.b64decode(resource["ciphertext"])
    nonce, extra = resource["nonce"].encode(), resource["associated_data"].encode()
    document: dict[str, Any] = json.loads(AESGCM(key).decrypt(nonce, sealed, extra))
    return document


def paid(merchant: Merchant, sim: Simulator, out_trade_no: str = "T20260301-000042") -> None:
    merchant.place(out_trade_no=out_trade_no)
    sim.pay(out_trade_no)
    sim.notifier.deliver_due()


def test_a_payment_is_told_signed_and_sealed(
    merchant: Merchant, sim: Simulator, receiver: Receiver, home: Path
) -> None:
    paid(merchant, sim)

    [(headers, body)] = receiver.received
    envelope = json.loads(body)
    assert is_signed(merchant.wechatpay_keys, headers, body)
    assert envelope["event_type"] == "TRANSACTION.SUCCESS"
    assert envelope["resource_type"] == "encrypt-resource"
    assert envelope["summary"] == "支付成功"
    assert envelope["resource"]["original_type"] == "transaction"
    assert envelope["resource"]["associated_data"] == "transaction"
    assert len(envelope["resource"]["nonce"]) == 12
    assert opened(home, body) == merchant.query("T20260301-000042").json()


def test_unpaid_and_closed_orders_are_never_told(
    merchant: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    merchant.place()
    merchant.close("T20260301-000042")

    sim.clock.advance(86400)
    sim.notifier.deliver_due()

    assert receiver.received == []


@pytest.mark.parametrize("status", [200, 204])
def test_any_200_or_204_is_receipt(
    merchant: Merchant, sim: Simulator, receiver: Receiver, status: int
) -> None:
    receiver.statuses = [status]

    paid(merchant, sim)
    sim.clock.advance(86400)
    sim.notifier.deliver_due()

    assert len(receiver.received) == 1
    assert sim.outbox.listed()[0]["state"] == "DELIVERED"


@pytest.mark.parametrize("status", [201, 202, 302, 307, 400, 401, 500, 503])
def test_anything_else_is_no_receipt_and_redirects_are_not_followed(
    merchant: Merchant, sim: Simulator, receiver: Receiver, status: int
) -> None:
    receiver.statuses = [status]

    paid(merchant, sim)

    told = sim.outbox.listed()[0]
    assert told["state"] == "WAITING"
    assert [one["status"] for one in told["tries"]] == [status]


def test_repeats_follow_the_schedule_and_then_stop(
    merchant: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    receiver.statuses = [500] * 40
    paid(merchant, sim)

    for wait in SCHEDULE:
        sim.clock.advance(wait - 2)
        assert sim.notifier.deliver_due() == 0
        sim.clock.advance(3)
        assert sim.notifier.deliver_due() == 1
    sim.clock.advance(7 * 86400)

    assert sim.notifier.deliver_due() == 0
    assert len(receiver.received) == 16
    assert sim.outbox.listed()[0]["state"] == "GIVEN_UP"


def test_every_repeat_is_the_same_notification_signed_anew(
    merchant: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    paid(merchant, sim)
    sim.clock.advance(20)
    sim.notifier.deliver_due()

    first, second = receiver.received

    assert len({envelope["id"] for envelope in receiver.envelopes()}) == 1
    assert first[0]["Wechatpay-Nonce"] != second[0]["Wechatpay-Nonce"]
    assert is_signed(merchant.wechatpay_keys, second[0], second[1])


def test_which_key_signs_follows_the_one_the_order_asked_for(
    merchant: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    paid(merchant, sim, "WITH-CERTIFICATE")
    merchant.public_key_id = sim.facts["wechatpay_public_key_id"]
    paid(merchant, sim, "WITH-PUBLIC-KEY")

    serials = [headers["Wechatpay-Serial"] for headers, _ in receiver.received]

    assert serials == [sim.facts["platform_serial_no"], sim.facts["wechatpay_public_key_id"]]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_signed_with_the_public_key_can_be_set(
    merchant: Merchant, sim: Simulator, receiver: Receiver, share: float
) -> None:
    sim.register(notification_public_key_share=share)

    paid(merchant, sim)

    expected = "wechatpay_public_key_id" if share else "platform_serial_no"
    assert receiver.received[0][0]["Wechatpay-Serial"] == sim.facts[expected]


def test_a_probe_fails_verification_and_the_genuine_one_follows_after_15_seconds(
    merchant: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    sim.faults.add("notification_probe")
    receiver.statuses = [401, 204]
    paid(merchant, sim)
    sim.clock.advance(16)
    sim.notifier.deliver_due()

    probe, genuine = receiver.received

    assert probe[0]["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
    assert not is_signed(merchant.wechatpay_keys, *probe)
    assert is_signed(merchant.wechatpay_keys, *genuine)
    assert [one["signature"] for one in sim.outbox.listed()[0]["tries"]] == ["probe", "genuine"]


def test_a_badly_signed_notification_does_not_verify(
    merchant: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    sim.faults.add("notification_bad_signature")

    paid(merchant, sim)

    assert not is_signed(merchant.wechatpay_keys, *receiver.received[0])


def test_late_missing_and_repeated_notifications(
    merchant: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    sim.faults.add("notification_late", seconds=300, out_trade_no="LATE-ORDER")
    sim.faults.add("notification_missing", out_trade_no="MISSING-ORDER")
    sim.faults.add("notification_repeated", repeats=2, out_trade_no="REPEATED-ORDER")
    for number in ("LATE-ORDER", "MISSING-ORDER", "REPEATED-ORDER"):
        paid(merchant, sim, number)

    at_once = len(receiver.received)
    sim.clock.advance(301)
    sim.notifier.deliver_due()

    states = {one["out_trade_no"]: one["state"] for one in sim.outbox.listed()}
    assert at_once == 3
    assert len(receiver.received) == 4
    assert states["MISSING-ORDER"] == "SUPPRESSED"
    assert states["LATE-ORDER"] == states["REPEATED-ORDER"] == "DELIVERED"


def test_a_reordered_notification_is_overtaken_by_the_next(
    merchant: Merchant, sim: Simulator, receiver: Receiver, home: Path
) -> None:
    sim.faults.add("notification_reordered")
    paid(merchant, sim, "FIRST-PAID")
    paid(merchant, sim, "SECOND-PAID")
    sim.clock.advance(2)
    sim.notifier.deliver_due()

    order = [opened(home, body)["out_trade_no"] for _, body in receiver.received]

    assert order == ["SECOND-PAID", "FIRST-PAID"]


def test_content_can_be_wrong_under_a_genuine_signature(
    merchant: Merchant, sim: Simulator, receiver: Receiver, home: Path
) -> None:
    sim.faults.add("notification_wrong_amount", delta_fen=-1)
    paid(merchant, sim, "WRONG-AMOUNT")
    sim.faults.add("notification_wrong_sub_mchid")
    paid(merchant, sim, "WRONG-SUB")
    sim.faults.add("notification_wrong_content", set={"trade_state": "REFUND", "payer": None})
    paid(merchant, sim, "WRONG-STATE")

    amount, sub, state = (opened(home, body) for _, body in receiver.received)

    assert all(is_signed(merchant.wechatpay_keys, *one) for one in receiver.received)
    assert amount["amount"]["total"] == 1879
    assert sub["sub_mchid"] != merchant.order["sub_mchid"]
    assert (state["trade_state"], "payer" in state) == ("REFUND", False)
    assert [order.trade_state for order in sim.ledger.orders()] == ["SUCCESS"] * 3


class _Slow(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(2.0)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class _Quick(_Slow):
    arrived: list[float]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).arrived.append(time.monotonic())
        self.send_response(204)
        self.end_headers()


@pytest.fixture
def two_receivers() -> Iterator[tuple[str, str]]:
    """A slow and a quick address on loopback."""
    _Quick.arrived = []
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for handler in (_Slow, _Quick)]
    threads = [threading.Thread(target=one.serve_forever, args=(0.05,)) for one in servers]
    for thread in threads:
        thread.start()
    slow, quick = (f"http://127.0.0.1:{one.server_address[1]}/n" for one in servers)
    yield slow, quick
    for server in servers:
        server.shutdown()
        server.server_close()
    for thread in threads:
        thread.join()


def test_a_slow_receiver_does_not_delay_another(
    home: Path, merchant: Merchant, two_receivers: tuple[str, str]
) -> None:
    slow, quick = two_receivers
    simulator = Simulator(home, base_url=BASE, persistent=False)
    provider = simulator.merchants.all()[0]
    place = simulator.world.orders.place
    product = PRODUCTS["jsapi"]
    numbers = [f"SLOW-{n:03}" for n in range(30)] + [f"QUICK-{n:03}" for n in range(5)]
    for number in numbers:
        url = slow if number.startswith("SLOW") else quick
        order = {**merchant.order, "out_trade_no": number, "notify_url": url}
        place(provider, product, json.dumps(order).encode(), False)

    simulator.notifier.start()
    started = time.monotonic()
    for number in numbers:
        simulator.pay(number)
    while len(_Quick.arrived) < 5 and time.monotonic() - started < 4:
        time.sleep(0.02)
    simulator.close()

    assert len(_Quick.arrived) == 5
    assert max(_Quick.arrived) - started < 1.5
