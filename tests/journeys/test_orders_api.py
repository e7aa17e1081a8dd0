"""A sub-merchant's day at the API: an order placed, paid, lost, asked about, signed again, closed.

Everything goes over HTTP on one side and through WeChat Pay's own rules on the other; what the page
gets is verified with the provider's public key, as WeChat does before it opens the cashier.
"""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from flask.testing import FlaskClient

from partner.simulator.simulator import Simulator
from submerchants.tenants.models import SubMerchant
from tests.payments.api.caller import Api, tea, with_key

PREPAY = "/v3/pay/partner/transactions/jsapi"


@pytest.fixture
def shop(client: FlaskClient, sub_merchant: SubMerchant) -> Api:
    """The system of the first sub-merchant."""
    return Api(client, sub_merchant)


@pytest.fixture
def other_shop(client: FlaskClient, other_sub_merchant: SubMerchant) -> Api:
    """The system of the second."""
    return Api(client, other_sub_merchant)


def require_good_signature(params: dict[str, str], simulator: Simulator) -> None:
    """What WeChat checks before it opens the cashier."""
    names = ("appId", "timeStamp", "nonceStr", "package")
    message = "".join(f"{params[name]}\n" for name in names).encode()
    pem = (simulator.home / "apiclient_cert.pem").read_bytes()
    key = x509.load_pem_x509_certificate(pem).public_key()
    assert isinstance(key, RSAPublicKey)
    key.verify(base64.b64decode(params["paySign"]), message, PKCS1v15(), SHA256())


def state_of(shop: Api, order: dict[str, Any]) -> str:
    return str(shop.get(f"/orders/{order['id']}").json["state"])


def test_an_order_is_placed_paid_and_known_on_both_sides(shop: Api, simulator: Simulator) -> None:
    order = shop.post("/orders", tea(amount_fen=2800), headers=with_key("first")).json
    require_good_signature(order["pay_params"], simulator)
    assert order["pay_params"]["appId"] == order["sub_appid"]

    simulator.pay(order["out_trade_no"], coupon_fen=300)
    simulator.notifier.deliver_due()

    paid = shop.get(f"/orders/{order['id']}").json
    [theirs] = simulator.ledger.with_number(order["out_trade_no"])
    assert (paid["state"], paid["trade_state"]) == ("PAID", "SUCCESS")
    assert (paid["amount_fen"], paid["payer_total_fen"]) == (2800, 2500)
    assert paid["transaction_id"] == theirs.transaction_id
    assert [each["id"] for each in shop.get("/orders", state="PAID").json["data"]] == [order["id"]]


def test_a_lost_answer_is_repeated_until_it_is_known_and_charged_once(
    shop: Api, simulator: Simulator
) -> None:
    body = tea()
    simulator.faults.add("lost_answer", path=PREPAY, times=3)
    simulator.faults.add("reset", path=PREPAY, times=3)

    statuses: list[int] = []
    while not statuses or statuses[-1] == 503:
        answer = shop.post("/orders", body, headers=with_key("again and again"))
        statuses.append(answer.status_code)
        assert len(statuses) < 5

    require_good_signature(answer.json["pay_params"], simulator)
    assert statuses == [503, 503, 200]
    assert simulator.ledger.order_numbers() == [answer.json["out_trade_no"]]
    assert len(shop.get("/orders").json["data"]) == 1


def test_a_notification_that_never_comes_is_made_up_for_by_asking(
    shop: Api, simulator: Simulator
) -> None:
    order = shop.order()
    simulator.faults.add("notification_missing")
    simulator.pay(order["out_trade_no"])
    simulator.notifier.deliver_due()
    assert state_of(shop, order) == "PENDING"

    asked = shop.post(f"/orders/{order['id']}/sync").json

    assert asked["state"] == "PAID"
    assert state_of(shop, order) == "PAID"


def test_a_payer_who_comes_back_gets_a_fresh_signature_until_the_order_is_closed(
    shop: Api, simulator: Simulator
) -> None:
    order = shop.order()
    again = shop.post(f"/orders/{order['id']}/pay-params").json
    require_good_signature(again["pay_params"], simulator)

    shop.post(f"/orders/{order['id']}/close")

    refused = shop.post(f"/orders/{order['id']}/pay-params")
    assert again["pay_params"]["nonceStr"] != order["pay_params"]["nonceStr"]
    assert (refused.status_code, refused.code) == (409, "order_not_payable")
    [theirs] = simulator.ledger.with_number(order["out_trade_no"])
    assert theirs.trade_state == "CLOSED"


def test_a_payment_beats_a_close(shop: Api, simulator: Simulator) -> None:
    order = shop.order()
    simulator.faults.add("notification_missing")
    simulator.pay(order["out_trade_no"])

    refused = shop.post(f"/orders/{order['id']}/close")

    assert (refused.status_code, refused.code) == (409, "order_already_paid")
    assert state_of(shop, order) == "PAID"


def test_two_shops_with_the_same_number_never_meet(
    shop: Api, other_shop: Api, simulator: Simulator
) -> None:
    mine = shop.order(merchant_order_no="A-1", amount_fen=100)
    theirs = other_shop.order(merchant_order_no="A-1", amount_fen=200)

    simulator.pay(theirs["out_trade_no"])
    simulator.notifier.deliver_due()

    assert state_of(shop, mine) == "PENDING"
    assert state_of(other_shop, theirs) == "PAID"
    assert shop.get(f"/orders/{theirs['id']}").status_code == 404
    found = shop.get("/orders", out_trade_no=theirs["out_trade_no"]).json
    assert found == {"data": [], "next_cursor": None}
