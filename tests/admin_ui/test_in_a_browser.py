"""Every page in a real browser: nothing blocked, nothing broken, nothing out of reach.

The browser comes over plain http to a loopback address, as with `make run`, so this application is
one of its own whose public address is that one.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from flask import Flask
from playwright.sync_api import Browser, Page, ViewportSize, expect
from werkzeug.serving import make_server

import wsgi
from config import audit
from config.clock import beijing_date, now
from config.database import Base, db, transaction
from config.settings import Settings
from partner.app_secrets import set_app_secret
from partner.credentials import default_appid
from payments.checkout.models import CheckoutLink
from payments.notifications.models import InboxState
from payments.orders.models import Order, OrderState
from payments.reconciliation.models import DiscrepancyKind, ReconciliationState
from payments.refunds.models import RefundState
from payments.webhooks.models import DeliveryState
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.checkout import APP_SECRET, make_link
from tests.factories.console import make_discrepancy, make_entry, make_reconciliation
from tests.factories.deliveries import let_fail, make_delivery
from tests.factories.partner import make_partner
from tests.factories.payments import make_order
from tests.factories.people import PASSWORD, KnownOperator, make_operator, make_staff_member
from tests.factories.refunds import make_refund
from tests.factories.submerchants import make_sub_merchant
from tests.factories.webhooks import make_endpoint

pytestmark = pytest.mark.browser

DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}

# The whole of axe takes a second a page; these two differ in language, size and theme.
LOOKED_AT_CLOSELY = (("中", PHONE), ("EN", DESK))


class Place:
    """A served application with something to look at in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        partner = make_partner()
        self.tenant: SubMerchant = make_sub_merchant(partner=partner, name="山茶咖啡")
        self.known: KnownOperator = make_operator()
        self.member = make_staff_member(sub_merchant=self.tenant)
        self.order: Order = make_order(
            sub_merchant=self.tenant, state=OrderState.PAID, description="冻顶乌龙茶 250g"
        )
        for state in OrderState:
            make_order(sub_merchant=self.tenant, state=state)
        self.refunds = [
            make_refund(order=self.order, state=state, amount_fen=10) for state in RefundState
        ]
        self.given_back_elsewhere: Order = make_order(
            sub_merchant=self.tenant, state=OrderState.PAID, trade_state="REFUND"
        )
        self.entry = make_entry(self.order, InboxState.QUARANTINED)
        self.day = beijing_date(now()) - timedelta(days=1)
        self.found = make_reconciliation(
            sub_merchant=self.tenant,
            day=self.day,
            state=ReconciliationState.DISCREPANT,
            open_count=2,
        )
        make_discrepancy(self.found, kind=DiscrepancyKind.AMOUNT_DIFFERS)
        make_discrepancy(self.found, kind=DiscrepancyKind.MISSING_THERE, theirs=None)
        self._add_webhooks()
        set_app_secret(partner=partner, sp_appid=default_appid(partner), secret=APP_SECRET)
        self.link: CheckoutLink = make_link(
            sub_merchant=self.tenant, partner=partner, description="预订 12 月 24 日套餐"
        )

    def _add_webhooks(self) -> None:
        self.endpoint, calm = (
            make_endpoint(sub_merchant=self.tenant, url=f"https://shop.example.com/{rest}").endpoint
            for rest in ("a/rather/long/address?of=a-system-that-listens", "hooks")
        )
        for state in DeliveryState:
            self.delivery = make_delivery(self.endpoint, state=state, reply="<b>no</b>")
            make_delivery(calm)
        let_fail(self.endpoint, hours=7)

    @property
    def pages(self) -> list[str]:
        """Every page of both doors."""
        return [
            "/admin/",
            "/admin/orders",
            f"/admin/orders/{self.order.id}",
            f"/admin/orders/{self.given_back_elsewhere.id}",
            "/admin/orders?q=nothing",
            "/admin/refunds",
            "/admin/refunds?q=nothing",
            *(f"/admin/refunds/{refund.id}" for refund in self.refunds),
            "/admin/notifications",
            f"/admin/notifications/{self.entry.id}",
            "/admin/reconciliation",
            f"/admin/reconciliation/{self.day}",
            f"/admin/reconciliation/{self.day}/{self.found.id}",
            "/admin/sub-merchants",
            f"/admin/sub-merchants/{self.tenant.id}",
            f"/admin/sub-merchants/{self.tenant.id}/doctor",
            "/admin/audit",
            f"/admin/audit?object={self.order.id}&by=PROVIDER",
            "/admin/webhooks",
            f"/admin/webhooks/{self.endpoint.id}",
            "/admin/webhooks/events",
            f"/admin/webhooks/events/{self.delivery.event_id}",
            "/dashboard/",
            "/dashboard/orders",
            f"/dashboard/orders/{self.order.id}",
            "/dashboard/refunds",
            f"/dashboard/refunds/{self.refunds[0].id}",
            "/dashboard/activity",
            "/dashboard/activity?by=PROVIDER",
            "/dashboard/reconciliation",
            f"/dashboard/reconciliation/{self.day}",
            "/dashboard/webhooks",
            "/dashboard/webhooks/new",
            f"/dashboard/webhooks/{self.endpoint.id}?open=change",
            f"/dashboard/webhooks/{self.endpoint.id}?open=recover",
            "/dashboard/webhooks/events",
            f"/dashboard/webhooks/events/{self.delivery.event_id}",
            "/dashboard/doctor?url=https://shop.example.com/pay/index.html%23/cart",
            "/dashboard/checkout",
            "/dashboard/checkout/new",
            f"/dashboard/checkout/{self.link.id}",
            f"/dashboard/checkout/{self.link.id}/sheet",
        ]


@pytest.fixture(scope="module")
def place(variables: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder: Path = tmp_path_factory.mktemp("pages")
    server = make_server("127.0.0.1", 0, lambda *call: app(*call), threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    told = {"PUBLIC_BASE_URL": url, "DATABASE_URL": f"sqlite:///{folder / 'pages.sqlite'}"}
    app: Flask = wsgi.create_app(Settings.from_values({**variables, **told}))
    with app.app_context():
        Base.metadata.create_all(db.engine)
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield Place(url)
        server.shutdown()
        serving.join()
        server.server_close()
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="module")
def signed_in(place: Place, browser: Browser) -> dict[str, object]:
    """The cookies of a browser that walked in by both doors."""
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    page.goto(f"{place.url}/admin/")
    page.get_by_label("邮箱").fill(place.known.operator.email)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="下一步").click()
    page.get_by_label("验证码").fill(place.known.code())
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("heading", name="概览")).to_be_visible()
    page.goto(f"{place.url}/dashboard/")
    page.get_by_label("邮箱").fill(place.member.email)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("heading", name="山茶咖啡")).to_be_visible()
    state = dict(context.storage_state())
    context.close()
    return state


def opened(browser: Browser, signed_in: dict[str, object], size: ViewportSize, theme: str) -> Page:
    context = browser.new_context(
        viewport=size,
        color_scheme=theme,  # type: ignore[arg-type]
        storage_state=signed_in,  # type: ignore[arg-type]
    )
    return context.new_page()


def complaints_about(page: Page) -> list[str]:
    """What the browser complains of from here on."""
    told: list[str] = []
    page.on("console", lambda one: told.append(one.text) if one.type != "log" else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    return told


@pytest.mark.parametrize(
    ("language", "size", "theme"),
    [("中", DESK, "light"), ("中", PHONE, "dark"), ("EN", DESK, "light"), ("EN", PHONE, "light")],
)
def test_every_page_is_clean_whole_and_open_to_everybody(
    place: Place,
    browser: Browser,
    signed_in: dict[str, object],
    language: str,
    size: ViewportSize,
    theme: str,
) -> None:
    page = opened(browser, signed_in, size, theme)
    complaints = complaints_about(page)
    page.goto(f"{place.url}/admin/")
    if language == "EN":
        page.locator("form.switch button").click()
        expect(page.locator("html")).to_have_attribute("lang", "en")

    faults: list[str] = []
    for path in place.pages:
        page.goto(place.url + path)
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wider > 0:
            faults.append(f"{path} is {wider} pixels wider than the screen")
        if (language, size) not in LOOKED_AT_CLOSELY:
            continue
        faults += [
            f"{path}: {one['id']} at {one['nodes'][0]['target']}"
            for one in Axe().run(page).response["violations"]
        ]
    page.context.close()

    assert faults == []
    assert complaints == []


def test_charts_are_drawn_and_follow_the_theme(
    place: Place, browser: Browser, signed_in: dict[str, object]
) -> None:
    page = opened(browser, signed_in, DESK, "light")
    page.goto(f"{place.url}/admin/")
    expect(page.locator(".chart canvas")).to_have_count(2)

    page.get_by_role("button", name="切换深浅色").click()

    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.context.close()


def test_a_filter_takes_effect_at_once_and_stands_in_the_address(
    place: Place, browser: Browser, signed_in: dict[str, object]
) -> None:
    page = opened(browser, signed_in, DESK, "light")
    page.goto(f"{place.url}/admin/orders")

    page.get_by_label("状态").select_option("PAID")
    page.wait_for_url("**/orders?state=PAID")

    expect(page.locator("table.orders tbody tr")).to_have_count(3)
    page.context.close()


def test_a_word_without_end_does_not_run_into_the_amount(
    place: Place, browser: Browser, signed_in: dict[str, object]
) -> None:
    make_refund(order=place.order, amount_fen=10, reason="x" * 80)

    for size in (PHONE, DESK):
        page = opened(browser, signed_in, size, "light")
        page.goto(f"{place.url}/admin/refunds")
        row = page.locator("tr", has=page.get_by_role("link", name="xxxx"))
        lead = row.locator(".lead a").bounding_box()
        amount = row.locator(".amount").bounding_box()

        assert lead
        assert amount
        assert lead["x"] + lead["width"] <= amount["x"]
        page.context.close()


def test_a_recorded_detail_is_read_in_lines_on_a_phone(
    place: Place, browser: Browser, signed_in: dict[str, object]
) -> None:
    said = {"code": "NOT_ENOUGH", "message": "基本账户余额不足，请充值后使用原商户退款单号重新发起"}
    refund = make_refund(order=place.order, amount_fen=10)
    with acting_for(place.tenant.id), transaction():
        audit.record("refund.waiting", object_kind="refund", object_id=refund.id, wechatpay=said)
    page = opened(browser, signed_in, PHONE, "light")

    page.goto(f"{place.url}/admin/refunds/{refund.id}")

    name = page.locator(".told dt", has_text="微信支付的说明").bounding_box()
    page.context.close()
    assert name
    assert name["height"] < 30


def test_a_phone_marks_the_place_behind_more(
    place: Place, browser: Browser, signed_in: dict[str, object]
) -> None:
    page = opened(browser, signed_in, PHONE, "light")
    places = {}

    for path in ("orders", "audit"):
        page.goto(f"{place.url}/admin/{path}")
        places[path] = page.locator(".tabbar > .here").inner_text()

    page.context.close()
    assert places == {"orders": "订单", "audit": "更多"}


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_a_refused_decision_stands_before_the_eyes_with_what_was_typed(
    place: Place, browser: Browser, signed_in: dict[str, object], size: ViewportSize
) -> None:
    page = opened(browser, signed_in, size, "light")
    page.goto(f"{place.url}/admin/reconciliation/{place.day}/{place.found.id}")
    last = page.locator("article.difference").last
    last.get_by_text("裁定", exact=True).click()
    last.get_by_label("裁定结果和原因").fill("付款人已到店取回现金")
    last.get_by_label("动态码").fill("000000")

    last.get_by_role("button", name="记录裁定").click()

    refused = page.locator("article.difference").last
    expect(refused.get_by_role("alert")).to_be_in_viewport()
    expect(refused.get_by_label("裁定结果和原因")).to_have_value("付款人已到店取回现金")
    expect(refused.get_by_role("button", name="记录裁定")).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert [one["id"] for one in Axe().run(page).response["violations"]] == []
    page.context.close()


def test_a_decision_that_was_recorded_is_said_before_the_eyes(
    place: Place, browser: Browser, signed_in: dict[str, object]
) -> None:
    found = make_reconciliation(
        sub_merchant=place.tenant,
        day=place.day - timedelta(days=40),
        state=ReconciliationState.DISCREPANT,
    )
    make_discrepancy(found, kind=DiscrepancyKind.MISSING_THERE, theirs=None)
    page = opened(browser, signed_in, PHONE, "light")
    page.goto(f"{place.url}/admin/reconciliation/{found.bill_date}/{found.id}")
    page.get_by_text("裁定", exact=True).click()
    page.get_by_label("裁定结果和原因").fill("付款人已到店取回现金")
    page.get_by_label("动态码").fill(place.known.code(1))

    page.get_by_role("button", name="记录裁定").click()

    expect(page.locator(".notice.tone-good")).to_be_in_viewport(ratio=1)
    expect(page.locator(".decision")).to_contain_text(place.known.operator.email)
    page.context.close()


def test_a_number_is_copied_with_one_click(
    place: Place, browser: Browser, signed_in: dict[str, object]
) -> None:
    page = opened(browser, signed_in, DESK, "light")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=place.url)
    page.goto(f"{place.url}/admin/orders/{place.order.id}")

    page.locator(f'[data-copy="{place.order.out_trade_no}"]').click()

    expect(page.locator("#toast")).to_have_text("已复制")
    assert page.evaluate("navigator.clipboard.readText()") == place.order.out_trade_no
    page.context.close()


def test_the_doors_and_the_error_page_are_open_to_everybody(place: Place, browser: Browser) -> None:
    page = browser.new_context(viewport=PHONE).new_page()
    faults = []
    for path in ("/admin/sign-in", "/dashboard/sign-in", "/admin/nowhere"):
        page.goto(place.url + path)
        faults += [one["id"] for one in Axe().run(page).response["violations"]]
    page.context.close()

    assert faults == []
