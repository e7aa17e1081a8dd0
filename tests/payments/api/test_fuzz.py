"""The running API against its own description, with requests nobody would think of.

Requests that fit the description must be taken or refused for a documented reason; requests that do
not fit must be refused; every answer must be described. The seed is fixed, so a failure repeats.
"""

from __future__ import annotations

import contextvars
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.config import SchemathesisConfig

from partner.simulator.simulator import Simulator
from payments.api.fields import MAX_REASON_BYTES, MAX_TEXT_BYTES
from tests.conftest import PLATFORM_URL
from tests.payments.api.caller import Api

pytestmark = pytest.mark.sqlite_only

SEED = 20260501
EXAMPLES = 25
CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {
                # 422 and 424: well-formed, and our rules or WeChat Pay's say no.
                "expected-statuses": ["2xx", "404", "409", "422", "424"]
            },
        }
    }
)
OPERATIONS = (
    ("POST", "/api/v1/orders"),
    ("GET", "/api/v1/orders"),
    ("GET", "/api/v1/orders/{order_id}"),
    ("POST", "/api/v1/orders/{order_id}/pay-params"),
    ("POST", "/api/v1/orders/{order_id}/sync"),
    ("POST", "/api/v1/orders/{order_id}/close"),
    ("POST", "/api/v1/orders/{order_id}/reverse"),
    ("GET", "/api/v1/orders/{order_id}/qr-code"),
    ("POST", "/api/v1/refunds"),
    ("GET", "/api/v1/refunds"),
    ("POST", "/api/v1/refunds/find"),
    ("GET", "/api/v1/refunds/{refund_id}"),
    ("POST", "/api/v1/refunds/{refund_id}/sync"),
    ("POST", "/api/v1/checkout-links"),
    ("GET", "/api/v1/checkout-links"),
    ("GET", "/api/v1/checkout-links/{link_id}"),
    ("POST", "/api/v1/checkout-links/{link_id}/cancel"),
    ("GET", "/api/v1/checkout-links/{link_id}/qr-code"),
    ("GET", "/api/v1/bills"),
    ("GET", "/api/v1/bills/{date}/trade.csv"),
    ("GET", "/api/v1/reconciliations"),
    ("GET", "/api/v1/reconciliations/{reconciliation_id}"),
    ("GET", "/api/v1/reconciliations/{reconciliation_id}/discrepancies"),
    ("GET", "/api/v1/payment-directories"),
    ("GET", "/api/v1/payment-directories/check"),
    ("GET", "/api/v1/doctor"),
    ("POST", "/api/v1/webhook-endpoints"),
    ("GET", "/api/v1/webhook-endpoints"),
    ("GET", "/api/v1/webhook-endpoints/{endpoint_id}"),
    ("PATCH", "/api/v1/webhook-endpoints/{endpoint_id}"),
    ("DELETE", "/api/v1/webhook-endpoints/{endpoint_id}"),
    ("POST", "/api/v1/webhook-endpoints/{endpoint_id}/roll-secret"),
    ("POST", "/api/v1/webhook-endpoints/{endpoint_id}/test"),
    ("POST", "/api/v1/webhook-endpoints/{endpoint_id}/recover"),
    ("GET", "/api/v1/webhook-endpoints/{endpoint_id}/deliveries"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/events/{event_id}"),
    ("POST", "/api/v1/events/{event_id}/resend"),
)


@pytest.fixture
def described(app: Flask) -> Any:
    """The API as its own document describes it, without limits on how fast it is asked."""
    limits = [f"API_{kind}_A_MINUTE" for kind in ("WRITES", "READS", "DIAGNOSES")]
    usual = {name: app.config[name] for name in limits}
    app.config.update(dict.fromkeys(usual, 0))
    yield schemathesis.openapi.from_wsgi(
        "/api/v1/openapi.json", app, config=CONFIG, base_url=PLATFORM_URL
    )
    app.config.update(usual)


def test_every_operation_is_fuzzed(described: Any) -> None:
    known = {
        (operation.ok().method.upper(), operation.ok().path)
        for operation in described.get_all_operations()
    }

    assert known == set(OPERATIONS)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_every_answer_is_as_described(
    described: Any, api: Api, simulator: Simulator, method: str, path: str, mode: GenerationMode
) -> None:
    order_id = api.order()["id"]
    operation = described[path][method]
    cases = operation.as_strategy(generation_mode=mode)
    if mode is GenerationMode.POSITIVE:
        if "order_id" in path:
            known = operation.as_strategy(path_parameters={"order_id": order_id})
            cases = st.one_of(cases, known)
        cases = cases.filter(_fits_what_a_schema_cannot_say)

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: Case[Any]) -> None:
        contextvars.Context().run(_ask, case, api)

    ask()


def _ask(case: Case[Any], api: Api) -> None:
    case.call_and_validate(base_url=PLATFORM_URL, headers=api.headers)


def _fits_what_a_schema_cannot_say(case: Case[Any]) -> bool:
    """A cursor is one of ours, a text is counted in bytes, and 1.0 is no whole number."""
    body = case.body if isinstance(case.body, dict) else {}
    limits = {"description": MAX_TEXT_BYTES, "attach": MAX_TEXT_BYTES, "reason": MAX_REASON_BYTES}
    return (
        "cursor" not in (case.query or {})
        and all(len(str(body.get(name, "")).encode()) <= most for name, most in limits.items())
        and not _holds_fraction(body)
    )


def _holds_fraction(value: object) -> bool:
    if isinstance(value, dict):
        return any(_holds_fraction(each) for each in value.values())
    if isinstance(value, list):
        return any(_holds_fraction(each) for each in value)
    return isinstance(value, float)
