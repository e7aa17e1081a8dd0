"""The payer's phone: scanning, landing from H5, the wallet, and whose phone it is."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, quote

import pytest
import requests
from playwright.sync_api import Page, expect

from partner.simulator import Simulator, WsgiAdapter
from tests.partner.simulator.conftest import BASE, Merchant
from tests.partner.simulator.test_codepay import read
from tests.partner.simulator.test_ways_to_pay import H5_SCENE, NUMBER, place

SHOP = "https://shop.example.com/basket?id=7"
WECHAT = "Mozilla/5.0 (iPhone) MicroMessenger/8.0.50"


def scan(
    web: requests.Session, sim: Simulator, code_url: str, person: str = "wang"
) -> requests.Response:
    sim.people.hand_over(person)
    return web.get(f"{BASE}/scan", params={"code_url": code_url})


def test_a_scanned_code_leads_to_the_cashier_and_is_paid_by_who_scanned_it(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    code_url = place(merchant, "native").json()["code_url"]

    cashier = scan(web, sim, code_url)
    web.post(f"{cashier.url}/pay")

    order = sim.ledger.orders()[0]
    assert "立即支付" in cashier.text
    assert order.trade_state == "SUCCESS"
    assert order.sp_openid == sim.people.openid(order.sp_appid, "wang")


def test_a_second_scanner_is_refused_and_the_first_may_scan_again(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    code_url = place(merchant, "native").json()["code_url"]
    cashier = scan(web, sim, code_url, "wang").url

    second = scan(web, sim, code_url, "li")
    web.post(f"{cashier}/pay")  # the cashier's address alone does not help
    stolen = sim.ledger.orders()[0].trade_state
    again = scan(web, sim, code_url, "wang")

    assert second.status_code == 400
    assert "商家订单信息有误，请重新下单支付" in second.text
    assert stolen == "NOTPAY"
    assert "立即支付" in again.text


def test_a_native_order_placed_again_invalidates_its_former_code(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    former = place(merchant, "native").json()["code_url"]
    open_cashier = scan(web, sim, former).url
    latest = place(merchant, "native").json()["code_url"]

    old = scan(web, sim, former)
    web.post(f"{open_cashier}/pay")
    unpaid = sim.ledger.orders()[0].trade_state
    new = scan(web, sim, latest)

    assert "二维码已失效" in old.text
    assert unpaid == "NOTPAY"
    assert "立即支付" in new.text


def test_a_code_lives_two_hours(merchant: Merchant, web: requests.Session, sim: Simulator) -> None:
    code_url = place(merchant, "native").json()["code_url"]
    sim.clock.advance(2 * 3600)

    assert "支付已超时" in scan(web, sim, code_url).text


@pytest.mark.parametrize(
    "text",
    ["", "https://example.com/", "weixin://wxpay/bizpayurl/up?pr=never", "weixin://dl/scan?pr=x"],
)
def test_what_is_no_payment_code_is_said_to_be_none(
    web: requests.Session, sim: Simulator, text: str
) -> None:
    assert scan(web, sim, text).status_code == 400


def land(
    web: requests.Session, url: str, referer: str | None = SHOP, **headers: str
) -> requests.Response:
    sent: dict[str, Any] = {"Referer": referer, "User-Agent": "Mozilla/5.0 (Android)", **headers}
    return web.get(url, headers=sent)


def test_h5_lands_on_the_way_to_the_cashier_and_back_to_the_shop(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    h5_url = place(merchant, "h5").json()["h5_url"]
    done = "https://shop.example.com/done?order=7&paid=maybe"

    landing = land(web, f"{h5_url}&redirect_url={quote(done, safe='')}")
    session = sim.ledger.orders()[0].prepay_id
    cashier = web.post(f"{BASE}/cashier/{session}/pay", data={"return_to": done})

    assert landing.status_code == 200
    [way_on] = re.findall(r'href="/cashier/([^"]+)"', landing.text)
    assert way_on.partition("?")[0] == session
    assert parse_qs(way_on.partition("?")[2]) == {"return_to": [done]}
    assert "支付成功" in cashier.text
    assert 'href="https://shop.example.com/done?order=7&amp;paid=maybe"' in cashier.text


@pytest.mark.parametrize(
    ("tail", "headers", "text"),
    [
        ("", {"Referer": None}, "商家参数格式有误"),
        ("", {"User-Agent": WECHAT}, "请在微信外打开订单"),
        ("&redirect_url=https://shop.example.com/done", {}, "签名验证失败"),
        ("&utm_source=shop", {}, "签名验证失败"),
        ("0", {}, "签名验证失败"),
    ],
)
def test_h5_says_what_is_wrong_with_how_it_was_followed(
    merchant: Merchant,
    web: requests.Session,
    tail: str,
    headers: dict[str, Any],
    text: str,
) -> None:
    h5_url = place(merchant, "h5").json()["h5_url"]

    landing = land(web, h5_url + tail, **headers)

    assert landing.status_code == 400
    assert text in landing.text


def test_an_h5_url_lives_five_minutes(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    h5_url = place(merchant, "h5").json()["h5_url"]
    sim.clock.advance(299)
    in_time = land(web, h5_url)
    sim.clock.advance(1)

    too_late = land(web, h5_url)
    fresh = land(web, place(merchant, "h5").json()["h5_url"])

    assert (in_time.status_code, fresh.status_code) == (200, 200)
    assert "支付请求已失效" in too_late.text


def test_h5_looks_at_the_shops_domains_once_there_are_any(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    h5_url = place(merchant, "h5").json()["h5_url"]
    sim.register(h5_domains=["shop.example.com"])

    known = land(web, h5_url)
    foreign_page = land(web, h5_url, referer="https://elsewhere.example.com/")
    elsewhere = quote("https://elsewhere.example.com/", safe="")
    foreign_way_back = land(web, f"{h5_url}&redirect_url={elsewhere}")

    assert known.status_code == 200
    for landing in (foreign_page, foreign_way_back):
        assert "商家存在未配置的参数" in landing.text


@pytest.mark.parametrize(
    ("named", "visitor", "is_believed"),
    [
        ("203.0.113.9", "203.0.113.9", True),
        ("203.0.113.9", "198.51.100.7", False),
        ("127.0.0.1", "203.0.113.9", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("203.0.113.9", "127.0.0.1", True),
    ],
)
def test_h5_compares_the_orders_address_with_the_payers(
    merchant: Merchant, sim: Simulator, named: str, visitor: str, is_believed: bool
) -> None:
    scene = {**H5_SCENE, "payer_client_ip": named}
    h5_url = place(merchant, "h5", scene_info=scene).json()["h5_url"]

    with requests.Session() as browser:
        browser.mount(BASE, WsgiAdapter(sim.app, remote_addr=visitor))
        landing = land(browser, h5_url)

    assert (landing.status_code == 200) is is_believed
    assert ("由于商家传入的H5交易参数有误" in landing.text) is not is_believed


def test_an_h5_payment_is_one_persons(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    h5_url = place(merchant, "h5").json()["h5_url"]
    sim.people.hand_over("wang")
    first = land(web, h5_url)
    sim.people.hand_over("li")

    second = land(web, h5_url)

    assert first.status_code == 200
    assert "签名验证失败" in second.text


def test_the_wallets_code_stays_until_it_is_used_or_a_minute_old(
    web: requests.Session, sim: Simulator, merchant: Merchant
) -> None:
    now = sim.clock.timestamp()
    first = sim.world.codes.shown("wang", "pay", now)

    same = sim.world.codes.shown("wang", "pay", now + 59)
    read(merchant, first)
    after_use = sim.world.codes.shown("wang", "pay", now + 59)
    later = sim.world.codes.shown("wang", "pay", now + 121)

    assert same == first
    assert len({first, after_use, later}) == 3
    assert f"{later[:4]} {later[4:8]}" not in web.get(f"{BASE}/wallet?person=li").text


def test_the_way_back_from_choosing_a_person_stays_here(web: requests.Session) -> None:
    for after in ("//evil.example.com/", "https://evil.example.com/", "/\\evil.example.com"):
        form = {"person": "li", "after": after}
        answer = web.post(f"{BASE}/person", data=form, allow_redirects=False)
        assert answer.headers["Location"] == "/person"
    bad_name = web.post(f"{BASE}/person", data={"person": "<li>"})
    assert bad_name.status_code == 400


@pytest.mark.browser
def test_on_a_phone_a_payer_scans_as_somebody_else_and_pays(
    merchant: Merchant, sim: Simulator, address: str, phone: tuple[Page, list[str]]
) -> None:
    page, complaints = phone
    page.goto(f"{address}/scan")
    place(merchant, "native")

    page.get_by_role("link", name="换人").click()
    page.get_by_role("button", name="wang").click()
    page.get_by_role("link", name="山茶咖啡").click()
    page.get_by_role("button", name="立即支付").click()

    expect(page.get_by_role("heading", name="支付成功")).to_be_visible()
    order = sim.ledger.orders()[0]
    assert (order.out_trade_no, order.trade_state) == (NUMBER, "SUCCESS")
    assert order.sp_openid == sim.people.openid(order.sp_appid, "wang")
    assert complaints == []


@pytest.mark.browser
def test_on_a_phone_the_wallet_asks_for_the_password_when_the_till_has_read_its_code(
    merchant: Merchant, sim: Simulator, address: str, phone: tuple[Page, list[str]]
) -> None:
    page, complaints = phone
    page.goto(f"{address}/wallet")
    page.get_by_role("link", name="需要输入支付密码").click()
    shown = page.locator(".auth-code").inner_text()

    asked = read(merchant, shown.replace(" ", ""))
    page.get_by_role("button", name="输入密码付款").click(timeout=8000)

    expect(page.get_by_text("支付成功")).to_be_visible()
    assert asked.status_code == 202
    assert sim.ledger.orders()[0].trade_state == "SUCCESS"
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert complaints == []
