"""The API's description: valid, complete, and the same as what is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate

from payments.api import answers, order_schemas, pay_params
from payments.api.describe import REFUSALS
from payments.api.openapi import api_document
from payments.orders.models import TradeType
from tests.architecture.source import rooms
from tests.payments.api.caller import Api

pytestmark = pytest.mark.sqlite_only

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture
def document(app: Flask) -> dict[str, Any]:
    return api_document(app)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", operation


def test_the_document_is_openapi_3_1(client: FlaskClient) -> None:
    served = client.get("/api/v1/openapi.json")

    document = json.loads(served.get_data())
    validate(document)
    assert document["openapi"] == "3.1.0"
    assert served.headers["Request-ID"]


def test_every_route_of_the_api_is_described(app: Flask, document: dict[str, Any]) -> None:
    described = {name for name, _ in operations(document)}
    routed = {
        f"{method} {_template(rule.rule)}"
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/v1/") and rule.rule != "/api/v1/openapi.json"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert described == routed


def _template(rule: str) -> str:
    return rule.replace("<", "{").replace(">", "}")


def test_every_route_demands_a_key_and_tells_its_refusals(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        assert operation["security"] == [{"apiKey": []}], name
        assert {"400", "401", "403", "429", "500", "503"} <= set(operation["responses"]), name
        assert operation["summary"].endswith("."), name
        assert len(operation["tags"]) == 1, name
        for status, response in operation["responses"].items():
            assert "Request-ID" in response["headers"], name
            if int(status) >= 400:
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}, name


def test_nothing_undescribed_is_taken(document: dict[str, Any]) -> None:
    wanted = ("OrderRequest", "Payer", "OrderDetail", "Goods", "SceneInfo", "StoreInfo", "H5Info")

    open_ones = [
        name
        for name in wanted
        if document["components"]["schemas"][name]["additionalProperties"] is not False
    ]

    assert open_ones == []


def test_placing_an_order_tells_of_its_idempotency_key(document: dict[str, Any]) -> None:
    place = document["paths"]["/api/v1/orders"]["post"]

    [key] = place["parameters"]
    assert (key["name"], key["in"], key["required"]) == ("Idempotency-Key", "header", False)
    assert "Idempotency-Replayed" in place["responses"]["201"]["headers"]


def test_whatever_honours_an_idempotency_key_tells_of_it(document: dict[str, Any]) -> None:
    telling = {
        path.removeprefix("/api/v1")
        for path, operations in document["paths"].items()
        for key in operations.get("post", {}).get("parameters", ())
        if key["name"] == "Idempotency-Key"
    }

    assert telling == {
        *("/orders", "/refunds", "/checkout-links", "/webhook-endpoints"),
        "/webhook-endpoints/{endpoint_id}/roll-secret",
    }


def test_every_code_in_the_table_of_refusals_exists() -> None:
    others = [room.text for room in rooms() if not room.place.endswith("describe.py")]
    ours = {text for source in others for text in source.split('"')}

    told = {code for refusal in REFUSALS.values() for code in refusal.codes}

    assert told - ours == set()


def test_an_answered_order_has_the_fields_of_its_shape(api: Api) -> None:
    order = api.order()

    assert set(order) == set(answers.PlacedOrder.model_fields)
    assert set(answers.ORDER_EXAMPLE) == set(answers.Order.model_fields)
    assert set(order["pay_params"]) == set(pay_params.PayParams.model_fields)
    assert set(pay_params.PAY_PARAMS_EXAMPLE) == set(pay_params.PayParams.model_fields)


def test_the_examples_are_what_the_schemas_take() -> None:
    examples = order_schemas.OrderPayload.model_json_schema()["examples"]

    taken = [order_schemas.OrderPayload.model_validate(example) for example in examples]
    assert {payload.amount_fen for payload in taken} == {2800}
    assert {payload.way() for payload in taken} == set(TradeType)
    assert answers.Order.model_validate(answers.ORDER_EXAMPLE).amount_fen == 2800
