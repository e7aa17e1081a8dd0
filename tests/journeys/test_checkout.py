"""A link from the tenant's call to the money, the way its payers meet it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.checkout.links import pages_directory
from submerchants.tenants.models import SubMerchant
from tests.factories.checkout import Phone, ready_for_checkout
from tests.payments.api.caller import Api

TEA: dict[str, Any] = {
    "merchant_order_no": "A1",
    "description": "街角茶铺–冻顶乌龙",
    "amount_fen": 2800,
}


@pytest.fixture
def api(client: FlaskClient, sub_merchant: SubMerchant) -> Api:
    return Api(client, sub_merchant)


@pytest.fixture
def simulator_checks_directories(simulator: Simulator) -> None:
    simulator.register(payment_directories=[pages_directory()])


@pytest.fixture
def ready(partner: Partner, simulator_checks_directories: None) -> None:
    ready_for_checkout(partner)


def test_from_a_link_to_the_money(app: Flask, api: Api, simulator: Simulator, ready: None) -> None:
    link = api.post("/checkout-links", TEA).json
    assert link["state"] == "OPEN"
    assert link["order"] is None
    phone = Phone(app, simulator)

    phone.open(link["url"])
    assert "¥28.00" in phone.page
    assert "街角茶铺–冻顶乌龙" in phone.page
    phone.pay()

    simulator.notifier.deliver_due()
    assert phone.state() == {"state": "PAID", "is_final": True, "is_mine": True}
    phone.open(link["url"])
    assert "支付成功" in phone.page
    shown = api.get(f"/checkout-links/{link['id']}").json
    assert shown["state"] == "PAID"
    assert shown["order"]["state"] == "PAID"
    assert shown["order"]["merchant_order_no"] == "A1"
    assert shown["order"]["payer"]["sp_openid"] == phone.openid(link["appid"])


def test_the_money_is_seen_without_any_notification(
    app: Flask, api: Api, simulator: Simulator, ready: None
) -> None:
    link = api.post("/checkout-links", TEA).json
    phone = Phone(app, simulator)
    phone.open(link["url"])
    simulator.faults.add("notification_missing")

    phone.pay()

    assert phone.state()["state"] == "PAID"


def test_a_second_payer_pays_under_a_second_number_and_the_first_one_can_not_any_more(
    app: Flask, api: Api, simulator: Simulator, ready: None
) -> None:
    link = api.post("/checkout-links", TEA).json
    first, second = Phone(app, simulator, "first"), Phone(app, simulator, "second")
    first.open(link["url"])
    kept = first.tap().get_json()["pay_params"]

    second.open(link["url"])
    assert "已有另一位用户开始支付这一笔" in second.page
    second.pay()
    simulator.notifier.deliver_due()

    with pytest.raises(Exception, match="已关闭"):
        first.pay_with(kept)
    assert first.state() == {"state": "PAID", "is_final": True, "is_mine": False}
    states = {order.out_trade_no: order.trade_state for order in simulator.ledger.orders()}
    assert sorted(states.values()) == ["CLOSED", "SUCCESS"]
    shown = api.get(f"/checkout-links/{link['id']}").json
    assert shown["order"]["merchant_order_no"] == "A1*2"
    numbers = [order["merchant_order_no"] for order in api.get("/orders").json["data"]]
    assert sorted(numbers) == ["A1", "A1*2"]


def test_a_cancelled_link_ends_its_order_at_wechat_pay(
    app: Flask, api: Api, simulator: Simulator, ready: None
) -> None:
    link = api.post("/checkout-links", TEA).json
    phone = Phone(app, simulator)
    phone.open(link["url"])
    kept = phone.tap().get_json()["pay_params"]

    cancelled = api.post(f"/checkout-links/{link['id']}/cancel").json

    assert cancelled["state"] == "CANCELLED"
    with pytest.raises(Exception, match="已关闭"):
        phone.pay_with(kept)
    assert phone.state()["state"] == "CANCELLED"
    phone.open(link["url"])
    assert "商家已取消这笔收款" in phone.page


def test_paid_beats_cancelled(app: Flask, api: Api, simulator: Simulator, ready: None) -> None:
    link = api.post("/checkout-links", TEA).json
    phone = Phone(app, simulator)
    phone.open(link["url"])
    phone.pay()

    refused = api.post(f"/checkout-links/{link['id']}/cancel")

    assert (refused.status_code, refused.code) == (409, "checkout_link_paid")
    assert api.get(f"/checkout-links/{link['id']}").json["state"] == "PAID"


def test_the_qr_code_is_drawn_both_ways_and_the_address_is_in_it(api: Api, ready: None) -> None:
    link = api.post("/checkout-links", TEA).json
    path = link["qr_code_url"].partition("/api/v1")[2]

    svg, png = api.get(path), api.get(path, format="png")

    assert svg.headers["Content-Type"].startswith("image/svg+xml")
    assert svg.data.startswith(b"<svg")
    assert png.data.startswith(b"\x89PNG")
    assert re.fullmatch(r"https://pay\.example\.test/checkout/[0-9a-z]{32}", link["url"])
