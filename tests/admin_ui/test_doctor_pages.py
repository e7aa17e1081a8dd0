"""The doctor's pages: the chain drawn, the first missing link large, a page's address judged."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from partner.models import Partner
from partner.operators.roles import OperatorRole
from partner.simulator.simulator import Simulator
from submerchants.directories.configure import add_directory
from submerchants.staff.roles import StaffRole
from submerchants.tenants.models import SubMerchant
from tests.factories.people import (
    form_token,
    make_operator,
    make_staff_member,
    sign_in_operator,
    sign_in_staff,
)
from tests.factories.submerchants import make_sub_merchant

PAGE = "https://shop.example.com/pay/index.html#/cart"


@pytest.fixture
def unlimited(app: Flask) -> None:
    """Without a clock that counts walks: the tests of one minute share it."""
    app.config["API_DIAGNOSES_A_MINUTE"] = 0


def walked(client: FlaskClient, path: str, **fields: str) -> str:
    form = {"csrf_token": form_token(client, path), **fields}
    return client.post(path, data=form).text


def outcome_of(page: str, link: str) -> str:
    [outcome] = re.findall(rf'is-(\w+)"><a href="#link-{link}"', page)
    return str(outcome)


@pytest.mark.usefixtures("unlimited")
def test_a_chain_that_holds_is_drawn_whole(
    client: FlaskClient, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))

    page = walked(client, "/dashboard/doctor")

    assert "没有发现缺失的环节" in page
    assert outcome_of(page, "keys") == "ok"
    assert outcome_of(page, "sub_mchid") == "ok"


@pytest.mark.usefixtures("unlimited")
def test_the_first_missing_link_stands_large_with_who_mends_it_and_where(
    client: FlaskClient, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))

    page = walked(client, "/dashboard/doctor", page_url=PAGE)

    large = page.split('class="card missing', 1)[1].split("</section>")[0]
    assert outcome_of(page, "directory") == "missing"
    assert "第一个缺失的环节 · 支付授权目录" in large
    assert "服务商的运营人员" in large
    assert "服务商平台 → 产品中心 → 开发配置" in large
    assert "约 5 分钟" in large


@pytest.mark.usefixtures("unlimited")
def test_htmx_gets_the_result_alone_and_english_readers_english(
    client: FlaskClient, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))
    client.set_cookie("language", "en", domain="pay.example.test")
    form = {"csrf_token": form_token(client, "/dashboard/doctor")}

    part = client.post("/dashboard/doctor", data=form, headers={"HX-Request": "true"}).text

    assert "<html" not in part
    assert "No link was found missing" in part
    assert not re.search(r"[\u4e00-\u9fff]", part.replace("微信公众平台", "").split("Link by")[0])


def test_walks_are_counted_because_they_call_wechat_pay(
    app: Flask, client: FlaskClient, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    app.config["API_DIAGNOSES_A_MINUTE"] = 1
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))
    form = {"csrf_token": form_token(client, "/dashboard/doctor")}
    client.post("/dashboard/doctor", data=form)

    again = client.post("/dashboard/doctor", data=form)

    assert again.status_code == 429
    assert "操作太快" in again.text


def test_a_pages_address_is_judged_with_the_exact_string_to_enter(
    client: FlaskClient, sub_merchant: SubMerchant
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))

    page = client.get("/dashboard/doctor", query_string={"url": PAGE}).text
    add_directory(sub_merchant=sub_merchant, url="https://shop.example.com/")
    waiting = client.get("/dashboard/doctor", query_string={"url": PAGE}).text

    assert 'data-copy="https://shop.example.com/pay/"' in page
    assert 'data-copy="https://shop.example.com/"' in page
    assert "# 之后的内容不会送到微信支付" in page
    assert "尚未覆盖" in waiting  # a new directory takes some minutes


@pytest.mark.parametrize(
    "url", ["<script>alert(1)</script>", "https://<b>.example.com/", "ftp://x", "#"]
)
def test_whatever_is_entered_as_an_address_stays_text(
    client: FlaskClient, sub_merchant: SubMerchant, url: str
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))

    answer = client.get("/dashboard/doctor", query_string={"url": url})

    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert "<b>.example" not in answer.text


@pytest.mark.usefixtures("unlimited")
def test_an_operator_examines_any_sub_merchant(
    client: FlaskClient, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    sign_in_operator(client, make_operator(role=OperatorRole.SUPPORT))
    here = f"/admin/sub-merchants/{sub_merchant.id}/doctor"

    tenant = client.get(f"/admin/sub-merchants/{sub_merchant.id}").text
    page = walked(client, here)

    assert here in tenant
    assert sub_merchant.sub_mchid in page
    assert outcome_of(page, "sub_mchid") == "ok"


def test_those_who_may_not_are_refused(
    client: FlaskClient, partner: Partner, sub_merchant: SubMerchant
) -> None:
    sign_in_operator(client, make_operator(role=OperatorRole.VIEWER))
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant, role=StaffRole.CLERK))
    here = f"/admin/sub-merchants/{sub_merchant.id}/doctor"

    tenant = client.get(f"/admin/sub-merchants/{sub_merchant.id}").text
    refused = [client.get(path).status_code for path in (here, "/dashboard/doctor")]

    assert here not in tenant
    assert refused == [403, 403]


def test_there_is_no_doctor_for_nobody(client: FlaskClient, app: Flask) -> None:
    make_sub_merchant()
    sign_in_operator(client)

    answer = client.get("/admin/sub-merchants/sub_none/doctor")

    assert answer.status_code == 404
