"""The walk over the whole chain, against WeChat Pay's side: it names exactly the missing link."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from config import clock
from config.database import db, transaction
from config.settings import Settings
from config.vault import Secret
from partner.credentials import rotate_api_v3_key, rotate_merchant_key, set_bill_scope
from partner.directories import add_directory as add_provider_directory
from partner.gateway import init_gateway
from partner.models import BillScope, Partner
from partner.simulator.simulator import Simulator
from submerchants.directories.configure import add_directory
from submerchants.doctor.diagnosis import Diagnosis, Evidence, Outcome, Step
from submerchants.doctor.examine import examine
from submerchants.doctor.explain import explain
from submerchants.doctor.findings import Link, Who
from submerchants.doctor.local_links import address_step
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.suspend import suspend
from tests.factories.partner import make_partner, private_key_pem
from tests.factories.submerchants import make_sub_merchant
from tests.merchants import change_sub_merchant
from tests.partner.test_check import Unplugged

PAGE = "https://pay.example.com/shop/42"


def links(found: Diagnosis, outcome: Outcome) -> list[Link]:
    return [step.link for step in found.steps if step.outcome is outcome]


def step_on(found: Diagnosis, link: Link) -> Step:
    return next(step for step in found.steps if step.link is link)


def taken(**fields: Any) -> Evidence:
    """An order that WeChat Pay took a while ago."""
    usual: dict[str, Any] = {"product": "JSAPI", "at": clock.now() - timedelta(hours=2)}
    return Evidence(**{**usual, **fields})


def refused(code: str, message: str, **fields: Any) -> Evidence:
    usual: dict[str, Any] = {"product": "JSAPI", "at": clock.now() - timedelta(hours=1)}
    finding = explain(code=code, message=message)
    return Evidence(**{**usual, "refusal": finding, "said": f"{code} {message}", **fields})


def test_a_whole_chain_has_no_missing_link_and_says_what_cannot_be_asked(
    sub_merchant: SubMerchant,
) -> None:
    found = examine(sub_merchant=sub_merchant)

    assert found.ok
    assert found.verdict is None
    assert links(found, Outcome.MISSING) == []
    assert set(links(found, Outcome.OK)) == {
        Link.PUBLIC_ADDRESS,
        Link.KEYS,
        Link.CLOCK,
        Link.CONNECTION,
        Link.SP_MCHID,
        Link.SUB_MCHID,
    }
    assert Link.OAUTH_DOMAIN in links(found, Outcome.NOT_ASKED)


def test_the_walk_goes_in_the_order_in_which_a_payment_needs_the_links(
    sub_merchant: SubMerchant,
) -> None:
    steps = examine(sub_merchant=sub_merchant, page_url=PAGE).steps

    order = [list(Link).index(step.link) for step in steps]
    assert order == sorted(order)


def test_the_walk_changes_nothing_at_wechat_pay(
    sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    examine(sub_merchant=sub_merchant, page_url=PAGE)

    methods = {(call["method"], call["path"]) for call in _requests(simulator)}
    assert {method for method, path in methods if path != "/v3/security/echo"} == {"GET"}
    assert 3 <= len(methods) <= 6


def _requests(simulator: Simulator) -> list[dict[str, Any]]:
    told = simulator.app.test_client().get("/_simulator/requests").get_json()
    return list(told["data"])


def test_a_relation_that_was_ended_is_named(
    sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    change_sub_merchant(simulator, sub_merchant, related=False)

    found = examine(sub_merchant=sub_merchant)

    assert links(found, Outcome.MISSING) == [Link.SUB_MCHID]
    assert found.verdict is not None
    assert "no longer, a sub-merchant of this service provider" in found.verdict.said.en
    assert found.verdict.who is Who.SERVICE_PROVIDER


def test_a_number_that_wechat_pay_does_not_know_is_named(partner: Partner) -> None:
    stranger = make_sub_merchant(partner=partner, sub_mchid="1699999999")

    found = examine(sub_merchant=stranger)

    assert links(found, Outcome.MISSING) == [Link.SUB_MCHID]
    assert "no such merchant number" in step_on(found, Link.SUB_MCHID).said.en


def test_the_providers_own_number_is_no_sub_merchants(partner: Partner) -> None:
    itself = make_sub_merchant(partner=partner, sub_mchid=partner.sp_mchid)

    found = examine(sub_merchant=itself)

    assert set(links(found, Outcome.MISSING)) == {Link.SUB_MCHID}
    assert found.verdict is not None
    assert "the service provider's own" in found.verdict.said.en


def test_a_suspended_sub_merchant_is_told_who_resumes_it(sub_merchant: SubMerchant) -> None:
    suspend(sub_merchant=sub_merchant)

    found = examine(sub_merchant=sub_merchant)

    assert links(found, Outcome.MISSING) == [Link.SUB_MCHID]
    assert found.verdict is not None
    assert found.verdict.where is not None
    assert "submerchant resume" in found.verdict.where.en


def test_the_right_to_bills_is_asked_where_each_sub_merchants_bill_is_fetched(
    simulator: Simulator, partner: Partner, sub_merchant: SubMerchant
) -> None:
    set_bill_scope(partner=partner, bill_scope=BillScope.SUB_MERCHANT)
    whole = examine(sub_merchant=sub_merchant)
    change_sub_merchant(simulator, sub_merchant, permissions=["JSAPI"])
    lacking = examine(sub_merchant=sub_merchant)

    assert whole.ok
    assert lacking.verdict is not None
    assert (lacking.verdict.link, lacking.verdict.subject) == (Link.PRODUCT, "BILL")
    assert links(lacking, Outcome.MISSING) == [Link.PRODUCT]


def wrong_private_key(partner: Partner, simulator: Simulator) -> None:
    rotate_merchant_key(
        partner=partner,
        private_key_pem=Secret(private_key_pem()),
        serial_no="ABCDEF0123456789",
    )


def wrong_api_v3_key(partner: Partner, simulator: Simulator) -> None:
    rotate_api_v3_key(partner=partner, api_v3_key=Secret("0123456789abcdef0123456789abcdef"))


def no_api_v3_key(partner: Partner, simulator: Simulator) -> None:
    with transaction():
        db.session.execute(db.text("DELETE FROM api_v3_keys"))


def stale_answers(partner: Partner, simulator: Simulator) -> None:
    simulator.faults.add("stale_timestamp", path="/v3/certificates", times=10)


@pytest.mark.parametrize(
    ("harm", "link"),
    [
        (wrong_private_key, Link.KEYS),
        (wrong_api_v3_key, Link.KEYS),
        (no_api_v3_key, Link.KEYS),
        (stale_answers, Link.CLOCK),
    ],
)
def test_a_fault_of_the_providers_is_named_and_nothing_behind_it_is_guessed_at(
    partner: Partner,
    sub_merchant: SubMerchant,
    simulator: Simulator,
    harm: Callable[[Partner, Simulator], None],
    link: Link,
) -> None:
    harm(partner, simulator)

    found = examine(sub_merchant=sub_merchant)

    assert found.verdict is not None
    assert found.verdict.link is link
    assert found.verdict.who is Who.SERVICE_PROVIDER
    assert step_on(found, Link.SUB_MCHID).outcome is Outcome.UNKNOWN


def test_without_a_way_to_wechat_pay_the_connection_is_the_verdict(
    app: Flask, settings: Settings
) -> None:
    init_gateway(app, settings, Unplugged())

    found = examine(sub_merchant=make_sub_merchant(partner=make_partner()))

    assert found.verdict is not None
    assert found.verdict.link is Link.CONNECTION
    assert step_on(found, Link.KEYS).outcome is Outcome.UNKNOWN


def test_an_answer_that_does_not_come_is_no_missing_link(
    sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    simulator.faults.add("http_500", path="/v3/pay/partner/transactions", times=20)

    found = examine(sub_merchant=sub_merchant)

    assert found.ok
    assert step_on(found, Link.SUB_MCHID).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("code", "message", "link"),
    [
        ("APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配", Link.SP_APPID),
        ("APPID_MCHID_NOT_MATCH", "sub_mch_id与sub_appid不匹配", Link.SUB_APPID),
        ("PARAM_ERROR", "sub_appid和sub_openid不匹配", Link.OPENID),
        ("NO_AUTH", "特约子商户商户号未授权服务商的产品权限", Link.PRODUCT),
        ("NO_AUTH", "此商家的收款功能已被限制", Link.RISK_CONTROL),
        ("NO_AUTH", "受理关系不存在", Link.SUB_MCHID),
    ],
)
def test_the_newest_refusal_names_what_wechat_pay_cannot_be_asked_about(
    sub_merchant: SubMerchant, simulator: Simulator, code: str, message: str, link: Link
) -> None:
    sub_appid = simulator.facts["sub_merchants"][0]["sub_appid"]

    found = examine(
        sub_merchant=sub_merchant, evidence=[refused(code, message, sub_appid=sub_appid)]
    )

    assert links(found, Outcome.MISSING) == [link]
    assert found.verdict is not None
    assert message in found.verdict.said.en
    assert message in found.verdict.said.zh


def test_an_order_that_was_taken_proves_its_links_and_its_product(
    sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    sub_appid = simulator.facts["sub_merchants"][0]["sub_appid"]

    found = examine(sub_merchant=sub_merchant, evidence=[taken(sub_appid=sub_appid)])

    held = links(found, Outcome.OK)
    assert {Link.SP_APPID, Link.SUB_APPID, Link.RISK_CONTROL, Link.PRODUCT} <= set(held)


def test_the_newest_word_on_a_link_counts(sub_merchant: SubMerchant) -> None:
    before = refused(
        "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配", at=clock.now() - timedelta(days=1)
    )

    found = examine(sub_merchant=sub_merchant, evidence=[taken(product="NATIVE"), before])

    assert found.ok


def test_a_refusal_of_one_order_alone_says_nothing_about_the_binding(
    sub_merchant: SubMerchant,
) -> None:
    evidence = [refused("OUT_TRADE_NO_USED", ""), refused("SIGN_ERROR", "签名错误")]

    assert examine(sub_merchant=sub_merchant, evidence=evidence).ok


def test_each_product_stands_for_itself(sub_merchant: SubMerchant) -> None:
    evidence = [
        taken(product="JSAPI"),
        refused("NO_AUTH", "特约子商户商户号未授权服务商的产品权限", product="NATIVE"),
        refused("NO_AUTH", "特约商户未授权服务商的API退款权限", product="REFUND"),
    ]

    found = examine(sub_merchant=sub_merchant, evidence=evidence)

    about = {step.subject: step.outcome for step in found.steps if step.link is Link.PRODUCT}
    assert (about["JSAPI"], about["NATIVE"], about["REFUND"]) == (
        Outcome.OK,
        Outcome.MISSING,
        Outcome.MISSING,
    )


def test_a_page_no_directory_covers_is_named_with_what_to_enter(
    sub_merchant: SubMerchant,
) -> None:
    found = examine(sub_merchant=sub_merchant, page_url=PAGE)

    assert links(found, Outcome.MISSING) == [Link.DIRECTORY]
    assert found.verdict is not None
    assert "https://pay.example.com/shop/ or https://pay.example.com/" in found.verdict.said.en


def test_a_page_covered_on_either_level_is_fine(
    partner: Partner, sub_merchant: SubMerchant
) -> None:
    with clock.frozen_at(clock.now() - timedelta(hours=1)):
        add_provider_directory(partner=partner, url="https://pay.example.com/")
        add_directory(sub_merchant=sub_merchant, url="https://own.example.com/a/")

    shared = examine(sub_merchant=sub_merchant, page_url=PAGE)
    own = examine(sub_merchant=sub_merchant, page_url="https://own.example.com/a/b")
    without = examine(sub_merchant=sub_merchant)

    assert step_on(shared, Link.DIRECTORY).outcome is Outcome.OK
    assert step_on(own, Link.DIRECTORY).outcome is Outcome.OK
    assert step_on(without, Link.DIRECTORY).outcome is Outcome.NOT_ASKED


@pytest.mark.parametrize(
    ("base_url", "wechatpay_url", "outcome"),
    [
        ("https://pay.example.com", "https://api.mch.weixin.qq.com", Outcome.OK),
        ("http://127.0.0.1:8000", "https://api.mch.weixin.qq.com", Outcome.MISSING),
        ("https://203.0.113.9", "https://api.mch.weixin.qq.com", Outcome.MISSING),
        ("https://intranet", "https://api.mch.weixin.qq.com", Outcome.MISSING),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8001", Outcome.OK),
    ],
)
def test_the_public_address_must_be_one_that_wechat_pay_can_reach(
    variables: dict[str, str], base_url: str, wechatpay_url: str, outcome: Outcome
) -> None:
    settings = Settings.from_values(
        {**variables, "PUBLIC_BASE_URL": base_url, "WECHATPAY_BASE_URL": wechatpay_url}
    )

    assert address_step(settings).outcome is outcome
