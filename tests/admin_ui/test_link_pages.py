"""Checkout links on the dashboard: made once, shown, printed, paid, cancelled."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from admin_ui.beijing_times import for_field
from config.clock import now
from config.database import release
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.checkout.links import page_url
from payments.checkout.models import CheckoutLink
from payments.checkout.qr import qr_svg
from payments.checkout.queries import get_link, list_links
from payments.checkout.standing import LinkState, standing_of
from submerchants.staff.roles import StaffRole
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.checkout import Phone, make_link, ready_for_checkout
from tests.factories.people import form_token, make_staff_member, sign_in_staff


@pytest.fixture
def shop(client: FlaskClient, partner: Partner, sub_merchant: SubMerchant) -> SubMerchant:
    """A sub-merchant ready for checkout, whose clerk is signed in."""
    ready_for_checkout(partner)
    clerk = make_staff_member(sub_merchant=sub_merchant, role=StaffRole.CLERK)
    sign_in_staff(client, clerk)
    return sub_merchant


def all_of(shop: SubMerchant) -> list[CheckoutLink]:
    with acting_for(shop.id):
        found = list(list_links(limit=10).rows)
        release()  # the next look begins a transaction of its own
    return found


def state_of(link: CheckoutLink) -> LinkState:
    with acting_for(link.sub_merchant_id):
        state = standing_of(get_link(link.id)).state
        release()
    return state


def filled_in(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    """The form that makes a link, filled in."""
    page = client.get("/dashboard/checkout/new").text
    [number] = re.findall(r'name="number" value="(\w+)"', page)
    [until] = re.findall(r'name="until" value="([^"]+)"', page)
    return {
        "csrf_token": form_token(client, "/dashboard/checkout/new"),
        "number": number,
        "until": until,
        "description": "冻顶乌龙茶 250g",
        "amount": "188.00",
        **fields,
    }


def test_a_link_is_made_once_and_shown_with_its_qr_code(
    client: FlaskClient, shop: SubMerchant
) -> None:
    form = filled_in(client)

    first = client.post("/dashboard/checkout", data=form)
    again = client.post("/dashboard/checkout", data=form)

    [link] = all_of(shop)
    here = f"/dashboard/checkout/{link.id}"
    with acting_for(shop.id):
        url = page_url(link)
    page, picture = client.get(here).text, client.get(f"{here}/qr.svg")
    assert first.headers["Location"] == again.headers["Location"] == here
    assert (link.amount_fen, link.description) == (18_800, "冻顶乌龙茶 250g")
    assert for_field(link.expires_at) == form["until"]
    assert f'src="{here}/qr.svg"' in page
    assert f'data-copy="{url}"' in page
    assert (picture.mimetype, picture.data) == ("image/svg+xml", qr_svg(url))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"amount": "0"}, "金额"),
        ({"amount": "-1"}, "金额"),
        ({"amount": "1.234"}, "以元为单位"),
        ({"amount": "百元"}, "以元为单位"),
        ({"description": ""}, "说明"),
        ({"description": "茶" * 43}, "说明"),
        ({"number": "<script>"}, "商户单号"),
        ({"until": "tomorrow"}, "日期和时间"),
        ({"until": for_field(now() + timedelta(days=8))}, "一分钟到七天"),
        ({"until": for_field(now() - timedelta(days=1))}, "一分钟到七天"),
    ],
)
def test_what_cannot_be_made_is_told_and_the_form_stays_filled_in(
    client: FlaskClient, shop: SubMerchant, fields: dict[str, str], told: str
) -> None:
    form = filled_in(client, **fields)

    answer = client.post("/dashboard/checkout", data=form)

    assert answer.status_code in (400, 422)
    alert = answer.text.split('role="alert"', 1)[1].split("</div>")[0]
    assert told in alert
    assert f'value="{html.escape(form["description"])}"' in answer.text
    assert "<script>" not in answer.text.split("</head>")[1]
    assert all_of(shop) == []


def test_a_shop_that_is_not_ready_is_told_what_is_missing(
    client: FlaskClient, sub_merchant: SubMerchant
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))

    answer = client.post("/dashboard/checkout", data=filled_in(client))

    assert answer.status_code == 422
    assert "请联系服务商" in answer.text
    assert all_of(sub_merchant) == []


def test_the_page_follows_a_payer_from_open_to_paid(
    app: Flask,
    client: FlaskClient,
    shop: SubMerchant,
    partner: Partner,
    simulator: Simulator,
) -> None:
    simulator.register(payment_directories=["https://pay.example.test/checkout/"])
    link = make_link(sub_merchant=shop, partner=partner)
    here = f"/dashboard/checkout/{link.id}"
    with acting_for(shop.id):
        url = page_url(link)
    phone = Phone(app, simulator)

    waiting = client.get(here).text
    phone.open(url)
    phone.pay()
    simulator.notifier.deliver_due()
    paid = client.get(here).text
    listed = client.get("/dashboard/checkout").text

    assert "等待付款人" in waiting
    assert 'hx-trigger="every' in waiting
    assert "已支付" in paid
    assert 'hx-trigger="every' not in paid  # nothing more will happen
    assert "/qr.svg" not in paid
    assert "/dashboard/orders/ord_" in paid
    assert "已支付" in listed


def test_a_link_is_cancelled_once(client: FlaskClient, shop: SubMerchant, partner: Partner) -> None:
    link = make_link(sub_merchant=shop, partner=partner)
    here = f"/dashboard/checkout/{link.id}"
    form = {"csrf_token": form_token(client, here)}

    answers = [client.post(f"{here}/cancel", data=form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert "已取消" in client.get(here).text
    assert state_of(link) is LinkState.CANCELLED


def test_a_paid_link_is_not_cancelled(
    app: Flask, client: FlaskClient, shop: SubMerchant, partner: Partner, simulator: Simulator
) -> None:
    simulator.register(payment_directories=["https://pay.example.test/checkout/"])
    link = make_link(sub_merchant=shop, partner=partner)
    here = f"/dashboard/checkout/{link.id}"
    form = {"csrf_token": form_token(client, here)}
    with acting_for(shop.id):
        url = page_url(link)
    phone = Phone(app, simulator)
    phone.open(url)
    phone.pay()
    simulator.notifier.deliver_due()

    answer = client.post(f"{here}/cancel", data=form)

    assert answer.status_code == 409
    assert "在订单中退款" in answer.text
    assert state_of(link) is LinkState.PAID


def test_the_sheet_says_in_both_languages_who_is_paid_what_for_and_how_much(
    client: FlaskClient, shop: SubMerchant, partner: Partner
) -> None:
    link = make_link(sub_merchant=shop, partner=partner, description="<b>茶</b>", amount_fen=2800)

    page = client.get(f"/dashboard/checkout/{link.id}/sheet").text

    assert shop.name in page
    assert "微信扫一扫" in page
    assert "Scan with WeChat to pay" in page
    assert "¥28.00" in page
    assert "&lt;b&gt;茶&lt;/b&gt;" in page
    assert f"/dashboard/checkout/{link.id}/qr.svg" in page


def test_a_link_is_found_by_the_shops_own_number(
    client: FlaskClient, shop: SubMerchant, partner: Partner
) -> None:
    wanted = make_link(sub_merchant=shop, partner=partner, merchant_order_no="A-1")
    other = make_link(sub_merchant=shop, partner=partner, merchant_order_no="A-2")

    page = client.get("/dashboard/checkout?q=A-1").text

    assert (wanted.id in page, other.id in page) == (True, False)
    assert "没有这个单号" in client.get("/dashboard/checkout?q=A-3").text


def test_another_tenants_link_is_not_there(
    client: FlaskClient, shop: SubMerchant, partner: Partner, other_sub_merchant: SubMerchant
) -> None:
    theirs = make_link(sub_merchant=other_sub_merchant, partner=partner)
    token = form_token(client, "/dashboard/checkout")
    here = f"/dashboard/checkout/{theirs.id}"

    statuses = [client.get(f"{here}{rest}").status_code for rest in ("", "/qr.svg", "/sheet")]
    cancelled = client.post(f"{here}/cancel", data={"csrf_token": token})

    assert statuses == [404, 404, 404]
    assert cancelled.status_code == 404
    assert theirs.id not in client.get("/dashboard/checkout").text
    assert state_of(theirs) is LinkState.OPEN
