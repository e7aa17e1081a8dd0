"""Why nobody could pay: one sentence for the payer, the whole of it for whoever can mend it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from config.audit import AuditEntry
from config.clock import frozen_at, now
from config.database import db
from partner.simulator.simulator import Simulator
from tests.factories.checkout import Phone, Shop
from tests.payments.api.caller import Api


@pytest.fixture
def phone(app: Flask, simulator: Simulator) -> Phone:
    return Phone(app, simulator)


def test_a_missing_permission_is_told_to_the_tenant_and_not_to_the_payer(
    client: FlaskClient, shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    sub = simulator.facts["sub_merchants"][0]
    simulator.register(sub_merchants=[{**sub, "permissions": ["NATIVE"]}])
    link = shop.link()
    phone.open(shop.url(link))

    answer = phone.tap()

    told = answer.get_json()
    assert answer.status_code == 424
    assert told["title"] == "这笔支付暂时无法进行"
    assert "权限" not in told["advice"]
    assert told["reference"] == answer.headers["Request-ID"]
    problem = Api(client, shop.sub_merchant).get(f"/checkout-links/{link.id}").json["problem"]
    assert problem["finding"]["link"] == "product"
    assert {"who", "where", "how_long", "missing"} <= set(problem["finding"])
    assert problem["reference"] == told["reference"]
    entry = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "checkout_link.problem")
    ).one()
    assert entry.tenant_id == shop.sub_merchant.id
    assert json.loads(entry.detail)["reference"] == told["reference"]


@pytest.mark.parametrize(
    ("report", "code", "who"),
    [
        (
            {"kind": "bridge", "told": "当前页面的URL未注册：https://pay.example.test/checkout/x"},
            "page_not_in_a_directory",
            "service_provider",
        ),
        (
            {"kind": "bridge", "told": "商家暂时没有此类交易权限"},
            "product_not_permitted",
            "sub_merchant",
        ),
        ({"kind": "no_bridge", "told": ""}, "outside_wechat", "payer"),
        ({"kind": "sign_in", "told": "10003"}, "oauth_domain_not_set", "service_provider"),
        ({"kind": "sign_in", "told": "10005"}, "oauth_scope_missing", "service_provider"),
        ({"kind": "sign_in", "told": ""}, "sign_in_never_came_back", "service_provider"),
    ],
)
@pytest.mark.sqlite_only
def test_what_wechat_shows_payers_is_recognised(
    shop: Shop, phone: Phone, report: dict[str, str], code: str, who: str
) -> None:
    link = shop.link()
    phone.open(shop.url(link))

    answer = phone.post("report", report)

    noted = shop.problem(link)
    assert (noted["code"], noted["finding"]["who"]) == (code, who)
    assert noted["told"] == report["told"]
    assert answer.get_json()["reference"] == noted["reference"]
    merchants_turn = answer.get_json()["title"] == "这笔支付暂时无法进行"
    assert merchants_turn
    assert ("商家的收款设置还差一步" in answer.get_json()["advice"]) == (who != "payer")


def test_a_directory_taken_away_after_the_link_was_made_is_noticed_before_the_cashier(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    link = shop.link()
    phone.open(shop.url(link))
    shop.remove_directories()

    answer = phone.tap()

    assert answer.status_code == 422
    assert shop.problem(link)["code"] == "page_not_in_a_directory"
    assert simulator.ledger.orders() == []


def test_one_fault_is_written_down_once_a_minute_and_another_at_once(
    shop: Shop, phone: Phone
) -> None:
    link = shop.link()
    phone.open(shop.url(link))

    for told in ("商家暂时没有此类交易权限", "商家暂时没有此类交易权限", "当前页面的URL未注册"):
        phone.post("report", {"kind": "bridge", "told": told})
    with frozen_at(now() + timedelta(minutes=2)):
        phone.post("report", {"kind": "bridge", "told": "当前页面的URL未注册"})

    entries = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "checkout_link.problem")
    ).all()
    assert len(entries) == 3


def test_a_paid_link_has_no_problem_any_more(client: FlaskClient, shop: Shop, phone: Phone) -> None:
    link = shop.link()
    phone.open(shop.url(link))
    phone.post("report", {"kind": "bridge", "told": "商家暂时没有此类交易权限"})
    api = Api(client, shop.sub_merchant)
    before = api.get(f"/checkout-links/{link.id}").json

    phone.pay()
    phone.state()

    assert before["problem"]["told"] == "商家暂时没有此类交易权限"
    after = api.get(f"/checkout-links/{link.id}").json
    assert (after["state"], after["problem"]) == ("PAID", None)


@pytest.mark.sqlite_only
def test_what_a_page_reports_is_kept_short_and_plain(shop: Shop, phone: Phone) -> None:
    link = shop.link()
    phone.open(shop.url(link))

    phone.post("report", {"kind": "bridge", "told": "<b>\n\u202e" + "x" * 390})

    assert len(shop.problem(link)["told"]) == 200
    assert "\n" not in shop.problem(link)["told"]
    assert "\u202e" not in shop.problem(link)["told"]
