"""Orders over HTTP: every answer and refusal of the contract, with WeChat Pay's side to compare."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config import clock
from partner.simulator.simulator import Simulator
from payments.orders.models import OrderState
from submerchants.tenants.models import SubMerchant
from tests.factories.payments import OPENID, make_order
from tests.payments.api.caller import Api, Reply, tea

PREPAY = "/v3/pay/partner/transactions/jsapi"
ORDER_FIELDS = {
    *("id", "object", "merchant_order_no", "out_trade_no", "transaction_id", "sp_mchid"),
    *("sub_mchid", "sp_appid", "sub_appid", "trade_type", "state", "trade_state", "description"),
    *("amount_fen", "currency", "payer_total_fen", "refunded_fen", "payer", "attach"),
    *("expires_at", "paid_at", "closed_at", "created_at", "last_refusal"),
}
PAY_PARAMS = {"appId", "timeStamp", "nonceStr", "package", "signType", "paySign"}


def test_a_new_order_is_answered_with_what_the_page_needs(api: Api, simulator: Simulator) -> None:
    answer = api.post("/orders", tea(merchant_order_no="A-1", amount_fen=2800, attach="桌 7"))

    order = answer.json
    assert answer.status_code == 201
    assert set(order) == ORDER_FIELDS | {"pay_params"}
    assert set(order["pay_params"]) == PAY_PARAMS
    assert (order["object"], order["state"], order["trade_state"]) == ("order", "PENDING", "NOTPAY")
    assert (order["merchant_order_no"], order["amount_fen"]) == ("A-1", 2800)
    assert (order["payer"], order["attach"]) == ({"sub_openid": OPENID}, "桌 7")
    [theirs] = simulator.ledger.with_number(order["out_trade_no"])
    assert theirs.total == 2800


def test_the_same_order_again_is_the_same_order(api: Api, simulator: Simulator) -> None:
    body = tea()
    first = api.post("/orders", body)

    second = api.post("/orders", body)

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json["id"] == first.json["id"]
    assert set(second.json["pay_params"]) == PAY_PARAMS
    assert len(simulator.ledger.with_number(first.json["out_trade_no"])) == 1


def test_the_same_number_with_other_content_is_refused(api: Api) -> None:
    body = tea()
    api.post("/orders", body)

    answer = api.post("/orders", {**body, "amount_fen": body["amount_fen"] + 1})

    assert answer.status_code == 409
    assert answer.code == "order_conflict"
    assert answer.json["detail"]["field"] == "merchant_order_no"
    assert api.get("/orders").json["data"][0]["amount_fen"] == body["amount_fen"]


def test_two_tenants_may_use_the_same_number(api: Api, other_api: Api) -> None:
    mine = api.order(merchant_order_no="A-1")

    theirs = other_api.order(merchant_order_no="A-1")

    assert mine["id"] != theirs["id"]
    assert mine["out_trade_no"] != theirs["out_trade_no"]
    assert mine["sub_mchid"] != theirs["sub_mchid"]


def test_a_paid_order_asked_for_again_comes_without_pay_params(
    api: Api, simulator: Simulator
) -> None:
    body = tea()
    order = api.post("/orders", body).json
    simulator.pay(order["out_trade_no"])
    simulator.notifier.deliver_due()

    answer = api.post("/orders", body)

    assert answer.status_code == 200
    assert answer.json["state"] == "PAID"
    assert answer.json["transaction_id"]
    assert "pay_params" not in answer.json


def test_a_closed_order_asked_for_again_comes_without_pay_params(api: Api) -> None:
    body = tea()
    order = api.post("/orders", body).json
    api.post(f"/orders/{order['id']}/close")

    answer = api.post("/orders", body)

    assert (answer.status_code, answer.json["state"]) == (200, "CLOSED")
    assert "pay_params" not in answer.json


def test_what_wechat_pay_refuses_is_a_424_in_its_own_words(api: Api, simulator: Simulator) -> None:
    under_another_appid = simulator.people.openid(simulator.facts["sp_appid"], "Li Lei")

    answer = api.post("/orders", tea(payer={"sub_openid": under_another_appid}))

    told = answer.json["detail"]["wechatpay"]
    assert (answer.status_code, answer.code) == (424, "wechatpay_refused")
    assert (told["status"], told["code"]) == (400, "PARAM_ERROR")
    assert "openid" in told["message"]
    assert told["request_id"]
    assert simulator.ledger.count() == 0


def test_no_answer_is_a_503_and_a_repeat_continues_the_same_order(
    api: Api, simulator: Simulator
) -> None:
    body = tea()
    simulator.faults.add("lost_answer", path=PREPAY, times=3)
    lost = api.post("/orders", body)

    again = api.post("/orders", body)

    assert lost.status_code == 503
    assert lost.code == "wechatpay_outcome_unknown"
    assert int(lost.headers["Retry-After"]) > 0
    assert again.status_code == 200
    assert again.json["id"] == lost.json["detail"]["order_id"]
    assert len(simulator.ledger.with_number(again.json["out_trade_no"])) == 1


def test_wechat_pays_own_rate_limit_is_passed_on(api: Api, simulator: Simulator) -> None:
    simulator.faults.add("rate_limit", path=PREPAY, times=9)

    answer = api.post("/orders", tea())

    assert answer.status_code == 429
    assert answer.code == "wechatpay_rate_limited"
    assert answer.json["detail"]["wechatpay"]["code"] == "FREQUENCY_LIMITED"
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"trade_type": "FACEPAY"}, "trade_type_not_supported"),
        ({"currency": "USD"}, "currency_not_settled"),
        ({"sub_appid": "wx0000000000000404"}, "sub_appid_not_bound"),
        ({"page_url": "https://shop.example.com/pay"}, "page_not_covered"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at_out_of_range"),
    ],
)
def test_what_our_own_rules_forbid_is_a_422_that_names_the_field(
    api: Api, fields: dict[str, str], code: str
) -> None:
    answer = api.post("/orders", tea(**fields))

    assert answer.status_code == 422
    assert answer.code == code
    assert answer.json["detail"]["field"] in fields
    assert api.get("/orders").json["data"] == []


def test_another_tenants_order_and_a_missing_one_get_the_same_answer(
    api: Api, other_api: Api, simulator: Simulator
) -> None:
    theirs = other_api.order()["id"]
    missing = theirs[:-4] + "0000"
    impossible = "1' OR '1'='1"

    told = set()
    for order_id in (theirs, missing, impossible):
        told |= {_without_id(api.get(f"/orders/{order_id}"))}
        for call in ("pay-params", "sync", "close", "reverse"):
            told |= {_without_id(api.post(f"/orders/{order_id}/{call}"))}

    assert told == {(404, "not_found", "There is no such order.")}
    assert other_api.get(f"/orders/{theirs}").json["state"] == "PENDING"


def _without_id(answer: Reply) -> tuple[int, str, str]:
    return (answer.status_code, answer.code, answer.json["message"])


def test_a_list_goes_by_filter_newest_first(api: Api, sub_merchant: SubMerchant) -> None:
    start = clock.now()
    ids = [
        make_order(
            sub_merchant=sub_merchant,
            merchant_order_no=f"N{hour}",
            created_at=start + timedelta(hours=hour),
            state=OrderState.PAID if hour % 2 else OrderState.PENDING,
        ).id
        for hour in range(4)
    ]

    def listed(**query: str) -> list[str]:
        return [order["id"] for order in api.get("/orders", **query).json["data"]]

    assert listed() == ids[::-1]
    assert listed(state="PAID") == [ids[3], ids[1]]
    assert listed(merchant_order_no="N2") == [ids[2]]
    assert listed(merchant_order_no="n2") == []
    assert listed(created_after=(start + timedelta(hours=1)).isoformat()) == ids[:0:-1]
    assert listed(created_before=(start + timedelta(hours=1)).isoformat()) == [ids[0]]


def test_a_long_list_comes_in_pages_without_gap_or_repeat(
    api: Api, other_api: Api, sub_merchant: SubMerchant, other_sub_merchant: SubMerchant
) -> None:
    moment = clock.now()
    ids = sorted(make_order(sub_merchant=sub_merchant, created_at=moment).id for _ in range(7))
    make_order(sub_merchant=other_sub_merchant, created_at=moment)

    seen, query = [], {"limit": "3"}
    while True:
        page = api.get("/orders", **query).json
        seen += [order["id"] for order in page["data"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert seen == ids[::-1]


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "nonsense"},
        {"cursor": "!"},
        {"cursor": "MDAwMS0wMS0wMVQwMDowMDowMCsyMzo1OXxvcmRfMQ"},  # 0001-01-01T00:00:00+23:59
        {"limit": "0"},
        {"limit": "101"},
        {"state": "paid"},
        {"created_after": "yesterday"},
        {"merchant_order_no": "a b"},
        {"sub_mchid": "1900000001"},
    ],
)
def test_a_list_query_that_makes_no_sense_is_refused(api: Api, query: dict[str, str]) -> None:
    answer = api.get("/orders", **query)

    assert answer.status_code == 400
    assert answer.wrong_fields == list(query)


def test_a_query_parameter_given_twice_is_refused(api: Api) -> None:
    answer = api.get("/orders?state=PAID&state=CLOSED")

    assert answer.status_code == 400
    assert answer.wrong_fields == ["state"]


def test_pay_params_are_signed_anew(api: Api) -> None:
    order = api.order()

    answer = api.post(f"/orders/{order['id']}/pay-params")

    assert answer.status_code == 200
    assert answer.json["pay_params"]["package"] == order["pay_params"]["package"]
    assert answer.json["pay_params"]["paySign"] != order["pay_params"]["paySign"]


def test_a_settled_order_is_not_signed_again(api: Api, simulator: Simulator) -> None:
    order = api.order()
    simulator.pay(order["out_trade_no"])
    api.post(f"/orders/{order['id']}/sync")

    answer = api.post(f"/orders/{order['id']}/pay-params")

    assert (answer.status_code, answer.code) == (409, "order_not_payable")


def test_nobody_is_told_to_pay_for_a_paid_order_once_more(api: Api, simulator: Simulator) -> None:
    paid, closed = api.order(trade_type="NATIVE", payer=None), api.order()
    simulator.pay(paid["out_trade_no"])
    api.post(f"/orders/{paid['id']}/sync")
    api.post(f"/orders/{closed['id']}/close")

    again = api.post(f"/orders/{paid['id']}/pay-params")
    drawn = api.get(f"/orders/{paid['id']}/qr-code")
    ended = api.post(f"/orders/{closed['id']}/pay-params")

    assert again.json["message"].startswith("This order is paid.")
    assert drawn.json["message"] == again.json["message"]
    assert "Place a new one with a new merchant_order_no" in ended.json["message"]


def test_a_sync_answers_the_order_as_it_then_stands(api: Api, simulator: Simulator) -> None:
    order = api.order()
    simulator.pay(order["out_trade_no"])

    answer = api.post(f"/orders/{order['id']}/sync", {})

    assert answer.status_code == 200
    assert (answer.json["state"], answer.json["trade_state"]) == ("PAID", "SUCCESS")
    assert set(answer.json) == ORDER_FIELDS


def test_an_event_carries_the_order_as_the_api_shows_it(api: Api, simulator: Simulator) -> None:
    paid, closed = api.order(), api.order()
    simulator.pay(paid["out_trade_no"])

    api.post(f"/orders/{paid['id']}/sync")
    api.post(f"/orders/{closed['id']}/close")

    told = {each["object_id"]: each["data"] for each in api.get("/events").json["data"]}
    shown = {each["id"]: api.get(f"/orders/{each['id']}").json for each in (paid, closed)}
    listed = {each["id"]: each for each in api.get("/orders").json["data"]}
    assert told == shown == listed


def test_closing_closes_on_both_sides_and_twice_is_once(api: Api, simulator: Simulator) -> None:
    order = api.order()

    first = api.post(f"/orders/{order['id']}/close")
    second = api.post(f"/orders/{order['id']}/close")

    assert (first.status_code, first.json["state"]) == (200, "CLOSED")
    assert second.json == first.json
    [theirs] = simulator.ledger.with_number(order["out_trade_no"])
    assert theirs.trade_state == "CLOSED"


def test_a_paid_order_is_not_closed(api: Api, simulator: Simulator) -> None:
    order = api.order()
    simulator.pay(order["out_trade_no"])

    answer = api.post(f"/orders/{order['id']}/close")

    assert (answer.status_code, answer.code) == (409, "order_already_paid")
    assert api.get(f"/orders/{order['id']}").json["state"] == "PAID"
