"""The page that shows the API: readable without a network, under the strictest policy."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser

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
