"""The till scans the payer: paid, waiting for a password, refused, lost.

No notification ever comes for these orders, so whatever the platform knows it was answered or has
asked. How they are taken back stands in `test_reversals`.
"""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from config.audit import AuditEntry
from config.clock import frozen_at, now
from config.database import changed_rows, db, transaction
from partner.simulator.simulator import Simulator
from payments.orders.models import Order, OrderState
from payments.orders.sweep import sweep_due
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.books import all_events, all_orders
from tests.journeys.till import code, later, scan, shown, there, told
from tests.payments.api.caller import Api, with_key

CODEPAY = "/v3/pay/partner/transactions/codepay"


@pytest.fixture
def till(client: FlaskClient, sub_merchant: SubMerchant) -> Api:
    """The shop's till."""
    return Api(client, sub_merchant)


def test_a_code_that_pays_is_answered_paid(till: Api, simulator: Simulator) -> None:
    answer = till.post("/orders", scan(code(simulator)))

    order = answer.json
    assert (answer.status_code, order["state"], order["trade_state"]) == (201, "PAID", "SUCCESS")
    assert order["trade_type"] == "MICROPAY"
    assert order["transaction_id"] == simulator.ledger.orders()[0].transaction_id
    assert "pay_params" not in order
    assert told() == ["order.paid"]


def test_the_other_word_for_it_is_taken_too(till: Api, simulator: Simulator) -> None:
    order = till.post("/orders", scan(code(simulator), trade_type="CODEPAY")).json

    assert (order["trade_type"], order["state"]) == ("MICROPAY", "PAID")


def test_goods_and_shop_arrive_as_the_till_named_them(till: Api, simulator: Simulator) -> None:
    line = {"merchant_goods_id": "g1", "wechatpay_goods_id": "w1", "quantity": 1, "unit_price": 9}

    till.post("/orders", scan(code(simulator), detail={"goods_detail": [line]}))

    sent = json.loads(simulator.ledger.orders()[0].parameters)
    assert sent["detail"]["goods_detail"][0]["wxpay_goods_id"] == "w1"
    assert sent["scene_info"]["store_info"] == {"out_id": "shop-7"}
    assert "notify_url" not in sent
    assert "time_expire" not in sent


def test_the_same_request_again_charges_nobody_again(till: Api, simulator: Simulator) -> None:
    body = scan(code(simulator))
    first = till.post("/orders", body, headers=with_key("till-1"))

    replayed = till.post("/orders", body, headers=with_key("till-1"))
    repeated = till.post("/orders", body)

    assert replayed.data == first.data
    assert (repeated.status_code, repeated.json["id"]) == (200, first.json["id"])
    assert there(simulator) == ["SUCCESS"]


def test_another_code_for_the_same_number_is_another_request(
    till: Api, simulator: Simulator
) -> None:
    body = scan(code(simulator))
    till.post("/orders", body, headers=with_key("till-1"))
    other = {**body, "auth_code": code(simulator)}

    under_the_key = till.post("/orders", other, headers=with_key("till-1"))
    without = till.post("/orders", other)

    assert (under_the_key.status_code, under_the_key.code) == (422, "idempotency_key_reused")
    assert (without.status_code, without.code) == (409, "order_conflict")
    assert there(simulator) == ["SUCCESS"]


def test_a_password_is_waited_for_by_asking(till: Api, simulator: Simulator) -> None:
    order = till.post("/orders", scan(code(simulator, "password"))).json
    assert (order["state"], order["trade_state"]) == ("PENDING", "USERPAYING")
    simulator.pay(order["out_trade_no"])

    with later(simulator, seconds=6):
        sweep_due()

    assert shown(till, order) == ("PAID", "SUCCESS", 0)
    assert simulator.outbox.listed() == []


def test_a_payer_is_asked_about_every_few_seconds_and_reversed_after_thirty(
    till: Api, simulator: Simulator
) -> None:
    order = till.post("/orders", scan(code(simulator, "password"))).json
    start, asked = now(), 0

    for second in range(5, 45, 5):
        simulator.clock.set(start + timedelta(seconds=second))
        with frozen_at(start + timedelta(seconds=second)):
            asked += int(str(sweep_due()["asked"]))
        if second < 30:
            assert shown(till, order)[0] == "PENDING"

    assert 5 <= asked <= 8
    assert shown(till, order) == ("CLOSED", "REVOKED", 0)
    assert there(simulator) == ["REVOKED"]
    assert told() == ["order.closed"]


def test_a_payer_who_turns_the_password_away_ends_the_order(
    till: Api, simulator: Simulator
) -> None:
    order = till.post("/orders", scan(code(simulator, "password"))).json
    number = order["out_trade_no"]
    simulator.app.test_client().post(f"/_simulator/orders/{number}/cancel", json={})

    asked = till.post(f"/orders/{order['id']}/sync").json

    assert (asked["state"], asked["trade_state"]) == ("CLOSED", "PAYERROR")


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ("decline", "TRADE_ERROR"),
        ("not_enough", "NOT_ENOUGH"),
        ("account_error", "ACCOUNT_ERROR"),
    ],
)
def test_a_refused_code_closes_the_order_with_the_reason(
    till: Api, simulator: Simulator, behaviour: str, why: str
) -> None:
    body = scan(code(simulator, behaviour))

    refused, again = till.post("/orders", body), till.post("/orders", body)

    assert (refused.status_code, refused.code) == (424, "payment_code_refused")
    assert refused.json["detail"]["wechatpay"]["code"] == why
    assert (again.status_code, again.code) == (424, "payment_code_refused")
    assert again.json["detail"]["wechatpay"] == refused.json["detail"]["wechatpay"]
    [order] = all_orders()
    assert order.state.value == "CLOSED"
    assert json.loads(order.last_refusal or "{}")["code"] == why
    assert len(_calls(simulator, "/codepay")) == 1
    assert told() == ["order.closed"]


def test_a_refused_number_is_asked_about_all_the_same(till: Api, simulator: Simulator) -> None:
    till.post("/orders", scan(code(simulator, "decline")))

    with later(simulator, seconds=40):
        sweep_due()
    with later(simulator, seconds=80):
        again = sweep_due()

    assert there(simulator) == ["PAYERROR"]
    assert again == {"asked": 0}


def test_money_found_on_a_closed_order_is_kept_and_not_reversed(
    till: Api, simulator: Simulator, sub_merchant: SubMerchant
) -> None:
    order = till.post("/orders", scan(code(simulator, "password"))).json
    simulator.pay(order["out_trade_no"])
    with acting_for(sub_merchant.id), transaction():
        ours = update(Order).where(Order.id == order["id"])
        changed_rows(ours.values(state=OrderState.CLOSED, next_check_at=now()))

    with later(simulator, minutes=5):
        sweep_due()

    assert shown(till, order) == ("PAID", "SUCCESS", 0)
    assert there(simulator) == ["SUCCESS"]


@pytest.mark.parametrize("fault", ["lost_answer", "bad_signature", "cut_reply"])
def test_a_lost_answer_is_asked_for_never_charged_again(
    till: Api, simulator: Simulator, fault: str
) -> None:
    body = scan(code(simulator))
    simulator.faults.add(fault, path=CODEPAY, work_done=True)
    lost = till.post("/orders", body)

    again = till.post("/orders", body)

    assert (lost.status_code, lost.code) == (503, "wechatpay_outcome_unknown")
    assert (again.status_code, again.json["state"]) == (200, "PAID")
    assert len(_calls(simulator, "/codepay")) == 1
    assert told() == ["order.paid"]


@pytest.mark.parametrize(("fault", "arrived"), [("lost_answer", True), ("http_502", False)])
def test_what_nobody_answers_for_is_found_or_reversed_by_the_sweep(
    till: Api, simulator: Simulator, fault: str, arrived: bool
) -> None:
    simulator.faults.add(fault, path=CODEPAY, work_done=arrived)
    lost = till.post("/orders", scan(code(simulator)))
    order = {"id": lost.json["detail"]["order_id"]}

    for seconds in (6, 45):
        with later(simulator, seconds=seconds):
            sweep_due()

    assert shown(till, order) == (("PAID", "SUCCESS", 0) if arrived else ("CLOSED", None, 0))
    assert there(simulator) == (["SUCCESS"] if arrived else [])


def test_trouble_at_the_bank_is_no_refusal(till: Api, simulator: Simulator) -> None:
    answer = till.post("/orders", scan(code(simulator, "bank_error")))
    order = {"id": answer.json["detail"]["order_id"]}
    assert (answer.status_code, answer.code) == (503, "wechatpay_outcome_unknown")

    with later(simulator, seconds=31):
        sweep_due()

    assert shown(till, order) == ("CLOSED", "REVOKED", 0)


def test_an_order_nobody_answers_for_stays_watched_until_it_is_reversed(
    till: Api, simulator: Simulator
) -> None:
    order = till.post("/orders", scan(code(simulator, "password"))).json
    simulator.faults.add("http_500", path="/v3/pay", times=None)
    with later(simulator, minutes=2):
        sweep_due()
    assert shown(till, order)[0] == "PENDING"
    simulator.faults.clear()

    with later(simulator, hours=2):
        sweep_due()

    assert shown(till, order) == ("CLOSED", "REVOKED", 0)


def test_a_provider_without_payment_codes_is_told_so(till: Api, simulator: Simulator) -> None:
    facts = simulator.facts
    simulator.register(sp_mchid=facts["sp_mchid"], codepay_enabled=False)

    refused = till.post("/orders", scan(code(simulator)))

    assert (refused.status_code, refused.code) == (424, "payment_code_refused")
    assert refused.json["detail"]["wechatpay"]["code"] == "NO_AUTH"


@pytest.mark.parametrize("behaviour", ["pay", "password", "decline", "bank_error"])
def test_a_payers_code_is_written_down_nowhere(
    till: Api, simulator: Simulator, behaviour: str
) -> None:
    auth_code, log = code(simulator, behaviour), io.StringIO()
    listener = logging.StreamHandler(log)
    logging.getLogger().addHandler(listener)

    answer = till.post("/orders", scan(auth_code), headers=with_key("till-1"))

    logging.getLogger().removeHandler(listener)
    kept = [str(vars(row)) for row in (*all_orders(), *all_events())]
    kept += [entry.detail for entry in db.session.scalars(select(AuditEntry))]
    assert auth_code not in answer.data.decode()
    assert not any(auth_code in text for text in kept)
    assert auth_code not in log.getvalue()


def _calls(simulator: Simulator, ending: str) -> list[dict[str, Any]]:
    told = simulator.app.test_client().get("/_simulator/requests").get_json()["data"]
    return [call for call in told if str(call["path"]).endswith(ending)]
