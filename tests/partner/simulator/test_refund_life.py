"""What becomes of a refund, and what the merchant is told of it."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from partner.simulator import Simulator, WsgiAdapter
from partner.simulator.refund_life import CannotSettle
from tests.partner.simulator.conftest import BASE, RECEIVER, Merchant, Receiver, is_signed
from tests.partner.simulator.test_refunds import (
    CONTROL,
    NUMBER,
    apply,
    ask,
)

REFUND = "R20260302-000007"


def opened(home: Path, body: bytes) -> dict[str, Any]:
    resource = json.loads(body)["resource"]
    key = (home / "api_v3_key").read_bytes()
    nonce, extra = resource["nonce"].encode(), resource["associated_data"].encode()
    sealed = base64.b64decode(resource["ciphertext"])
    document: dict[str, Any] = json.loads(AESGCM(key).decrypt(nonce, sealed, extra))
    return document


def test_a_refund_succeeds_by_itself_and_is_told(
    refunding: Merchant, sim: Simulator, receiver: Receiver, home: Path
) -> None:
    sim.refund_outcomes.set("SUCCESS")
    refund = apply(refunding).json()

    sim.notifier.deliver_due()

    [(headers, body)] = receiver.received
    envelope, content = json.loads(body), opened(home, body)
    after = ask(refunding, REFUND).json()
    assert is_signed(refunding.wechatpay_keys, headers, body)
    assert (envelope["event_type"], envelope["summary"]) == ("REFUND.SUCCESS", "退款成功")
    assert envelope["resource"]["original_type"] == "refund"
    assert after["status"] == "SUCCESS"
    assert content == {
        "sp_mchid": refunding.mchid,
        "sub_mchid": refunding.order["sub_mchid"],
        "transaction_id": refund["transaction_id"],
        "out_trade_no": NUMBER,
        "refund_id": refund["refund_id"],
        "out_refund_no": REFUND,
        "refund_status": "SUCCESS",
        "success_time": after["success_time"],
        "user_received_account": "支付用户零钱",
        "amount": {"total": 1880, "refund": 500, "payer_total": 1880, "payer_refund": 500},
    }


@pytest.mark.parametrize("status", ["SUCCESS", "ABNORMAL", "CLOSED"])
def test_a_held_refund_waits_until_somebody_settles_it(
    refunding: Merchant, sim: Simulator, web: requests.Session, receiver: Receiver, status: str
) -> None:
    apply(refunding)
    sim.clock.advance(86400)
    sim.notifier.deliver_due()
    held = (ask(refunding, REFUND).json()["status"], len(receiver.received))

    settled = web.post(f"{CONTROL}/refunds/{REFUND}/settle", json={"status": status})
    sim.notifier.deliver_due()

    [envelope] = receiver.envelopes()
    assert held == ("PROCESSING", 0)
    assert (settled.status_code, settled.json()["status"]) == (200, status)
    assert envelope["event_type"] == f"REFUND.{status}"
    assert ("success_time" in ask(refunding, REFUND).json()) == (status == "SUCCESS")
    assert refunding.query(NUMBER).json()["trade_state"] == "REFUND"


def test_a_settled_refund_does_not_move_again(refunding: Merchant, sim: Simulator) -> None:
    apply(refunding)
    sim.settle_refund(REFUND, "CLOSED")

    with pytest.raises(CannotSettle, match="CLOSED"):
        sim.settle_refund(REFUND, "SUCCESS")

    assert ask(refunding, REFUND).json()["status"] == "CLOSED"


def test_two_who_settle_one_refund_have_one_winner_and_one_notification(
    refunding: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    apply(refunding)
    [held] = sim.refunds.refunds()

    def settle(status: str) -> bool:
        try:
            sim.world.refund_life.settle(held, status)
        except CannotSettle:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(settle, ["SUCCESS", "CLOSED", "ABNORMAL", "SUCCESS"]))

    sim.notifier.deliver_due()
    assert won.count(True) == 1
    assert len(receiver.received) == 1


def test_a_running_simulator_settles_within_about_a_second(
    refunding: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    sim.refund_outcomes.set("SUCCESS")
    sim.notifier.start()
    time.sleep(0.1)
    apply(refunding)

    deadline = time.monotonic() + 5
    while not receiver.received and time.monotonic() < deadline:
        time.sleep(0.02)

    sim.notifier.stop()
    assert [one["event_type"] for one in receiver.envelopes()] == ["REFUND.SUCCESS"]


def test_a_closed_refund_leaves_its_money_to_the_next(refunding: Merchant, sim: Simulator) -> None:
    apply(refunding, 1880)
    sim.settle_refund(REFUND, "CLOSED")
    sim.clock.advance(61)

    second = apply(refunding, 1880, out_refund_no="R-SECOND")
    repeated = apply(refunding, 1880)

    assert second.status_code == 200
    assert repeated.json()["status"] == "CLOSED"


def test_the_lever_takes_effect_later_and_for_one_sub_merchant(
    refunding: Merchant, sim: Simulator, web: requests.Session
) -> None:
    sub = refunding.order["sub_mchid"]
    lever = {"outcome": "ABNORMAL", "sub_mchid": sub, "after_seconds": 600}

    shown = web.post(f"{CONTROL}/refund-outcome", json=lever).json()

    apply(refunding)
    sim.notifier.deliver_due()
    early = ask(refunding, REFUND).json()["status"]
    sim.clock.advance(601)
    sim.notifier.deliver_due()
    assert shown["outcome"] == "HOLD"
    assert shown["sub_merchants"][sub] == {"outcome": "ABNORMAL", "after_seconds": 600.0}
    assert (early, ask(refunding, REFUND).json()["status"]) == ("PROCESSING", "ABNORMAL")


@pytest.mark.parametrize(
    "lever",
    [
        {"outcome": "NONSENSE"},
        {},
        {"outcome": "SUCCESS", "after_seconds": -1},
        {"outcome": "SUCCESS", "sub_mchid": "1900000999"},
    ],
)
def test_a_lever_that_makes_no_sense_changes_nothing(
    web: requests.Session, lever: dict[str, Any]
) -> None:
    answer = web.post(f"{CONTROL}/refund-outcome", json=lever)

    assert answer.status_code in (400, 404)
    assert web.get(f"{CONTROL}/refund-outcome").json()["outcome"] == "SUCCESS"


def test_without_a_notify_url_nobody_is_told(
    refunding: Merchant, sim: Simulator, receiver: Receiver
) -> None:
    apply(refunding, notify_url=None)

    sim.settle_refund(REFUND)
    sim.notifier.deliver_due()

    assert receiver.received == []
    assert ask(refunding, REFUND).json()["status"] == "SUCCESS"


def test_a_refund_notification_can_have_the_samples_form(
    refunding: Merchant, sim: Simulator, receiver: Receiver, home: Path
) -> None:
    sim.faults.add("notification_mchid_form")
    refunding.place(out_trade_no="ANOTHER-ORDER")
    sim.pay("ANOTHER-ORDER")
    apply(refunding)

    sim.settle_refund(REFUND)
    sim.notifier.deliver_due()

    payment, refund = (opened(home, body) for _, body in receiver.received)
    assert "sp_mchid" in payment
    assert refund["mchid"] == refunding.mchid
    assert not {"sp_mchid", "sub_mchid"} & set(refund)


def test_a_fault_can_be_bound_to_refund_notifications(
    refunding: Merchant, sim: Simulator, receiver: Receiver, home: Path
) -> None:
    sim.faults.add("notification_wrong_amount", out_refund_no=REFUND, delta_fen=7)
    sim.faults.add("notification_probe", event_type="REFUND.SUCCESS")
    refunding.place(out_trade_no="ANOTHER-ORDER")
    sim.pay("ANOTHER-ORDER")
    apply(refunding)

    sim.settle_refund(REFUND)
    sim.notifier.deliver_due()

    payment, refund = receiver.received
    assert is_signed(refunding.wechatpay_keys, *payment)
    assert opened(home, payment[1])["amount"]["total"] == 1880
    assert not is_signed(refunding.wechatpay_keys, *refund)
    assert opened(home, refund[1])["amount"]["refund"] == 507


def test_a_refund_by_hand_is_there_for_whoever_asks(
    refunding: Merchant, sim: Simulator, web: requests.Session, receiver: Receiver
) -> None:
    sim.refund_outcomes.set("SUCCESS")

    made = web.post(f"{CONTROL}/orders/{NUMBER}/refund", json={"amount_fen": 300}).json()

    sim.notifier.deliver_due()
    listed = web.get(f"{CONTROL}/refunds", params={"out_trade_no": NUMBER}).json()["data"]
    assert made["origin"] == "MERCHANT_PLATFORM"
    assert [(one["out_refund_no"], one["amount"], one["status"]) for one in listed] == [
        (made["out_refund_no"], 300, "SUCCESS")
    ]
    assert ask(refunding, made["out_refund_no"]).json()["amount"]["refund"] == 300
    assert refunding.query(NUMBER).json()["trade_state"] == "REFUND"
    assert receiver.received == []


def test_a_refund_by_hand_may_be_told_and_must_fit_the_order(
    refunding: Merchant, sim: Simulator, web: requests.Session, receiver: Receiver
) -> None:
    lever = f"{CONTROL}/orders/{NUMBER}/refund"
    too_much = web.post(lever, json={"amount_fen": 1881})
    web.post(lever, json={"amount_fen": 80, "out_refund_no": "BY-HAND-1", "notify": True})

    sim.settle_refund("BY-HAND-1")
    sim.notifier.deliver_due()

    [envelope] = receiver.envelopes()
    assert (too_much.status_code, too_much.json()["code"]) == (409, "INVALID_REQUEST")
    assert web.post(f"{CONTROL}/orders/NO-SUCH/refund").status_code == 404
    assert envelope["event_type"] == "REFUND.SUCCESS"


def test_refunds_and_what_becomes_of_them_survive_a_restart(
    home: Path, tmp_path: Path, receiver: Receiver
) -> None:
    session = requests.Session()
    session.mount("http://receiver.localhost", WsgiAdapter(receiver))
    first = Simulator(tmp_path, base_url=BASE, deliver_session=session)
    first_web = requests.Session()
    first_web.mount(BASE, WsgiAdapter(first.app))
    merchant = restarted_merchant(first, tmp_path, first_web)
    merchant.place()
    first.pay(NUMBER)
    first.refund_outcomes.set("CLOSED", after_seconds=3600)
    before = apply(merchant).json()
    first.close()

    second = Simulator(tmp_path, base_url=BASE, deliver_session=session)
    first_web.mount(BASE, WsgiAdapter(second.app))
    again = apply(merchant).json()
    second.clock.advance(3601)
    second.notifier.deliver_due()

    assert again == before
    assert ask(merchant, REFUND).json()["status"] == "CLOSED"
    assert receiver.envelopes()[-1]["event_type"] == "REFUND.CLOSED"
    second.close()


def restarted_merchant(sim: Simulator, home: Path, web: requests.Session) -> Merchant:
    key = serialization.load_pem_private_key((home / "apiclient_key.pem").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    order = {
        "sp_appid": sim.facts["sp_appid"],
        "sp_mchid": sim.facts["sp_mchid"],
        "sub_mchid": sim.facts["sub_merchants"][0]["sub_mchid"],
        "description": "拿铁",
        "out_trade_no": NUMBER,
        "notify_url": RECEIVER,
        "amount": {"total": 1880, "currency": "CNY"},
        "payer": {"sp_openid": "oAAAAbbbbCCCCddddEEEEffff0001"},
    }
    return Merchant(web, sim.facts["sp_mchid"], sim.facts["serial_no"], key, {}, order)
