"""Native, H5 and APP beside JSAPI: each with its own table, answer and mark."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from partner.simulator import Simulator
from tests.partner.simulator.conftest import BASE, ORDERS, Merchant, Receiver

NUMBER = "T20260301-000042"
H5_SCENE = {"payer_client_ip": "203.0.113.9", "h5_info": {"type": "Wap"}}
WAYS = [("native", {}), ("app", {}), ("h5", {"scene_info": H5_SCENE})]
MARKS = {"native": "NATIVE", "app": "APP", "h5": "MWEB"}


def place(merchant: Merchant, product: str, **changes: Any) -> requests.Response:
    """The merchant's order by another way; only JSAPI names its payer, only H5 needs a scene."""
    order = {**merchant.order, "payer": None, **dict(WAYS)[product], **changes}
    order = {name: value for name, value in order.items() if value is not None}
    return merchant.call("POST", f"{ORDERS}/{product}", order)


@pytest.mark.parametrize(
    ("product", "name", "start"),
    [
        ("native", "code_url", "weixin://wxpay/bizpayurl/up?pr="),
        ("app", "prepay_id", "wx"),
        ("h5", "h5_url", f"{BASE}/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx"),
    ],
)
def test_each_way_is_answered_with_its_own_handle(
    merchant: Merchant, product: str, name: str, start: str
) -> None:
    answer = place(merchant, product)

    assert answer.status_code == 200
    assert merchant.is_genuine(answer)
    assert list(answer.json()) == [name]
    assert answer.json()[name].startswith(start)


@pytest.mark.parametrize("product", ["native", "app", "h5"])
def test_a_payment_carries_its_way_in_query_notification_and_truth(
    merchant: Merchant, sim: Simulator, receiver: Receiver, web: requests.Session, product: str
) -> None:
    place(merchant, product)

    sim.pay(NUMBER)
    sim.notifier.deliver_due()

    told = merchant.query(NUMBER).json()
    truth = web.get(f"{BASE}/_simulator/orders").json()["data"][0]
    assert told["trade_type"] == truth["trade_type"] == MARKS[product]
    assert told["payer"]["sp_openid"].startswith("o")
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    ("product", "change", "field"),
    [
        ("native", {"payer": {"sp_openid": "oAAAAbbbbCCCC"}}, "/payer"),
        ("app", {"payer": {"sp_openid": "oAAAAbbbbCCCC"}}, "/payer"),
        ("h5", {"payer": {"sp_openid": "oAAAAbbbbCCCC"}}, "/payer"),
        ("native", {"scene_info": H5_SCENE}, "/scene_info/h5_info"),
        ("app", {"scene_info": {"device_id": "1"}}, "/scene_info/payer_client_ip"),
        ("h5", {"scene_info": None}, "/scene_info"),
        ("h5", {"scene_info": {"payer_client_ip": "203.0.113.9"}}, "/scene_info/h5_info"),
        (
            "h5",
            {"scene_info": {**H5_SCENE, "h5_info": {"type": "Web"}}},
            "/scene_info/h5_info/type",
        ),
        ("native", {"notify_url": None}, "/notify_url"),
    ],
)
def test_each_way_has_a_table_of_its_own(
    merchant: Merchant, product: str, change: dict[str, Any], field: str
) -> None:
    answer = place(merchant, product, **change)

    assert answer.status_code == 400
    assert answer.json()["code"] == "PARAM_ERROR"
    assert answer.json()["detail"]["field"] == field


@pytest.mark.parametrize("product", ["native", "app", "h5"])
def test_each_way_needs_the_sub_merchants_permission(
    merchant: Merchant, sim: Simulator, product: str
) -> None:
    sub_mchid = merchant.order["sub_mchid"]
    sim.register(sub_merchants=[{"sub_mchid": sub_mchid, "permissions": ["JSAPI", "REFUND"]}])

    answer = place(merchant, product)

    assert (answer.status_code, answer.json()["code"]) == (403, "NO_AUTH")
    assert merchant.place().status_code == 200


@pytest.mark.parametrize("product", ["native", "app", "h5"])
def test_a_number_belongs_to_the_way_it_was_placed_by(
    merchant: Merchant, sim: Simulator, product: str
) -> None:
    first, again = place(merchant, product), place(merchant, product)
    elsewhere = merchant.place()

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() != again.json()
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (403, "OUT_TRADE_NO_USED")
    assert sim.ledger.count() == 1


@pytest.mark.parametrize("product", ["native", "app", "h5"])
def test_a_closed_or_paid_number_is_not_opened_again(
    merchant: Merchant, sim: Simulator, product: str
) -> None:
    place(merchant, product)
    place(merchant, product, out_trade_no="PAID-ONE")
    sim.pay("PAID-ONE")

    closed = merchant.close(NUMBER)

    assert closed.status_code == 204
    assert place(merchant, product).json()["code"] == "ORDER_CLOSED"
    assert place(merchant, product, out_trade_no="PAID-ONE").json()["code"] == "ORDER_PAID"
