"""Refunds on the ledger page: seen, settled by a tap, without a browser and with one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, expect
from werkzeug.serving import make_server

from partner.simulator import Simulator
from tests.partner.simulator.conftest import BASE, Merchant
from tests.partner.simulator.test_refunds import NUMBER, apply

REFUND = "R20260302-000007"


@pytest.fixture
def held(merchant: Merchant, sim: Simulator) -> Merchant:
    """A paid order with a refund of five yuan that waits to be settled."""
    sim.refund_outcomes.set("HOLD")
    merchant.place()
    sim.pay(NUMBER)
    apply(merchant)
    return merchant


def test_the_ledger_shows_a_refund_and_settles_it_once(
    held: Merchant, web: requests.Session, sim: Simulator
) -> None:
    before = web.get(f"{BASE}/").text
    tapped = web.post(f"{BASE}/ledger/refunds/1/settle", data={"status": "ABNORMAL"}).text
    web.post(f"{BASE}/ledger/refunds/1/settle", data={"status": "CLOSED"})

    [refund] = sim.refunds.refunds()
    assert refund.status == "ABNORMAL"
    assert "R20260302-000007" in before
    assert "有退款" in before
    assert 'value="CLOSED" aria-label' in before
    assert 'value="CLOSED" aria-label' not in tapped


def test_a_tap_on_what_is_not_there_is_turned_away(held: Merchant, web: requests.Session) -> None:
    unknown = web.post(f"{BASE}/ledger/refunds/2/settle", data={"status": "SUCCESS"})
    nonsense = web.post(f"{BASE}/ledger/refunds/1/settle", data={"status": "NONSENSE"})
    outcome = web.post(f"{BASE}/ledger/refund-outcome", data={"outcome": "NONSENSE"})

    assert (unknown.status_code, nonsense.status_code, outcome.status_code) == (404, 404, 400)


def test_what_a_merchant_called_its_refund_stays_text(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    merchant.place()
    sim.pay(NUMBER)
    apply(merchant, reason="<img src=x>", out_refund_no="R|*@-_1")

    page = web.get(f"{BASE}/").text

    assert "R|*@-_1" in page
    assert "<img" not in page


@pytest.fixture
def address(sim: Simulator) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, sim.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.browser
def test_on_a_phone_a_held_refund_is_settled_by_a_tap(
    held: Merchant, sim: Simulator, address: str, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(address)
    width = page.evaluate("document.documentElement.scrollWidth")

    page.get_by_role("button", name=f"退款成功：{REFUND}").click()

    expect(page.locator("#refunds").get_by_text("退款成功", exact=True)).to_be_visible()
    assert sim.refunds.refunds()[0].status == "SUCCESS"
    assert width == 390
    assert complaints == []
    page.close()
