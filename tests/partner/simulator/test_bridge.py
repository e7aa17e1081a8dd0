"""The bridge: what the client checks before it opens the cashier, and the cashier it opens."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from playwright.sync_api import Page, expect
from werkzeug.serving import make_server

from partner.simulator import Simulator
from partner.simulator.bridge import serves
from tests.partner.simulator.conftest import BASE, Merchant
from tests.partner.simulator.test_ways_to_pay import place

PAGE = "https://pay.example.com/shop/42?table=7#top"
NO_AMOUNT = "调用支付JSAPI缺少参数：total_fee"


def signed(key: rsa.RSAPrivateKey, *lines: str) -> str:
    message = "".join(f"{line}\n" for line in lines).encode()
    return base64.b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).decode()


def pay_params(merchant: Merchant, prepay_id: str, **changes: Any) -> dict[str, Any]:
    """What the merchant's server hands to its page; the signature covers what it says."""
    params = {"appId": merchant.order["sp_appid"], "timeStamp": "1772337600", "signType": "RSA"}
    params |= {"nonceStr": "k3Tq8ZrW1mBv6XyN", "package": f"prepay_id={prepay_id}"}
    params |= {name: changes.pop(name) for name in ("appId", "package") if name in changes}
    lines = (params[name] for name in ("appId", "timeStamp", "nonceStr", "package"))
    return {**params, "paySign": signed(merchant.key, *lines), **changes}


def invoke(
    web: requests.Session, params: dict[str, Any], url: str = PAGE, origin: str | None = None
) -> dict[str, Any]:
    """A page's call of getBrandWCPayRequest, as the bridge's script makes it."""
    body = json.dumps({"params": params, "url": url})
    headers = {"Origin": origin or "/".join(url.split("/")[:3]), "Content-Type": "text/plain"}
    answer = web.post(f"{BASE}/bridge/pay", data=body, headers=headers)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, "*")
    told: dict[str, Any] = answer.json()
    return told


@pytest.fixture
def prepay_id(merchant: Merchant) -> str:
    return str(merchant.place().json()["prepay_id"])


def test_what_the_merchant_signed_opens_the_cashier(
    merchant: Merchant, web: requests.Session, prepay_id: str
) -> None:
    told = invoke(web, pay_params(merchant, prepay_id))

    page = web.get(told["cashier"])
    assert told["cashier"].startswith(f"{BASE}/cashier/{prepay_id}")
    assert "18.80" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors https://pay.example.com")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"appId": None}, "调用支付JSAPI缺少参数：appId"),
        ({"timeStamp": 1772337600}, "调用支付JSAPI缺少参数：timeStamp"),
        ({"nonceStr": ""}, "调用支付JSAPI缺少参数：nonceStr"),
        ({"paySign": None}, "调用支付JSAPI缺少参数：paySign"),
        ({"package": "wx01120000000000"}, NO_AMOUNT),
        ({"package": "prepay_id="}, NO_AMOUNT),
        ({"package": "prepay_id=wx01120000000000"}, NO_AMOUNT),
        ({"appId": "wx0000000000000000"}, NO_AMOUNT),
        ({"signType": "MD5"}, "支付验证签名失败"),
        ({"timeStamp": "1772337601"}, "支付验证签名失败"),
        ({"paySign": "bm90IGEgc2lnbmF0dXJl"}, "支付验证签名失败"),
    ],
)
def test_each_mistake_has_the_text_a_payer_reads(
    merchant: Merchant, web: requests.Session, prepay_id: str, change: dict[str, Any], text: str
) -> None:
    signed_changes = {name: value for name, value in change.items() if value is not None}
    params = {**pay_params(merchant, prepay_id, **signed_changes), **change}

    told = invoke(web, params)

    assert told == {"err_msg": "get_brand_wcpay_request:fail", "err_desc": text}


def test_a_session_that_ran_out_or_was_paid_is_not_opened(
    merchant: Merchant, web: requests.Session, sim: Simulator, prepay_id: str
) -> None:
    paid = merchant.place(out_trade_no="PAID-ONE").json()["prepay_id"]
    closed = merchant.place(out_trade_no="CLOSED-ONE").json()["prepay_id"]
    sim.pay("PAID-ONE")
    merchant.close("CLOSED-ONE")

    told = [invoke(web, pay_params(merchant, one))["err_desc"] for one in (paid, closed)]
    sim.clock.advance(2 * 3600)
    expired = invoke(web, pay_params(merchant, prepay_id))["err_desc"]

    assert "已支付" in told[0]
    assert "已关闭" in told[1]
    assert expired == NO_AMOUNT


def test_a_session_of_another_way_to_pay_is_the_wrong_scene(
    merchant: Merchant, web: requests.Session
) -> None:
    app_session = place(merchant, "app").json()["prepay_id"]

    told = invoke(web, pay_params(merchant, app_session))

    assert told["err_desc"] == "支付场景非法"


def test_another_merchants_key_signs_nothing_here(
    merchant: Merchant, web: requests.Session, prepay_id: str
) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    params = pay_params(merchant, prepay_id)
    lines = (params[name] for name in ("appId", "timeStamp", "nonceStr", "package"))

    told = invoke(web, {**params, "paySign": signed(stranger, *lines)})

    assert told["err_desc"] == "支付验证签名失败"


@pytest.mark.parametrize(
    ("directory", "url", "is_served"),
    [
        ("https://pay.example.com/", "https://pay.example.com/shop/42", True),
        ("https://pay.example.com/", "https://pay.example.com", True),
        ("https://pay.example.com/", "http://pay.example.com/shop/42", False),
        ("https://pay.example.com/", "https://www.pay.example.com/", False),
        ("https://pay.example.com/", "https://pay.example.com:8443/", False),
        ("https://pay.example.com/shop/", "https://pay.example.com/shop/42?a=/b/#/c/", True),
        ("https://pay.example.com/shop/", "https://pay.example.com/shop/", True),
        ("https://pay.example.com/shop/", "https://pay.example.com/shop", False),
        ("https://pay.example.com/shop/", "https://pay.example.com/shop/a/42", False),
        ("https://pay.example.com/shop/", "https://pay.example.com/Shop/42", False),
        ("https://pay.example.com/shop/", "https://pay.example.com/42", False),
    ],
)
def test_a_directory_serves_its_own_pages_to_the_last_slash(
    directory: str, url: str, is_served: bool
) -> None:
    assert serves(directory, url) is is_served


@pytest.mark.parametrize(
    ("of_provider", "of_sub", "opens"),
    [
        (None, None, True),
        ([], [], False),
        ([], None, False),
        (None, ["https://other.example.com/"], False),
        (["https://pay.example.com/shop/"], [], True),
        (["https://other.example.com/"], ["https://pay.example.com/"], True),
        (["https://pay.example.com/s/"], ["https://pay.example.com/shop/42/"], False),
    ],
)
def test_one_match_at_either_level_is_enough(
    merchant: Merchant,
    web: requests.Session,
    sim: Simulator,
    prepay_id: str,
    of_provider: list[str] | None,
    of_sub: list[str] | None,
    opens: bool,
) -> None:
    sub = {"sub_mchid": merchant.order["sub_mchid"], "payment_directories": of_sub}
    sim.register(payment_directories=of_provider, sub_merchants=[sub])

    told = invoke(web, pay_params(merchant, prepay_id))

    if opens:
        assert "cashier" in told
    else:
        assert told["err_desc"] == "当前页面的URL未注册：https://pay.example.com/shop/42"


def test_a_page_cannot_say_it_is_another(
    merchant: Merchant, web: requests.Session, prepay_id: str
) -> None:
    params = pay_params(merchant, prepay_id)

    told = invoke(web, params, origin="https://evil.example.com")

    assert told["err_desc"].startswith("当前页面的URL未注册")


def app_params(merchant: Merchant, prepay_id: str, **changes: str) -> dict[str, str]:
    params = {"appid": merchant.order["sp_appid"], "partnerid": merchant.mchid}
    params |= {"prepayid": prepay_id, "package": "Sign=WXPay"}
    params |= {"noncestr": "k3Tq8ZrW1mBv6XyN", "timestamp": "1772337600"}
    lines = (params[name] for name in ("appid", "timestamp", "noncestr", "prepayid"))
    return {**params, "sign": signed(merchant.key, *lines), **changes}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"package": "prepay_id=x"}, NO_AMOUNT),
        ({"appid": "wx0000000000000000"}, "商户传入的appid参数不正确，请联系商户处理"),
        ({"noncestr": "another"}, "支付验证签名失败"),
    ],
)
def test_an_app_opens_the_cashier_with_its_own_fourth_line(
    merchant: Merchant, web: requests.Session, change: dict[str, str], text: str
) -> None:
    session = place(merchant, "app").json()["prepay_id"]
    url = f"{BASE}/_simulator/app-pay"

    good = web.post(url, json=app_params(merchant, session)).json()
    bad = web.post(url, json=app_params(merchant, session, **change)).json()

    assert good == {"errCode": 0, "cashier": f"{BASE}/cashier/{session}"}
    assert bad == {"errCode": -1, "errStr": text}


# In a real browser: a shop's page on another origin, under the policy the bridge asks for.

SHOP = """<!doctype html><meta charset="utf-8"><title>shop</title>
<script src="{simulator}/bridge.js"></script><script src="/shop.js"></script>
<h1>shop</h1><output></output>"""
SCRIPT = """document.addEventListener("WeixinJSBridgeReady", () => {
  document.querySelector("h1").textContent = "ready";
});
window.pay = (params) => WeixinJSBridge.invoke("getBrandWCPayRequest", params, (told) => {
  document.querySelector("output").textContent = JSON.stringify(told);
});"""


def shop(simulator: str) -> Any:
    """The shop's server: one page, whose policy allows the simulator's origin and nothing else."""
    policy = (
        f"default-src 'none'; script-src 'self' {simulator}; connect-src {simulator};"
        f" frame-src {simulator}; style-src 'self'"
    )

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        is_script = environ["PATH_INFO"].endswith(".js")
        kind = "text/javascript" if is_script else "text/html"
        start_response("200 OK", [("Content-Type", kind), ("Content-Security-Policy", policy)])
        return [SCRIPT.encode() if is_script else SHOP.format(simulator=simulator).encode()]

    return application


@pytest.fixture
def shop_page(address: str, phone: tuple[Page, list[str]]) -> Iterator[tuple[Page, list[str]]]:
    """The shop's page on a phone, with everything it complained about."""
    page, complaints = phone
    server = make_server("127.0.0.1", 0, shop(address))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    page.goto(f"http://127.0.0.1:{server.port}/shop/42")
    expect(page.get_by_role("heading", name="ready")).to_be_visible()
    yield page, complaints
    server.shutdown()
    server.server_close()
    thread.join()


def outcome(page: Page) -> Any:
    told = page.locator("output")
    expect(told).not_to_be_empty()
    return json.loads(told.inner_text())


@pytest.mark.browser
def test_in_a_browser_the_payer_pays_and_the_page_hears_ok(
    merchant: Merchant, sim: Simulator, prepay_id: str, shop_page: tuple[Page, list[str]]
) -> None:
    page, complaints = shop_page

    page.evaluate("pay", pay_params(merchant, prepay_id))
    cashier = page.frame_locator("iframe")
    cashier.get_by_role("button", name="立即支付").click()
    expect(cashier.get_by_role("heading", name="支付成功")).to_be_visible()
    cashier.get_by_role("button", name="完成").click()

    assert outcome(page) == {"err_msg": "get_brand_wcpay_request:ok"}
    expect(page.locator("iframe")).to_have_count(0)
    assert sim.ledger.orders()[0].trade_state == "SUCCESS"
    assert complaints == []


@pytest.mark.browser
def test_in_a_browser_the_payer_turns_it_away_and_the_page_hears_cancel(
    merchant: Merchant, sim: Simulator, prepay_id: str, shop_page: tuple[Page, list[str]]
) -> None:
    page, complaints = shop_page

    page.evaluate("pay", pay_params(merchant, prepay_id))
    page.frame_locator("iframe").get_by_role("button", name="取消").click()

    assert outcome(page) == {"err_msg": "get_brand_wcpay_request:cancel"}
    assert sim.ledger.orders()[0].trade_state == "NOTPAY"
    assert complaints == []


@pytest.mark.browser
def test_in_a_browser_an_unregistered_page_is_told_so(
    merchant: Merchant, sim: Simulator, prepay_id: str, shop_page: tuple[Page, list[str]]
) -> None:
    page, _ = shop_page
    sim.register(payment_directories=[page.url.removesuffix("shop/42") + "shop/42/"])

    page.evaluate("pay", pay_params(merchant, prepay_id))

    text = f"当前页面的URL未注册：{page.url}"
    assert outcome(page) == {"err_msg": "get_brand_wcpay_request:fail", "err_desc": text}
    expect(page.get_by_role("alert")).to_have_text(text)
    expect(page.locator("iframe")).to_have_count(0)


@pytest.mark.browser
def test_in_a_browser_another_persons_phone_cannot_pay(
    merchant: Merchant, sim: Simulator, shop_page: tuple[Page, list[str]]
) -> None:
    page, _ = shop_page
    openid = sim.people.openid(merchant.order["sp_appid"], "wang")
    session = merchant.place(payer={"sp_openid": openid}).json()["prepay_id"]
    sim.people.hand_over("li")

    page.evaluate("pay", pay_params(merchant, session))
    page.frame_locator("iframe").get_by_role("button", name="返回商家").click()

    told = {"err_msg": "get_brand_wcpay_request:fail", "err_desc": "下单账号与支付账号不一致"}
    assert outcome(page) == told
    assert sim.ledger.orders()[0].trade_state == "NOTPAY"
