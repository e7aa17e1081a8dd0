"""Refunds over HTTP: every answer and refusal of the contract, and WeChat Pay's side of it."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from partner.simulator.simulator import Simulator
from payments.api import refund_shapes
from submerchants.permissions import Permission
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.suspend import suspend
from tests.payments.api.caller import Api, with_key

APPLY = {"path": "/v3/refund", "method": "POST"}


def paid(api: Api, simulator: Simulator, amount_fen: int = 2800) -> dict[str, Any]:
    """An order whose money has come in."""
    order = api.order(amount_fen=amount_fen)
    simulator.pay(order["out_trade_no"])
    synced: dict[str, Any] = api.post(f"/orders/{order['id']}/sync").json
    assert synced["state"] == "PAID"
    return synced


@pytest.fixture
def order(api: Api, simulator: Simulator) -> dict[str, Any]:
    return paid(api, simulator)


def asked(order: dict[str, Any], **fields: Any) -> dict[str, Any]:
    usual = {"order_id": order["id"], "merchant_refund_no": "R-1", "amount_fen": 800}
    return {**usual, **fields}


def test_a_refund_is_taken_on(api: Api, simulator: Simulator, order: dict[str, Any]) -> None:
    answer = api.post("/refunds", asked(order, reason="退一杯"))

    refund = answer.json
    assert answer.status_code == 201
    assert set(refund) == set(refund_shapes.Refund.model_fields)
    assert set(refund_shapes.REFUND_EXAMPLE) == set(refund)
    assert (refund["object"], refund["state"], refund["status"]) == (
        "refund",
        "PROCESSING",
        "PROCESSING",
    )
    assert (refund["amount_fen"], refund["currency"], refund["reason"]) == (800, "CNY", "退一杯")
    assert refund["id"].startswith("re_")
    assert simulator.refunds.refund_numbers() == [refund["out_refund_no"]]
    assert refund_shapes.Refund.model_validate(refund)


def test_the_same_request_again_is_200_and_the_same_refund(
    api: Api, simulator: Simulator, order: dict[str, Any]
) -> None:
    first = api.post("/refunds", asked(order))

    second = api.post("/refunds", asked(order))

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json["id"] == first.json["id"]
    assert len(simulator.refunds.refund_numbers()) == 1


def test_an_idempotency_key_answers_byte_for_byte(api: Api, order: dict[str, Any]) -> None:
    first = api.post("/refunds", asked(order), headers=with_key("k"))

    second = api.post("/refunds", asked(order), headers=with_key("k"))

    assert (second.status_code, second.data) == (201, first.data)
    assert second.headers["Idempotency-Replayed"] == "true"


def test_other_content_is_a_conflict(api: Api, order: dict[str, Any]) -> None:
    api.post("/refunds", asked(order))

    answer = api.post("/refunds", asked(order, amount_fen=801))

    assert (answer.status_code, answer.code) == (409, "refund_conflict")


def test_more_than_is_left_is_refused_with_what_is_left(api: Api, order: dict[str, Any]) -> None:
    answer = api.post("/refunds", asked(order, amount_fen=2801))

    assert (answer.status_code, answer.code) == (409, "refund_exceeds_balance")
    assert answer.json["detail"]["refundable_fen"] == 2800


def test_an_unpaid_order_is_refused(api: Api) -> None:
    answer = api.post("/refunds", asked(api.order()))

    assert (answer.status_code, answer.code) == (409, "order_not_refundable")


def test_another_currency_is_refused(api: Api, order: dict[str, Any]) -> None:
    answer = api.post("/refunds", asked(order, currency="USD"))

    assert (answer.status_code, answer.code) == (422, "refund_currency_differs")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("amount_fen", value) for value in (0, -1, True, 1.0, "800", 10**13, None)),
        *(("merchant_refund_no", value) for value in ("", "a b", "x" * 65, "退", None)),
        ("reason", "退" * 27),
        ("reason", ""),
        ("order_id", "ord_1"),
        ("sub_mchid", "1900000109"),
    ],
)
def test_what_no_refund_may_hold_is_refused_by_name(
    api: Api, order: dict[str, Any], field: str, value: object
) -> None:
    answer = api.post("/refunds", asked(order, **{field: value}))

    assert answer.status_code == 400
    assert answer.json["detail"]["field"] == field


def test_a_refusal_of_wechat_pays_is_passed_on(
    api: Api, simulator: Simulator, order: dict[str, Any]
) -> None:
    simulator.world.refund_outcomes.set("USER_ACCOUNT_ABNORMAL")

    answer = api.post("/refunds", asked(order))

    assert (answer.status_code, answer.code) == (424, "wechatpay_refused")
    assert answer.json["detail"]["wechatpay"]["code"] == "USER_ACCOUNT_ABNORMAL"
    [refund] = api.get("/refunds").json["data"]
    assert refund["state"] == "CLOSED"
    assert refund["last_refusal"]["wechatpay"]["code"] == "USER_ACCOUNT_ABNORMAL"


def test_an_unknown_outcome_is_503_and_the_repeat_is_the_same_refund(
    api: Api, simulator: Simulator, order: dict[str, Any]
) -> None:
    simulator.faults.add("lost_answer", **APPLY)

    first = api.post("/refunds", asked(order), headers=with_key("k"))
    again = api.post("/refunds", asked(order), headers=with_key("k"))

    assert (first.status_code, first.code) == (503, "wechatpay_outcome_unknown")
    assert first.headers["Retry-After"]
    assert (again.status_code, again.json["state"]) == (200, "PROCESSING")
    assert simulator.refunds.refund_numbers() == [again.json["out_refund_no"]]


def test_without_funds_the_answer_says_what_it_waits_for(
    api: Api, simulator: Simulator, order: dict[str, Any]
) -> None:
    simulator.world.balances.set(order["sub_mchid"], 0)

    answer = api.post("/refunds", asked(order))

    assert answer.status_code == 201
    assert (answer.json["state"], answer.json["waiting"]) == ("REQUESTED", "FUNDS")
    assert answer.json["last_refusal"]["wechatpay"]["code"] == "NOT_ENOUGH"


def test_syncing_asks_wechat_pay(api: Api, simulator: Simulator, order: dict[str, Any]) -> None:
    simulator.world.refund_outcomes.set("HOLD")
    refund = api.post("/refunds", asked(order)).json
    simulator.settle_refund(refund["out_refund_no"])

    answer = api.post(f"/refunds/{refund['id']}/sync")

    assert (answer.status_code, answer.json["state"]) == (200, "SUCCEEDED")
    assert answer.json["succeeded_at"]
    assert api.get(f"/orders/{order['id']}").json["refunded_fen"] == 800


def test_refunds_are_found_by_each_of_their_facts(
    api: Api, simulator: Simulator, order: dict[str, Any]
) -> None:
    refund = api.post("/refunds", asked(order)).json
    other = paid(api, simulator)
    api.post("/refunds", asked(other, merchant_refund_no="R-2"))

    for name in ("merchant_refund_no", "out_refund_no", "order_id"):
        [found] = api.get("/refunds", **{name: refund[name]}).json["data"]
        assert found["id"] == refund["id"]
    assert len(api.get("/refunds", state="PROCESSING").json["data"]) == 2
    assert api.get("/refunds", state="CLOSED").json["data"] == []
    assert api.get("/refunds", created_before="2020-01-01T00:00:00Z").json["data"] == []
    assert len(api.get("/refunds", created_after="2020-01-01T00:00:00Z").json["data"]) == 2


def test_a_list_goes_on_where_it_ended(api: Api, order: dict[str, Any]) -> None:
    made = [
        api.post("/refunds", asked(order, merchant_refund_no=f"R-{n}")).json["id"] for n in range(3)
    ]

    first = api.get("/refunds", limit="2").json
    second = api.get("/refunds", limit="2", cursor=first["next_cursor"]).json

    seen = [refund["id"] for refund in (*first["data"], *second["data"])]
    assert seen == made[::-1]
    assert second["next_cursor"] is None


def test_another_tenants_refund_is_not_there(
    api: Api, other_api: Api, order: dict[str, Any]
) -> None:
    refund = api.post("/refunds", asked(order)).json

    answers = [
        other_api.get(f"/refunds/{refund['id']}"),
        other_api.post(f"/refunds/{refund['id']}/sync"),
        other_api.post("/refunds", asked(order, merchant_refund_no="X")),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert other_api.get("/refunds").json["data"] == []
    assert other_api.get("/refunds", out_refund_no=refund["out_refund_no"]).json["data"] == []


def test_money_leaves_only_by_a_key_that_may(
    client: FlaskClient, api: Api, sub_merchant: SubMerchant, order: dict[str, Any]
) -> None:
    everything_else = set(Permission) - {Permission.REFUNDS_WRITE}
    weak = Api(client, sub_merchant, *everything_else)

    answer = weak.post("/refunds", asked(order))

    assert (answer.status_code, answer.code) == (403, "scope_missing")
    assert api.get("/refunds").json["data"] == []
    assert weak.get("/refunds").status_code == 200


def test_a_suspended_tenant_gives_nothing_back_and_may_ask(
    api: Api, simulator: Simulator, sub_merchant: SubMerchant, order: dict[str, Any]
) -> None:
    simulator.world.refund_outcomes.set("HOLD")
    refund = api.post("/refunds", asked(order)).json
    suspend(sub_merchant=sub_merchant)

    refused = api.post("/refunds", asked(order, merchant_refund_no="R-2"))
    simulator.settle_refund(refund["out_refund_no"])
    synced = api.post(f"/refunds/{refund['id']}/sync")

    assert (refused.status_code, refused.code) == (403, "suspended")
    assert (synced.status_code, synced.json["state"]) == (200, "SUCCEEDED")


def test_one_made_elsewhere_is_found_by_its_number(
    api: Api, simulator: Simulator, order: dict[str, Any]
) -> None:
    made = simulator.refund_by_hand(order["out_trade_no"], 800)

    answer = api.post("/refunds/find", {"out_refund_no": made.out_refund_no})

    assert (answer.status_code, answer.json["origin"]) == (200, "ELSEWHERE")
    assert set(answer.json) == set(refund_shapes.Refund.model_fields)
    assert answer.json == api.get(f"/refunds/{answer.json['id']}").json


@pytest.mark.parametrize(
    "body",
    [
        *(
            {"out_refund_no": number}
            for number in ("", "a b", "R1\n", "a/b", "x" * 65, "退", 1, None)
        ),
        {},
        {"out_refund_no": "R1", "sub_mchid": "1900000109"},
    ],
)
def test_what_no_refunds_number_can_be_is_refused(api: Api, body: dict[str, Any]) -> None:
    answer = api.post("/refunds/find", body)

    assert (answer.status_code, answer.code) == (400, "invalid_request")


def test_finding_needs_the_scope_and_not_a_tenant_that_may_trade(
    client: FlaskClient,
    api: Api,
    simulator: Simulator,
    sub_merchant: SubMerchant,
    order: dict[str, Any],
) -> None:
    asked = {"out_refund_no": simulator.refund_by_hand(order["out_trade_no"], 800).out_refund_no}
    weak = Api(client, sub_merchant, *(set(Permission) - {Permission.REFUNDS_WRITE}))

    refused = weak.post("/refunds/find", asked)
    suspend(sub_merchant=sub_merchant)
    found = api.post("/refunds/find", asked)

    assert (refused.status_code, refused.code) == (403, "scope_missing")
    assert found.status_code == 200


def test_finding_without_an_answer_is_503(
    api: Api, simulator: Simulator, order: dict[str, Any]
) -> None:
    made = simulator.refund_by_hand(order["out_trade_no"], 800)
    simulator.faults.add("http_500", path="/v3/refund", method="GET", times=9)

    answer = api.post("/refunds/find", {"out_refund_no": made.out_refund_no})

    assert (answer.status_code, answer.code) == (503, "wechatpay_outcome_unknown")
    assert answer.headers["Retry-After"]
    assert api.get("/refunds").json["data"] == []


def test_finding_is_no_refund_that_could_be_shown(api: Api) -> None:
    assert api.get("/refunds/find").code == "not_found"
