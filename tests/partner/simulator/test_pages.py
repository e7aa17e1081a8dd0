"""What people see: the cashier and the ledger, without a browser and with one."""

from __future__ import annotations

import re

import pytest
import requests
from playwright.sync_api import Page, expect

from partner.simulator import Simulator
from tests.partner.simulator.conftest import BASE, Merchant


def test_the_cashier_shows_payee_and_amount_and_takes_the_payment(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    cashier = f"{BASE}/cashier/{merchant.place().json()['prepay_id']}"

    before = web.get(cashier)
    web.post(f"{cashier}/cancel")
    cancelled_state = sim.ledger.orders()[0].trade_state
    after = web.post(f"{cashier}/pay")

    assert "山茶咖啡（静安店）" in before.text
    assert "18.80" in before.text
    assert cancelled_state == "NOTPAY"
    assert "支付成功" in after.text
    assert sim.ledger.orders()[0].trade_state == "SUCCESS"


def test_the_cashier_knows_closed_expired_and_unknown_sessions(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    closed = merchant.place(out_trade_no="CLOSED-ONE").json()["prepay_id"]
    merchant.close("CLOSED-ONE")
    expired = merchant.place(out_trade_no="EXPIRED-ONE").json()["prepay_id"]
    sim.clock.advance(2 * 3600 + 1)

    assert "订单已关闭" in web.get(f"{BASE}/cashier/{closed}").text
    assert "支付已超时" in web.get(f"{BASE}/cashier/{expired}").text
    assert "支付已超时" in web.post(f"{BASE}/cashier/{expired}/pay").text
    assert web.get(f"{BASE}/cashier/wx0").status_code == 404
    assert {order.trade_state for order in sim.ledger.orders()} == {"CLOSED", "NOTPAY"}


def test_the_way_back_is_a_link_to_a_web_page_or_nothing(
    merchant: Merchant, web: requests.Session
) -> None:
    cashier = f"{BASE}/cashier/{merchant.place().json()['prepay_id']}"

    good = web.post(f"{cashier}/pay", data={"return_to": "https://shop.example.com/done?a=1"})
    bad = web.get(cashier, params={"return_to": "javascript:alert(1)"})

    assert 'href="https://shop.example.com/done?a=1"' in good.text
    assert "javascript:" not in bad.text


def test_what_a_merchant_typed_stays_text(merchant: Merchant, web: requests.Session) -> None:
    prepay_id = merchant.place(description="<img src=x onerror=alert(1)>").json()["prepay_id"]

    for page in (web.get(f"{BASE}/"), web.get(f"{BASE}/cashier/{prepay_id}")):
        assert "<img" not in page.text
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert not re.search(r"<script>|<style|style=|onclick=", page.text)


def test_the_ledger_teaches_before_there_is_anything(web: requests.Session) -> None:
    page = web.get(f"{BASE}/").text

    assert f"curl -X POST {BASE}/_simulator/orders/" in page
    assert "还没有通知" in page
    assert "没有故障" in page


def test_the_ledger_moves_the_clock_and_clears_faults(
    web: requests.Session, sim: Simulator
) -> None:
    sim.faults.add("http_500")

    web.post(f"{BASE}/ledger/clock", data={"step": "tomorrow"})
    web.post(f"{BASE}/ledger/faults/clear")

    assert sim.clock.now().strftime("%H:%M") == "02:05"
    assert 0 < sim.clock.offset_s <= 2 * 86400
    assert sim.faults.active() == []


@pytest.mark.browser
def test_on_a_phone_the_ledger_refreshes_itself_and_the_cashier_pays(
    merchant: Merchant, sim: Simulator, address: str, phone: tuple[Page, list[str]]
) -> None:
    page, complaints = phone
    page.goto(address)
    merchant.place()

    expect(page.get_by_text("T20260301-000042").first).to_be_visible(timeout=8000)
    width = page.evaluate("document.documentElement.scrollWidth")
    page.get_by_role("link", name="去支付").click()
    page.get_by_role("button", name="立即支付").click()

    expect(page.get_by_role("heading", name="支付成功")).to_be_visible()
    assert sim.ledger.orders()[0].trade_state == "SUCCESS"
    assert width == 390
    assert complaints == []
