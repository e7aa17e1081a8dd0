"""The doctor over HTTP: the tenant's own chain, with a small budget, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from partner.simulator.simulator import Simulator
from payments.api.doctor_shapes import Diagnosis
from submerchants.permissions import Permission
from submerchants.tenants.models import SubMerchant
from tests.merchants import change_sub_merchant
from tests.payments.api.caller import Api, tea

PAGE = "https://shop.example.com/pay/"


def test_a_tenant_is_examined_and_told_the_first_missing_link(
    api: Api, sub_merchant: SubMerchant
) -> None:
    answer = api.get("/doctor", page_url=PAGE)

    told = Diagnosis.model_validate(answer.json)
    assert answer.status_code == 200
    assert set(answer.json) == set(Diagnosis.model_fields)
    assert (told.sub_mchid, told.ok) == (sub_merchant.sub_mchid, False)
    assert told.verdict is not None
    assert told.verdict.link == "directory"
    assert f"Enter {PAGE} or https://shop.example.com/." in told.verdict.said


def test_without_a_page_a_whole_chain_is_fine(api: Api) -> None:
    answer = api.get("/doctor")

    assert (answer.json["ok"], answer.json["verdict"]) == (True, None)


def test_after_a_refused_order_the_doctor_and_the_refusal_name_the_same_link(
    api: Api, other_api: Api, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    change_sub_merchant(simulator, sub_merchant, permissions=["NATIVE"])
    refused = api.post("/orders", tea())

    mine, neighbours = api.get("/doctor").json, other_api.get("/doctor").json

    finding = refused.json["detail"]["finding"]
    assert refused.status_code == 424
    assert (finding["link"], mine["verdict"]["link"]) == ("product", "product")
    assert finding["where"] == mine["verdict"]["where"]
    assert neighbours["ok"]


@pytest.fixture
def one_a_minute(app: Flask) -> Iterator[None]:
    usual = app.config["API_DIAGNOSES_A_MINUTE"]
    app.config["API_DIAGNOSES_A_MINUTE"] = 1
    yield
    app.config["API_DIAGNOSES_A_MINUTE"] = usual


@pytest.mark.usefixtures("one_a_minute")
def test_examinations_have_a_budget_of_their_own_for_each_tenant(api: Api, other_api: Api) -> None:
    answers = [api.get("/doctor") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 429]
    assert int(answers[1].headers["Retry-After"]) >= 1
    assert api.get("/orders").status_code == 200
    assert other_api.get("/doctor").status_code == 200


def test_a_key_needs_the_scope(client: FlaskClient, sub_merchant: SubMerchant) -> None:
    answer = Api(client, sub_merchant, Permission.ORDERS_READ).get("/doctor")

    assert (answer.status_code, answer.code) == (403, "scope_missing")
