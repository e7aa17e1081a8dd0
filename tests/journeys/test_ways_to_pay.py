"""Every way to pay, walked from the shop's system to the payer and back.

On one side stands the tenant API, on the other the simulated WeChat with its scanner, its browser,
its app and its wallet, each of which looks at what the shop was given as the real one does. Time is
moved on both sides together.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from flask.testing import FlaskClient

from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.orders.sweep import sweep_due
from submerchants.tenants.bindings import Appid, bind_appid
from submerchants.tenants.models import AppidKind, SubMerchant
from tests.books import all_events, all_orders, inbox
from tests.journeys.till import later
from tests.payments.api.caller import Api, tea

BROWSER = {"payer_client_ip": "203.0.113.9", "h5_info": {"type": "Wap"}}
BACK_AT_THE_SHOP = "https://shop.example.com/paid?order=1&x=2#top"


@pytest.fixture
def shop(client: FlaskClient, sub_merchant: SubMerchant) -> Api:
    """The system of the first sub-merchant."""
    return Api(client, sub_merchant)


@pytest.fixture
def phone(simulator: Simulator) -> FlaskClient:
    """What the payer's side of WeChat shows and takes."""
    return simulator.app.test_client()


def order_of(trade_type: str, **fields: Any) -> dict[str, Any]:
    return tea(trade_type=trade_type, payer=None, **fields)


WAYS = {
    "NATIVE": order_of("NATIVE"),
    "MWEB": order_of("MWEB", scene_info=BROWSER, redirect_url=BACK_AT_THE_SHOP),
    "APP": order_of("APP"),
}


def shown(shop: Api, order: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = shop.get(f"/orders/{order['id']}").json
    return found


@pytest.mark.parametrize("trade_type", WAYS)
def test_each_way_is_placed_paid_and_told(shop: Api, simulator: Simulator, trade_type: str) -> None:
    order = shop.post("/orders", WAYS[trade_type]).json
    assert (order["trade_type"], order["state"], order["payer"]) == (trade_type, "PENDING", {})

    simulator.pay(order["out_trade_no"])
    simulator.notifier.deliver_due()

    paid = shown(shop, order)
    assert (paid["state"], paid["trade_state"]) == ("PAID", "SUCCESS")
    [there] = simulator.ledger.orders()
    assert paid["payer"]["sp_openid"] == there.sp_openid
    assert [entry.state.value for entry in inbox()] == ["APPLIED"]
    assert [event.type for event in all_events()] == ["order.paid"]


@pytest.mark.parametrize("trade_type", WAYS)
def test_each_way_is_made_up_for_by_asking(
    shop: Api, simulator: Simulator, trade_type: str
) -> None:
    order = shop.post("/orders", WAYS[trade_type]).json
    simulator.faults.add("notification_missing")
    simulator.pay(order["out_trade_no"])

    asked = shop.post(f"/orders/{order['id']}/sync").json

    assert (asked["state"], asked["trade_type"]) == ("PAID", trade_type)


@pytest.mark.parametrize("trade_type", WAYS)
def test_each_way_continues_after_a_lost_answer(
    shop: Api, simulator: Simulator, trade_type: str
) -> None:
    body = WAYS[trade_type]
    simulator.faults.add("lost_answer", path="/v3/pay", method="POST", times=3)
    lost = shop.post("/orders", body)

    again = shop.post("/orders", body)

    assert (lost.status_code, again.status_code) == (503, 200)
    assert again.json["id"] == lost.json["detail"]["order_id"]
    assert simulator.ledger.order_numbers() == [again.json["out_trade_no"]]


@pytest.mark.parametrize(("trade_type", "minutes"), [("NATIVE", 121), ("MWEB", 6), ("APP", 121)])
def test_what_ran_out_is_made_anew_under_the_same_number(
    shop: Api, simulator: Simulator, trade_type: str, minutes: int
) -> None:
    order = shop.post("/orders", WAYS[trade_type]).json
    kept = shop.post(f"/orders/{order['id']}/pay-params").json

    with later(simulator, minutes=minutes):
        fresh = shop.post(f"/orders/{order['id']}/pay-params").json

    handle = {"NATIVE": "code_url", "MWEB": "h5_url", "APP": "prepayid"}[trade_type]
    assert kept["pay_params"][handle] == order["pay_params"][handle]
    assert fresh["pay_params"][handle] != order["pay_params"][handle]
    assert simulator.ledger.order_numbers() == [order["out_trade_no"]]


@pytest.mark.parametrize("trade_type", WAYS)
def test_each_way_is_closed_on_both_sides(shop: Api, simulator: Simulator, trade_type: str) -> None:
    order = shop.post("/orders", WAYS[trade_type]).json

    closed = shop.post(f"/orders/{order['id']}/close").json

    assert closed["state"] == "CLOSED"
    assert simulator.ledger.orders()[0].trade_state == "CLOSED"


@pytest.mark.parametrize("trade_type", WAYS)
def test_what_the_sub_merchant_may_not_take_is_refused_in_wechat_pays_words(
    shop: Api, simulator: Simulator, sub_merchant: SubMerchant, trade_type: str
) -> None:
    only = [{"sub_mchid": sub_merchant.sub_mchid, "permissions": ["JSAPI"]}]
    simulator.register(sub_merchants=only)

    refused = shop.post("/orders", WAYS[trade_type])

    assert (refused.status_code, refused.code) == (424, "wechatpay_refused")
    assert refused.json["detail"]["wechatpay"]["code"] == "NO_AUTH"


def test_one_number_is_one_way_to_pay(shop: Api, simulator: Simulator) -> None:
    shop.order(merchant_order_no="A-1")

    refused = shop.post("/orders", order_of("NATIVE", merchant_order_no="A-1"))

    assert (refused.status_code, refused.code) == (409, "order_conflict")
    assert simulator.ledger.count() == 1


def test_both_words_for_a_way_mean_the_same_order(shop: Api) -> None:
    body = order_of("MWEB", scene_info=BROWSER)
    first = shop.post("/orders", body)

    second = shop.post("/orders", {**body, "trade_type": "H5"})

    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json["trade_type"] == "MWEB"


def test_a_native_code_is_scanned_and_an_older_one_is_void(
    shop: Api, simulator: Simulator, phone: FlaskClient
) -> None:
    order = shop.post("/orders", WAYS["NATIVE"]).json
    old = order["pay_params"]["code_url"]
    assert phone.get("/scan", query_string={"code_url": old}).status_code == 302

    with later(simulator, hours=2):
        new = shop.post(f"/orders/{order['id']}/pay-params").json["pay_params"]["code_url"]

        assert phone.get("/scan", query_string={"code_url": old}).status_code == 400
        assert phone.get("/scan", query_string={"code_url": new}).status_code == 302


def test_an_h5_address_leads_from_the_shops_page_and_back_to_it(
    shop: Api, simulator: Simulator, phone: FlaskClient
) -> None:
    order = shop.post("/orders", WAYS["MWEB"]).json
    address = order["pay_params"]["h5_url"]
    assert address.endswith(f"&redirect_url={quote(BACK_AT_THE_SHOP, safe='')}")
    parts = urlsplit(address)

    from_nowhere = phone.get(f"{parts.path}?{parts.query}")
    from_the_shop = phone.get(
        f"{parts.path}?{parts.query}", headers={"Referer": "https://shop.example.com/cart"}
    )

    assert from_nowhere.status_code == 400
    assert from_the_shop.status_code == 200
    assert "https://shop.example.com/paid?order=1&amp;x=2#top" in from_the_shop.text


@pytest.mark.parametrize("whose_app", ["provider", "sub_merchant"])
def test_an_app_opens_the_cashier_with_what_the_shop_was_given(
    shop: Api,
    simulator: Simulator,
    phone: FlaskClient,
    sub_merchant: SubMerchant,
    partner: Partner,
    whose_app: str,
) -> None:
    facts = simulator.facts
    appid = facts["sp_appid"]
    if whose_app == "sub_merchant":
        appid = "wx00000000000000aa"
        known = facts["sub_merchants"][0]
        simulator.register(
            sub_merchants=[{**known, "sub_appids": [known["sub_appid"], appid], "sub_appid": None}]
        )
        bind_appid(sub_merchant=sub_merchant, appid=Appid(appid, AppidKind.APP))
    order = shop.post("/orders", WAYS["APP"]).json

    opened = phone.post("/_simulator/app-pay", json=order["pay_params"])

    assert opened.get_json()["errCode"] == 0, opened.get_json()
    assert order["pay_params"]["appid"] == appid
    assert order["pay_params"]["partnerid"] == partner.sp_mchid
    assert order["sub_appid"] == (appid if whose_app == "sub_merchant" else None)


def test_a_mini_program_signs_with_its_own_appid(
    shop: Api, simulator: Simulator, sub_merchant: SubMerchant
) -> None:
    known = simulator.facts["sub_merchants"][0]
    appid = "wx00000000000000bb"
    simulator.register(
        sub_merchants=[{**known, "sub_appids": [known["sub_appid"], appid], "sub_appid": None}]
    )
    bind_appid(sub_merchant=sub_merchant, appid=Appid(appid, AppidKind.MINI_PROGRAM))
    payer = {"sub_openid": simulator.people.openid(appid, "wang")}

    order = shop.post("/orders", tea(sub_appid=appid, payer=payer)).json

    assert (order["trade_type"], order["sub_appid"]) == ("JSAPI", appid)
    assert order["pay_params"]["appId"] == appid


@pytest.mark.parametrize("kind", ["svg", "png", "txt"])
def test_a_native_order_is_drawn_in_three_ways(shop: Api, kind: str) -> None:
    order = shop.post("/orders", WAYS["NATIVE"]).json

    drawn = shop.get(f"/orders/{order['id']}/qr-code", format=kind)

    mimetypes = {"svg": "image/svg+xml", "png": "image/png", "txt": "text/plain"}
    begins = {"svg": b"<svg", "png": b"\x89PNG", "txt": b"  "}
    assert drawn.status_code == 200
    assert drawn.headers["Content-Type"].startswith(mimetypes[kind])
    assert drawn.data.startswith(begins[kind])


def test_where_nothing_can_be_scanned_no_code_is_drawn(shop: Api, simulator: Simulator) -> None:
    page = shop.order()
    native = shop.post("/orders", WAYS["NATIVE"]).json
    with later(simulator, hours=3):
        void = shop.get(f"/orders/{native['id']}/qr-code")
    closed = shop.post(f"/orders/{native['id']}/close").json
    assert closed["state"] == "CLOSED"

    other_way = shop.get(f"/orders/{page['id']}/qr-code")
    too_late = shop.get(f"/orders/{native['id']}/qr-code")

    assert (other_way.status_code, other_way.code) == (409, "no_qr_code")
    assert (void.status_code, void.code) == (409, "no_qr_code")
    assert (too_late.status_code, too_late.code) == (409, "order_not_payable")


def test_an_unpaid_order_of_each_way_ends_at_its_time(shop: Api, simulator: Simulator) -> None:
    for body in WAYS.values():
        assert shop.post("/orders", body).status_code == 201

    with later(simulator, days=1, minutes=1):
        sweep_due()

    assert {order.state.value for order in all_orders()} == {"CLOSED"}
    assert {order.trade_state for order in simulator.ledger.orders()} == {"CLOSED"}
