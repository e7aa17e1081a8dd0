"""Making, reading and cancelling links over the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from config.audit import AuditEntry
from config.clock import frozen_at, now
from config.database import db
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.checkout.models import CheckoutLink
from submerchants.tenancy import across_tenants
from submerchants.tenants.app_secrets import set_app_secret
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.suspend import suspend
from tests.factories.checkout import APP_SECRET, ready_for_checkout
from tests.payments.api.caller import Api, with_key

TEA: dict[str, Any] = {"merchant_order_no": "A1", "description": "Tea", "amount_fen": 2800}


@pytest.fixture
def api(client: FlaskClient, sub_merchant: SubMerchant) -> Api:
    return Api(client, sub_merchant)


@pytest.fixture
def ready(partner: Partner) -> None:
    ready_for_checkout(partner)


def test_the_same_request_is_the_same_link_and_another_one_a_conflict(
    api: Api, ready: None
) -> None:
    first = api.post("/checkout-links", TEA)

    again = api.post("/checkout-links", TEA)
    other = api.post("/checkout-links", {**TEA, "amount_fen": 2801})

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json == first.json
    assert (other.status_code, other.code) == (409, "checkout_link_conflict")


def test_an_idempotency_key_is_honoured(api: Api, ready: None) -> None:
    first = api.post("/checkout-links", TEA, headers=with_key("k1"))

    again = api.post("/checkout-links", TEA, headers=with_key("k1"))

    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.data == first.data


def test_a_number_that_names_an_order_names_no_link(api: Api, ready: None) -> None:
    api.order(merchant_order_no="A1")

    refused = api.post("/checkout-links", TEA)

    assert (refused.status_code, refused.code) == (409, "checkout_link_conflict")


def test_two_tenants_may_use_the_same_number_and_neither_sees_the_others(
    client: FlaskClient, api: Api, other_sub_merchant: SubMerchant, ready: None
) -> None:
    other = Api(client, other_sub_merchant)
    link = api.post("/checkout-links", TEA).json

    made = other.post("/checkout-links", TEA)
    hidden = [
        other.get(f"/checkout-links/{link['id']}"),
        other.get(f"/checkout-links/{link['id']}/qr-code"),
        other.post(f"/checkout-links/{link['id']}/cancel"),
        other.get("/checkout-links/chk_01krx3m8d2q7v5w0c4n6t9b1ze"),
    ]

    assert made.status_code == 201
    assert made.json["url"] != link["url"]
    assert {each.status_code for each in hidden} == {404}
    assert len({(each.code, each.json["message"]) for each in hidden}) == 1
    listed = other.get("/checkout-links", cursor=link["id"])
    assert listed.status_code == 400


def test_no_link_is_handed_out_when_the_page_lies_in_no_directory_in_force(
    api: Api, partner: Partner
) -> None:
    with frozen_at(now() + timedelta(days=1)):
        ready_for_checkout(partner)  # in force only from then on

    refused = api.post("/checkout-links", TEA)

    assert (refused.status_code, refused.code) == (422, "checkout_page_not_covered")
    assert refused.json["detail"]["directory"] == "https://pay.example.test/checkout/"
    assert refused.json["detail"]["finding"]["link"] == "directory"
    with across_tenants("a test looks at everything"):
        assert db.session.scalars(select(CheckoutLink)).all() == []


def test_nobody_can_sign_in_without_an_app_secret(
    api: Api, partner: Partner, sub_merchant: SubMerchant, ready: None
) -> None:
    refused = api.post("/checkout-links", {**TEA, "sub_appid": "wxnobody"})

    assert (refused.status_code, refused.code) == (422, "checkout_without_account")
    assert refused.json["detail"]["field"] == "sub_appid"


def test_a_sub_merchants_own_account_is_used_where_its_secret_is_set(
    api: Api, sub_merchant: SubMerchant, simulator: Simulator, ready: None
) -> None:
    own = simulator.facts["sub_merchants"][0]["sub_appid"]
    before = api.post("/checkout-links", TEA).json

    set_app_secret(sub_merchant=sub_merchant, sub_appid=own, secret=APP_SECRET)
    after = api.post("/checkout-links", {**TEA, "merchant_order_no": "A2"}).json

    assert (before["appid"], after["appid"]) == (simulator.facts["sp_appid"], own)


@pytest.mark.parametrize(
    "fields",
    [
        {"amount_fen": 0},
        {"amount_fen": 1.5},
        {"amount_fen": True},
        {"amount_fen": "2800"},
        {"merchant_order_no": "x" * 62},
        {"merchant_order_no": "茶"},
        {"description": "茶" * 43},
        {"payer": {"sp_openid": "o"}},
        {"expires_at": "2026-05-01"},
    ],
)
@pytest.mark.sqlite_only
def test_what_is_no_link_is_refused_by_name(api: Api, ready: None, fields: dict[str, Any]) -> None:
    refused = api.post("/checkout-links", {**TEA, **fields})

    assert (refused.status_code, refused.code) == (400, "invalid_request")
    assert refused.wrong_fields == list(fields)


@pytest.mark.sqlite_only
def test_a_link_lives_from_a_minute_to_a_week_in_the_accounts_currency(
    api: Api, ready: None
) -> None:
    late = (now() + timedelta(days=8)).isoformat()

    too_long = api.post("/checkout-links", {**TEA, "expires_at": late})
    foreign = api.post("/checkout-links", {**TEA, "currency": "USD"})

    assert (too_long.status_code, too_long.code) == (422, "expires_at_out_of_range")
    assert (foreign.status_code, foreign.code) == (422, "currency_not_settled")


def test_links_are_listed_newest_first_page_by_page(api: Api, ready: None) -> None:
    made = [
        api.post("/checkout-links", {**TEA, "merchant_order_no": f"A{n}"}).json["id"]
        for n in range(5)
    ]

    first = api.get("/checkout-links", limit="3").json
    second = api.get("/checkout-links", limit="3", cursor=first["next_cursor"]).json
    one = api.get("/checkout-links", merchant_order_no="A2").json

    assert [each["id"] for each in first["data"] + second["data"]] == made[::-1]
    assert second["next_cursor"] is None
    assert [each["id"] for each in one["data"]] == [made[2]]


def test_a_suspended_tenant_makes_no_links_and_still_cancels_them(
    api: Api, sub_merchant: SubMerchant, ready: None
) -> None:
    link = api.post("/checkout-links", TEA).json
    suspend(sub_merchant=sub_merchant)

    refused = api.post("/checkout-links", {**TEA, "merchant_order_no": "A2"})
    cancelled = api.post(f"/checkout-links/{link['id']}/cancel")

    assert (refused.status_code, refused.code) == (403, "suspended")
    assert cancelled.json["state"] == "CANCELLED"


def test_making_and_cancelling_are_audited_and_the_token_stands_nowhere_in_the_clear(
    api: Api, ready: None
) -> None:
    link = api.post("/checkout-links", TEA).json
    api.post(f"/checkout-links/{link['id']}/cancel")
    api.post(f"/checkout-links/{link['id']}/cancel")

    about = select(AuditEntry).where(AuditEntry.object_id == link["id"]).order_by(AuditEntry.id)
    entries = db.session.scalars(about).all()
    assert [entry.action for entry in entries] == [
        "checkout_link.created",
        "checkout_link.cancelled",
    ]
    token = link["url"].rpartition("/")[2]
    with across_tenants("a test looks at everything"):
        row = db.session.scalars(select(CheckoutLink)).one()
    stored = [str(getattr(row, column.key)) for column in CheckoutLink.__table__.columns]
    assert token not in " ".join([*stored, *(entry.detail for entry in entries)])
