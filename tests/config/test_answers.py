"""What goes wrong inside is told with an id and nothing else, and whose call it is cannot be said
by a header."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

import wsgi
from config.database import db, release
from config.settings import Settings
from submerchants.tenants.models import SubMerchant
from tests.factories.payments import make_order
from tests.factories.people import make_staff_member, sign_in_staff
from tests.factories.submerchants import bearer, make_api_key, make_sub_merchant

GIVEN = "203.0.113.9"


@pytest.fixture
def broken(app: Flask) -> tuple[SubMerchant, str]:
    """An order that our own code cannot read."""
    order = make_order(sub_merchant=(here := make_sub_merchant()))
    release()
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE orders SET last_refusal = '{\"canary7f3a'"))
    return here, order.id


def test_a_fault_of_ours_is_an_id_and_no_trace(
    client: FlaskClient, broken: tuple[SubMerchant, str]
) -> None:
    here, order_id = broken
    sign_in_staff(client, make_staff_member(sub_merchant=here))

    told = client.get(f"/api/v1/orders/{order_id}", headers=bearer(make_api_key(here)))
    shown = client.get(f"/dashboard/orders/{order_id}")

    assert (told.status_code, shown.status_code) == (500, 500)
    assert set(told.get_json()) == {"code", "message", "detail", "request_id"}
    assert told.get_json()["request_id"] == told.headers["Request-ID"]
    assert shown.headers["Request-ID"] in shown.text
    for answer in (told, shown):
        assert not any(word in answer.text for word in ("Traceback", "Error(", "canary7f3a", ".py"))


def called(client: FlaskClient, key: str, *forwarded: str, **headers: str) -> int:
    pairs = [("X-Forwarded-For", each) for each in forwarded]
    sent = [*bearer(key).items(), *pairs, *headers.items()]
    return client.get("/api/v1/orders", headers=sent).status_code


def test_an_address_in_a_header_is_nobodys_without_a_proxy(client: FlaskClient) -> None:
    key = make_api_key(make_sub_merchant(), allowed_networks=[f"{GIVEN}/32"])

    assert called(client, key, GIVEN) == 403


def test_of_several_addresses_the_one_our_own_proxy_wrote_counts(
    app: Flask, settings: Settings
) -> None:
    key = make_api_key(make_sub_merchant(), allowed_networks=[f"{GIVEN}/32"])
    release()
    behind = wsgi.create_app(settings.model_copy(update={"trusted_proxies": 1}))
    behind.test_client_class = app.test_client_class
    client = behind.test_client()

    written, claimed = (
        called(client, key, f"10.0.0.1, {GIVEN}"),
        called(client, key, f"{GIVEN}, ::1"),
    )
    foreign = client.get("/healthz", headers={"X-Forwarded-Host": "evil.example"})

    assert (written, claimed) == (200, 403)
    assert foreign.status_code == 200, "the host is the one the request came to"
    with behind.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/metrics"])
def test_a_probe_reaches_a_machine_by_its_own_address(client: FlaskClient, address: str) -> None:
    answer = client.get(address, headers={"Host": "10.1.2.3:8000"})

    assert answer.status_code == 200


def test_whatever_else_is_served_under_the_public_host_only_and_says_so(
    client: FlaskClient,
) -> None:
    answer = client.get("/api/v1/openapi.json", headers={"Host": "10.1.2.3:8000"})

    assert answer.status_code == 400
    assert "PUBLIC_BASE_URL" in answer.get_data(as_text=True)
