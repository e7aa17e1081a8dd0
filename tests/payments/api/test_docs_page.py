"""The page that shows the API: in both languages, without a network, under the strictest policy."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser, expect

from config.i18n import LANGUAGE_COOKIE
from payments.api.describe import REFUSALS
from payments.api.openapi import api_document

pytestmark = pytest.mark.sqlite_only

ASSETS = ("docs.css", "docs.js", "swagger-ui.css", "swagger-ui-bundle.js")


@pytest.mark.parametrize("name", ASSETS)
def test_what_the_page_needs_is_served_here(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/api/docs/{name}", buffered=True)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith(("text/css", "text/javascript"))
    assert f"/api/docs/{name}" in client.get("/api/docs").get_data(as_text=True)


@pytest.mark.parametrize("name", ["docs.py", "..%2fopenapi.py", "%2e%2e/static/docs.css"])
def test_nothing_else_is_served(client: FlaskClient, name: str) -> None:
    assert client.get(f"/api/docs/{name}").status_code == 404


def test_the_page_tells_every_code(client: FlaskClient) -> None:
    page = client.get("/api/docs").get_data(as_text=True)

    codes = {code for refusal in REFUSALS.values() for code in refusal.codes}
    assert {code for code in codes if f"<code>{code}</code>" not in page} == set()


def test_the_page_is_chinese_until_somebody_chooses_english(client: FlaskClient) -> None:
    chinese = client.get("/api/docs", headers={"Accept-Language": "en"}).text
    [token] = re.findall(r'name="csrf_token" value="([^"]+)"', chinese)
    form = {"language": "en", "next": "/api/docs", "csrf_token": token}

    chosen = client.post("/language", data=form)
    english = client.get("/api/docs").text

    assert 'lang="zh-CN"' in chinese
    assert "第一笔订单" in chinese
    assert "没有接口密钥，或密钥无效。" in chinese
    assert (chosen.status_code, chosen.location) == (303, "/api/docs")
    assert 'lang="en"' in english
    assert not re.search(r"[\u4e00-\u9fff]", english.replace("中文", ""))


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_one_click_without_script_turns_the_page_english(
    app: Flask, browser: Browser, live_url: str, width: int
) -> None:
    size = {"width": width, "height": 844}
    page = browser.new_page(java_script_enabled=False, viewport=size)  # type: ignore[arg-type]
    page.goto(f"{live_url}/api/docs")
    expect(page.get_by_role("heading", level=1)).to_have_text("商户接口")

    page.get_by_role("button", name="English").click()

    expect(page).to_have_url(f"{live_url}/api/docs")
    expect(page.get_by_role("heading", level=1)).to_have_text("The sub-merchant's API")
    expect(page.get_by_role("button", name="中文")).to_be_visible()
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize(
    ("language", "order", "parameters"),
    [("zh_Hans_CN", "下单。", "参数"), ("en", "Place an order.", "Parameters")],
)
def test_a_phone_shows_a_call_in_the_chosen_language_and_no_wider_than_itself(
    app: Flask, browser: Browser, live_url: str, language: str, order: str, parameters: str
) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.context.add_cookies([{"name": LANGUAGE_COOKIE, "value": language, "url": live_url}])
    page.goto(f"{live_url}/api/docs")

    call = page.locator(".opblock").filter(has_text=order).first
    call.locator(".opblock-summary-control").click()

    expect(call.locator(".opblock-section-header").first).to_contain_text(parameters)
    expect(call.locator(".responses-table").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    page.close()


@pytest.mark.browser
def test_a_browser_shows_every_call_under_the_strict_policy(
    app: Flask, browser: Browser, live_url: str
) -> None:
    calls = [method for path in api_document(app)["paths"].values() for method in path]
    page = browser.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda told: complaints.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    answer = page.goto(f"{live_url}/api/docs")
    page.wait_for_selector(".opblock-summary-path")

    assert answer is not None
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert page.locator(".opblock").count() == len(calls)
    assert complaints == []
    assert [url for url in asked if not url.startswith((live_url, "data:", "blob:"))] == []
    page.close()
