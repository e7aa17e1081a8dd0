"""Which fields fit which way to pay, which appids, and which numbers stay what they were."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.vault import Secret
from payments.errors import AppidNotBound, AppidOfAnotherKind, FieldsDoNotFit
from payments.orders.create import OrderRequest, create_order
from payments.orders.models import TradeType
from payments.orders.ways import SPECIAL, WAYS, unfit_fields
from submerchants.tenancy import acting_for
from submerchants.tenants.bindings import Appid, bind_appid
from submerchants.tenants.models import AppidKind
from tests.books import all_orders
from tests.factories.payments import OPENID, order_request
from tests.factories.submerchants import make_sub_merchant

PAYER = {"payer": {"sub_openid": OPENID}}
BROWSER = {"payer_client_ip": "203.0.113.9", "h5_info": {"type": "Wap"}}
SHOP = {"store_info": {"out_id": "shop-7"}}
CODE = {"auth_code": "134567890123456789", "scene_info": SHOP}


def problems(trade_type: str, **given: object) -> list[str]:
    return [field for field, _ in unfit_fields(TradeType(trade_type), given)]


@pytest.mark.parametrize(
    ("trade_type", "given"),
    [
        ("JSAPI", PAYER),
        ("JSAPI", {**PAYER, "page_url": "https://x.example/", "scene_info": None}),
        ("JSAPI", {**PAYER, "scene_info": {"payer_client_ip": "::1", "store_info": {"id": "1"}}}),
        ("NATIVE", {}),
        ("APP", {"expires_at": "soon", "scene_info": {"payer_client_ip": "1.2.3.4"}}),
        ("MWEB", {"scene_info": BROWSER, "redirect_url": "https://x.example/"}),
        ("MICROPAY", CODE),
        ("MICROPAY", {**CODE, "scene_info": {**SHOP, "device_ip": "10.0.0.7", "device_id": "t"}}),
    ],
)
def test_what_a_way_takes_is_fine(trade_type: str, given: dict[str, object]) -> None:
    assert problems(trade_type, **given) == []


@pytest.mark.parametrize(
    ("trade_type", "given", "fields"),
    [
        ("JSAPI", {}, ["payer"]),
        ("JSAPI", {**PAYER, "scene_info": {"device_id": "1"}}, ["scene_info.payer_client_ip"]),
        (
            "JSAPI",
            {**PAYER, "scene_info": {"payer_client_ip": "1.2.3.4", **SHOP}},
            ["scene_info.store_info.id", "scene_info.store_info.out_id"],
        ),
        ("JSAPI", {**PAYER, "redirect_url": "https://x.example/"}, ["redirect_url"]),
        ("NATIVE", PAYER, ["payer"]),
        ("NATIVE", {"scene_info": BROWSER}, ["scene_info.h5_info"]),
        ("NATIVE", {"page_url": "https://x.example/"}, ["page_url"]),
        ("APP", {"auth_code": "134567890123456789"}, ["auth_code"]),
        ("MWEB", {}, ["scene_info"]),
        ("MWEB", {"scene_info": {"payer_client_ip": "1.2.3.4"}}, ["scene_info.h5_info"]),
        ("MWEB", {"scene_info": {"h5_info": {}}}, ["scene_info.payer_client_ip"]),
        ("MICROPAY", {}, ["auth_code", "scene_info"]),
        ("MICROPAY", {**CODE, "expires_at": "soon"}, ["expires_at"]),
        ("MICROPAY", {**CODE, "scene_info": {"device_id": "1"}}, ["scene_info.store_info"]),
        (
            "MICROPAY",
            {**CODE, **PAYER, "scene_info": {**SHOP, "payer_client_ip": "1.2.3.4"}},
            ["payer", "scene_info.payer_client_ip"],
        ),
    ],
)
def test_what_is_missing_or_misplaced_is_named(
    trade_type: str, given: dict[str, object], fields: list[str]
) -> None:
    assert problems(trade_type, **given) == fields


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "224.0.0.1"])
def test_an_h5_payer_comes_from_an_address_somebody_has(address: str) -> None:
    scene = {**BROWSER, "payer_client_ip": address}

    assert problems("MWEB", scene_info=scene) == ["scene_info.payer_client_ip"]


def test_every_way_to_pay_has_its_row_and_takes_what_it_needs() -> None:
    assert set(WAYS) == set(TradeType)
    for way in WAYS.values():
        assert way.needs & SPECIAL <= way.takes


def refused(kind: type[Exception], sub_merchant: Any, partner: Any, **fields: Any) -> Any:
    with acting_for(sub_merchant.id), pytest.raises(kind) as raised:
        create_order(sub_merchant=sub_merchant, partner=partner, request=order_request(**fields))
    return raised.value


@pytest.mark.sqlite_only
def test_a_request_that_does_not_fit_leaves_nothing_behind(sub_merchant, partner, simulator):
    error = refused(FieldsDoNotFit, sub_merchant, partner, trade_type=TradeType.NATIVE)

    assert error.detail["field"] == "payer"
    assert error.detail["fields"][0]["problem"] == "An order of NATIVE has no place for it."
    assert all_orders() == []
    assert simulator.ledger.count() == 0


def test_an_app_is_no_page_and_a_page_no_app(sub_merchant, partner, simulator):
    page = simulator.facts["sub_merchants"][0]["sub_appid"]
    app = "wx00000000000000aa"
    bind_appid(sub_merchant=sub_merchant, appid=Appid(app, AppidKind.APP))

    no_page = refused(AppidOfAnotherKind, sub_merchant, partner, sub_appid=app)
    no_app = refused(
        AppidOfAnotherKind,
        sub_merchant,
        partner,
        trade_type=TradeType.APP,
        sub_openid=None,
        sub_appid=page,
    )

    assert "MINI_PROGRAM or OFFICIAL_ACCOUNT" in str(no_page)
    assert "service provider" in str(no_page)
    assert "kind APP" in str(no_app)
    assert all_orders() == []


def test_a_default_appid_is_one_that_fits(partner, simulator):
    known = simulator.facts["sub_merchants"][0]
    app = "wx00000000000000aa"
    tenant = make_sub_merchant(partner=partner, sub_mchid=known["sub_mchid"], sub_appid=None)
    bind_appid(sub_merchant=tenant, appid=Appid(app, AppidKind.APP))
    only_an_app = refused(AppidOfAnotherKind, tenant, partner)
    bind_appid(sub_merchant=tenant, appid=Appid(known["sub_appid"]))

    with acting_for(tenant.id):
        placed = create_order(sub_merchant=tenant, partner=partner, request=order_request())

    assert only_an_app.detail["sub_appid"] == app
    assert placed.order.sub_appid == known["sub_appid"]


def test_an_openid_of_ones_own_needs_an_appid(partner, simulator):
    tenant = make_sub_merchant(partner=partner, sub_appid=None)

    refused(AppidNotBound, tenant, partner)


def test_a_request_of_before_is_still_the_same_request() -> None:
    request = OrderRequest(
        merchant_order_no="A-1", description="Tea", amount_fen=1800, sub_openid=OPENID
    )

    assert request.digest() == "ee825160f2215437d1c2ef3b1f3439064fe39a35443fdcb83277ffd8080deb5b"


def test_another_code_or_way_back_is_another_request() -> None:
    usual = order_request(merchant_order_no="A-1")
    digests = {
        usual.digest(),
        order_request(merchant_order_no="A-1", auth_code=Secret("134567890123456789")).digest(),
        order_request(merchant_order_no="A-1", auth_code=Secret("134567890123456780")).digest(),
        order_request(merchant_order_no="A-1", redirect_url="https://x.example/").digest(),
    }

    assert len(digests) == 4
    assert "134567890123456789" not in json.dumps(str(usual))
