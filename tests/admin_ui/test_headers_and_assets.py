"""What every answer forbids the browser, and the files it is given instead."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from admin_ui.assets import STATIC, digest
from tests.factories.payments import make_order
from tests.factories.people import sign_in_operator

VENDOR = STATIC / "vendor"
MANIFEST = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))


class Inline(HTMLParser):
    """Collects what a strict policy would block, and every address a page asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.blocked: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in named):
            self.blocked.append(tag)
        self.blocked += [name for name in named if name == "style" or name.startswith("on")]
        self.addresses += [value for name in ("src", "href") if (value := named.get(name))]


@pytest.mark.parametrize("path", ["/admin/sign-in", "/admin/", "/admin/none", "/healthz", "/"])
def test_every_answer_carries_the_headers(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "max-age" in answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize("path", ["/admin/sign-in", "/admin/none"])
def test_a_page_is_never_framed_nor_opened_from_elsewhere(client: FlaskClient, path: str) -> None:
    answer = client.get(path)

    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "payment=()" in answer.headers["Permissions-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/orders",
        "/admin/notifications",
        "/admin/reconciliation",
        "/admin/sub-merchants",
        "/admin/audit",
        "/admin/none",
        "/admin/sign-in",
        "/dashboard/sign-in",
    ],
)
def test_a_page_holds_nothing_inline_and_nothing_from_elsewhere(
    client: FlaskClient, path: str
) -> None:
    make_order()
    sign_in_operator(client)
    page = Inline()

    page.feed(client.get(path, headers={"Accept": "text/html"}, follow_redirects=True).text)

    assert page.blocked == []
    assert page.addresses
    assert [one for one in page.addresses if not re.match(r"[/#?]", one)] == []
    for address in page.addresses:
        if address.startswith("/assets/"):
            assert client.get(address).status_code == 200


@pytest.mark.parametrize("entry", MANIFEST, ids=lambda entry: entry["file"])
def test_vendored_files_are_the_published_ones(entry: dict[str, str]) -> None:
    content = (VENDOR / entry["file"]).read_bytes()

    counted = base64.b64encode(hashlib.sha384(content).digest()).decode()

    assert counted == entry["sha384"]
    assert set(entry) == {"package", "version", "licence", "source", "file", "sha384"}


def test_every_vendored_file_is_in_the_manifest_beside_its_licence() -> None:
    files = {path.relative_to(VENDOR).as_posix() for path in VENDOR.rglob("*") if path.is_file()}
    code = {name for name in files if name.endswith((".js", ".css"))}

    assert code == {entry["file"] for entry in MANIFEST}
    for entry in MANIFEST:
        assert (VENDOR / entry["file"]).with_name("LICENSE").exists()


def test_an_asset_is_kept_for_ever_under_its_digest_only(client: FlaskClient) -> None:
    name = "app/app.css"

    exact = client.get(f"/assets/{name}?v={digest(name)}", headers={"Accept-Encoding": "gzip"})
    stale = client.get(f"/assets/{name}?v=old")

    assert "immutable" in exact.headers["Cache-Control"]
    assert "immutable" not in stale.headers["Cache-Control"]
    assert gzip.decompress(exact.data) == stale.data
    assert exact.mimetype == "text/css"


@pytest.mark.parametrize("name", ["../../config/vault.py", "none.css", "..%2f..%2fwsgi.py", "app"])
def test_nothing_but_our_assets_is_sent(client: FlaskClient, name: str) -> None:
    assert client.get(f"/assets/{name}").status_code == 404


def test_an_error_is_a_page_for_people_and_json_for_programs(client: FlaskClient) -> None:
    page = client.get("/admin/none", headers={"Accept": "text/html"})
    stray = client.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    api = client.get("/api/v1/none", headers={"Accept": "text/html"})
    program = client.get("/nowhere")

    assert (page.status_code, page.mimetype, stray.mimetype) == (404, "text/html", "text/html")
    assert page.headers["Request-ID"] in page.text
    assert (api.mimetype, program.mimetype) == ("application/json", "application/json")
