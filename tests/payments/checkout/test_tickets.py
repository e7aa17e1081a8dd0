"""The merchant's ticket under 点金计划: what was bought, for WeChat's payment app to frame."""

from __future__ import annotations

import html

import pytest
from flask import Flask
from flask.testing import FlaskClient

from partner.simulator.simulator import Simulator
from tests.conftest import PLATFORM_URL
from tests.factories.checkout import Phone, Shop
from tests.factories.payments import place_order

PAYMENT_APP = "https://payapp.weixin.qq.com"


@pytest.fixture
def phone(app: Flask, simulator: Simulator) -> Phone:
    return Phone(app, simulator)


def shown(client: FlaskClient, **query: str) -> str:
    answer = client.get("/checkout/ticket", query_string=query)
    assert answer.status_code == 200
    return html.unescape(answer.get_data(as_text=True))


def test_the_ticket_shows_what_was_bought_and_may_be_framed_by_the_payment_app_only(
    shop: Shop, phone: Phone
) -> None:
    link = shop.link()
    phone.open(shop.url(link))
    phone.pay()

    answer = phone.open(f"{shop.url(link)}/ticket")

    assert shop.sub_merchant.name in phone.page
    assert "街角茶铺–冻顶乌龙" in phone.page
    assert "¥28.00" in phone.page
    assert f'data-parent="{PAYMENT_APP}"' in phone.page
    assert "/ticket.js?" in phone.page
    policy = answer.headers["Content-Security-Policy"]
    assert f"frame-ancestors {PAYMENT_APP};" in policy
    assert "X-Frame-Options" not in answer.headers


def test_wechats_own_address_finds_the_order_of_any_sub_merchant(
    client: FlaskClient, shop: Shop, simulator: Simulator
) -> None:
    order = place_order(sub_merchant=shop.sub_merchant, partner=shop.partner)
    simulator.pay(order.out_trade_no)  # the ticket is quicker than the notification

    page = shown(
        client,
        sub_mch_id=shop.sub_merchant.sub_mchid,
        out_trade_no=order.out_trade_no,
        check_code="9dc7d2b1",
    )

    assert "¥18.00" in page
    assert shop.sub_merchant.name in page


def test_a_ticket_that_names_nothing_of_ours_or_another_merchant_tells_nothing(
    client: FlaskClient, shop: Shop, simulator: Simulator
) -> None:
    order = place_order(sub_merchant=shop.sub_merchant, partner=shop.partner)
    simulator.pay(order.out_trade_no)

    pages = [
        shown(client),
        shown(client, sub_mch_id="1600000000", out_trade_no=order.out_trade_no),
        shown(client, sub_mch_id=shop.sub_merchant.sub_mchid, out_trade_no="T" + "0" * 28),
        shown(client, sub_mch_id=shop.sub_merchant.sub_mchid, out_trade_no="'; --"),
    ]

    assert all("18.00" not in page for page in pages)
    assert all(shop.sub_merchant.name not in page for page in pages)


def test_an_unpaid_order_has_no_receipt(client: FlaskClient, shop: Shop, phone: Phone) -> None:
    link = shop.link()
    phone.open(shop.url(link))
    phone.tap()

    phone.open(f"{shop.url(link)}/ticket")

    assert "支付结果正在确认中" in phone.page
    assert "¥28.00" not in phone.page


def test_the_page_itself_may_not_be_framed(shop: Shop, phone: Phone) -> None:
    answer = phone.open(shop.url(shop.link()))

    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert phone.get(f"{PLATFORM_URL}/admin/sign-in").headers["X-Frame-Options"] == "DENY"
