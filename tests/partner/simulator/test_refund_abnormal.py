"""Abnormal refunds: applied for again with sealed fields, and repaired."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from partner.simulator import Simulator
from tests.partner.simulator.conftest import Merchant, Receiver
from tests.partner.simulator.test_refund_life import REFUND
from tests.partner.simulator.test_refunds import REFUNDS, apply, ask, told


def sealed(home: Path, text: str) -> str:
    key = serialization.load_pem_public_key((home / "wechatpay_public_key.pem").read_bytes())
    assert isinstance(key, rsa.RSAPublicKey)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
    return base64.b64encode(key.encrypt(text.encode(), oaep)).decode()


def abnormal(merchant: Merchant, home: Path, refund_id: str, **changes: Any) -> requests.Response:
    body = {
        "sub_mchid": merchant.order["sub_mchid"],
        "out_refund_no": REFUND,
        "type": "USER_BANK_CARD",
        "bank_type": "CMB_DEBIT",
        "bank_account": sealed(home, "6225880200001234"),
        "real_name": sealed(home, "张三"),
        **changes,
    }
    body = {name: value for name, value in body.items() if value is not None}
    serial = json.loads((home / "simulator.json").read_text())["wechatpay_public_key_id"]
    target = f"{REFUNDS}/{refund_id}/apply-abnormal-refund"
    return merchant.call("POST", target, body, {"Wechatpay-Serial": serial})


def test_an_abnormal_refund_goes_to_a_card_and_succeeds(
    refunding: Merchant, sim: Simulator, receiver: Receiver, home: Path
) -> None:
    refund_id = apply(refunding).json()["refund_id"]
    sim.settle_refund(REFUND, "ABNORMAL")
    sim.refund_outcomes.set("SUCCESS")

    answer = abnormal(refunding, home, refund_id)

    sim.notifier.deliver_due()
    events = [one["event_type"] for one in receiver.envelopes()]
    assert answer.status_code == 200
    assert answer.json()["status"] == "PROCESSING"
    assert ask(refunding, REFUND).json()["status"] == "SUCCESS"
    assert ask(refunding, REFUND).json()["user_received_account"].endswith("1234")
    assert events == ["REFUND.ABNORMAL", "REFUND.SUCCESS"]


def test_an_abnormal_refund_can_go_back_to_the_merchant(
    refunding: Merchant, sim: Simulator, home: Path
) -> None:
    refund_id = apply(refunding).json()["refund_id"]
    sim.settle_refund(REFUND, "ABNORMAL")
    nothing = {"bank_type": None, "bank_account": None, "real_name": None}

    answer = abnormal(refunding, home, refund_id, type="MERCHANT_BANK_CARD", **nothing)

    assert (answer.status_code, answer.json()["status"]) == (200, "PROCESSING")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"sub_mchid": None}, (400, "PARAM_ERROR")),
        ({"sub_mchid": "1900000912"}, (404, "RESOURCE_NOT_EXISTS")),
        ({"out_refund_no": "R-OTHER"}, (400, "PARAM_ERROR")),
        ({"type": "CASH"}, (400, "PARAM_ERROR")),
        ({"bank_type": "CMB_CREDIT"}, (400, "PARAM_ERROR")),
        ({"bank_type": None}, (400, "PARAM_ERROR")),
        ({"real_name": None}, (400, "PARAM_ERROR")),
        ({"bank_account": "6225880200001234"}, (400, "PARAM_ERROR")),
    ],
)
def test_an_abnormal_application_that_does_not_fit_is_refused(
    refunding: Merchant,
    sim: Simulator,
    home: Path,
    change: dict[str, Any],
    expected: tuple[int, str],
) -> None:
    refund_id = apply(refunding).json()["refund_id"]
    sim.settle_refund(REFUND, "ABNORMAL")

    answer = abnormal(refunding, home, refund_id, **change)

    assert told(answer) == expected
    assert ask(refunding, REFUND).json()["status"] == "ABNORMAL"


def test_what_is_sealed_must_open_under_the_serial_and_be_a_card(
    refunding: Merchant, sim: Simulator, home: Path
) -> None:
    refund_id = apply(refunding).json()["refund_id"]
    sim.settle_refund(REFUND, "ABNORMAL")
    body = {"out_refund_no": REFUND, "type": "USER_BANK_CARD", "bank_type": "CMB_DEBIT"}
    body |= {"sub_mchid": refunding.order["sub_mchid"], "real_name": sealed(home, "张三")}
    body |= {"bank_account": sealed(home, "6225880200001234")}
    target = f"{REFUNDS}/{refund_id}/apply-abnormal-refund"

    unsaid = refunding.call("POST", target, body)
    wrong_key = refunding.call(
        "POST", target, body, {"Wechatpay-Serial": sim.facts["platform_serial_no"]}
    )
    no_card = abnormal(refunding, home, refund_id, bank_account=sealed(home, "not a card"))

    assert told(unsaid) == (400, "INVALID_REQUEST")
    assert told(wrong_key) == told(no_card) == (400, "PARAM_ERROR")
    assert wrong_key.json()["message"] == "平台私钥解密失败"


@pytest.mark.parametrize("status", [None, "SUCCESS", "CLOSED"])
def test_only_an_abnormal_refund_can_be_applied_for_again(
    refunding: Merchant, sim: Simulator, home: Path, status: str | None
) -> None:
    refund_id = apply(refunding).json()["refund_id"]
    if status:
        sim.settle_refund(REFUND, status)

    answer = abnormal(refunding, home, refund_id)

    assert told(answer) == (400, "INVALID_REQUEST")
    assert ask(refunding, REFUND).json()["status"] == (status or "PROCESSING")
