"""The payer's page in a real browser, phone-sized, through sign-in, bridge and cashier."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.payments.checkout.place import Place, opened_place

pytestmark = pytest.mark.browser

PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def place(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened_place(variables, tmp_path_factory.mktemp("checkout")) as made:
        yield made


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=PHONE, locale="zh-CN", device_scale_factor=2)
    yield context.new_page()
    context.close()


def complaints_about(page: Page) -> list[str]:
    """What the browser complains of from here on."""
    told: list[str] = []
    page.on("console", lambda one: told.append(one.text) if one.type != "log" else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    return told


def faults_of(page: Page) -> list[str]:
    """What is not open to everybody, and what is wider than the phone."""
    wider: Any = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    found = [f"{wider} pixels wider than the screen"] if wider > 0 else []
    violations = Axe().run(page).response["violations"]
    return found + [f"{one['id']} at {one['nodes'][0]['target']}" for one in violations]


def test_a_payer_pays_and_sees_that_it_is_paid(place: Place, phone: Page) -> None:
    complaints = complaints_about(phone)
    link = place.link(description="冻顶乌龙茶 250g 礼盒装")

    phone.goto(place.page(link))
    expect(phone.get_by_role("heading", name="山茶咖啡·徐汇店")).to_be_visible()
    faults = faults_of(phone)
    phone.get_by_role("button", name="支付 ¥28.00").click()
    cashier = phone.frame_locator("iframe")
    cashier.get_by_role("button", name="立即支付").click()
    cashier.get_by_role("button", name="完成").click()

    expect(phone.get_by_text("支付成功")).to_be_visible()
    assert phone.url.partition("#")[0] == place.page(link)
    assert faults + faults_of(phone) == []
    assert complaints == []


def test_a_payer_who_cancels_may_pay_all_the_same(place: Place, phone: Page) -> None:
    complaints = complaints_about(phone)
    link = place.link()
    phone.goto(place.page(link))

    phone.get_by_role("button", name="支付 ¥28.00").click()
    phone.frame_locator("iframe").get_by_role("button", name="取消").click()

    expect(phone.get_by_role("status")).to_have_text("还没有支付，随时可以点按按钮继续。")
    faults = faults_of(phone)
    phone.get_by_role("button", name="支付 ¥28.00").click()
    phone.frame_locator("iframe").get_by_role("button", name="立即支付").click()
    phone.frame_locator("iframe").get_by_role("button", name="完成").click()
    expect(phone.get_by_text("支付成功")).to_be_visible()
    assert faults == []
    assert complaints == []


def test_money_paid_before_a_cancel_shows_as_paid(place: Place, phone: Page) -> None:
    link = place.link()
    phone.goto(place.page(link))
    phone.get_by_role("button", name="支付 ¥28.00").click()
    cashier = phone.frame_locator("iframe")
    expect(cashier.get_by_role("button", name="取消")).to_be_visible()

    place.pay_elsewhere(link)
    cashier.get_by_role("button", name="取消").click()

    expect(phone.get_by_text("支付成功")).to_be_visible()


def test_a_page_in_no_directory_says_so_in_one_sentence_and_a_number(
    place: Place, phone: Page
) -> None:
    link = place.link()
    phone.goto(place.page(link))
    with directories(place, "https://elsewhere.example/"):
        phone.get_by_role("button", name="支付 ¥28.00").click()
        note = phone.get_by_role("status")

        expect(note).to_contain_text("商家的收款设置还差一步")

    expect(note).to_contain_text("参考编号 req_")
    expect(phone.get_by_role("button", name="支付 ¥28.00")).to_be_enabled()
    assert faults_of(phone) == []


def test_two_payers_and_the_second_one_pays(place: Place, browser: Browser) -> None:
    link = place.link()
    first, second = (
        browser.new_context(viewport=PHONE, locale="zh-CN").new_page() for _ in range(2)
    )
    for page, person in ((first, "wang"), (second, "li")):
        place.simulator.people.hand_over(person)
        page.goto(place.page(link))
        expect(page.get_by_role("button", name="支付 ¥28.00")).to_be_visible()
    place.simulator.people.hand_over(None)
    first.get_by_role("button", name="支付 ¥28.00").click()
    expect(first.frame_locator("iframe").get_by_role("button", name="立即支付")).to_be_visible()

    second.get_by_role("button", name="支付 ¥28.00").click()
    cashier = second.frame_locator("iframe")
    cashier.get_by_role("button", name="立即支付").click()
    cashier.get_by_role("button", name="完成").click()
    expect(second.get_by_text("支付成功")).to_be_visible()
    first.frame_locator("iframe").get_by_role("button", name="立即支付").click()
    first.frame_locator("iframe").get_by_role("button", name="返回商家").click()

    expect(first.get_by_text("支付成功")).to_be_visible()  # the truth, whoever paid
    for page in (first, second):
        page.context.close()


@pytest.mark.parametrize(("language", "theme"), [("en-GB", "dark"), ("zh-CN", "light")])
def test_every_state_is_whole_and_open_to_everybody(
    place: Place, browser: Browser, language: str, theme: str
) -> None:
    context = browser.new_context(
        viewport=PHONE,
        locale=language,
        color_scheme=theme,  # type: ignore[arg-type]
        device_scale_factor=2,
    )
    page = context.new_page()
    complaints = complaints_about(page)
    open_one, cancelled = place.link(amount_fen=123456789, description="茶" * 42), place.link()
    place.cancel(cancelled)
    paid = place.paid()
    lost = place.page(place.link())
    context.add_cookies(
        [{"name": "checkout-away", "value": place.away(lost), "url": f"{place.url}/checkout"}]
    )
    pages = {
        "lost": lost,  # first: whoever comes back from a sign-in is lost no more
        "pay": place.page(open_one),
        "cancelled": place.page(cancelled),
        "paid": place.page(paid),
        "wrong": f"{place.url}/checkout/nothing",
        "ticket": f"{place.page(paid)}/ticket",
        "expired": place.page(place.expired()),
    }

    faults: list[str] = []
    for name, address in pages.items():
        page.goto(address)
        faults += [f"{name}: {fault}" for fault in faults_of(page)]
        if name == "lost":
            page.get_by_role("button", name="10003").click()
            expect(page.get_by_role("status")).to_contain_text("req_")
            faults += [f"told: {fault}" for fault in faults_of(page)]
    context.close()

    assert faults == []
    assert [each for each in complaints if "404" not in each] == []


def test_the_ticket_tells_wechats_payment_app_that_it_is_there(
    place: Place, browser: Browser
) -> None:
    ticket = f"{place.page(place.paid())}/ticket".replace(place.url, "https://pay.example.com")
    parent = f"""<!doctype html><title>x</title><iframe src="{ticket}"></iframe><script>
      window.told = []; addEventListener("message", (e) => told.push([e.origin, e.data]));
    </script>"""
    context = browser.new_context(viewport=PHONE)
    # Pages of the open internet may not frame this machine's, so ours goes by a public name.
    context.route(
        "https://pay.example.com/**",
        lambda route: route.fulfill(
            response=route.fetch(
                url=route.request.url.replace("https://pay.example.com", place.url)
            )
        ),
    )
    for host in ("payapp.weixin.qq.com", "elsewhere.example"):
        context.route(
            f"https://{host}/**",
            lambda route: route.fulfill(body=parent, content_type="text/html"),
        )
    page = context.new_page()

    page.goto("https://payapp.weixin.qq.com/goldplan")
    page.wait_for_function("told.length > 0", timeout=3000)
    origin, data = page.evaluate("told[0]")
    page.goto("https://elsewhere.example/")
    page.wait_for_timeout(1000)
    overheard = page.evaluate("told")
    context.close()

    assert origin == "https://pay.example.com"
    said = json.loads(data)
    assert said.pop("height") > 0
    assert said == {"action": "onIframeReady", "displayStyle": "SHOW_CUSTOM_PAGE"}
    assert overheard == []


@contextmanager
def directories(place: Place, *listed: str) -> Iterator[None]:
    """What is set at WeChat Pay, while the block runs."""
    place.simulator.register(payment_directories=list(listed))
    yield
    place.simulator.register(payment_directories=[f"{place.url}/checkout/"])
