"""The doctor with a memory: what became of real orders names the link that nobody can ask about."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskCliRunner

from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.checkout.faults import NEVER_CAME_BACK, note_fault
from payments.checkout.links import pages_directory
from payments.diagnosis.diagnose import diagnose
from payments.errors import WeChatPayRefused
from payments.orders.models import TradeType
from submerchants.doctor.diagnosis import Diagnosis, Outcome
from submerchants.doctor.findings import Link
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.checkout import Shop, ready_for_checkout
from tests.factories.payments import make_order, place_order
from tests.merchants import change_provider, change_sub_merchant

PAGE = "https://pay.example.com/shop/42"
LEVERS: dict[Link, dict[str, Any]] = {
    Link.SUB_MCHID: {"related": False},
    Link.SUB_APPID: {"sub_appids": []},
    Link.PRODUCT: {"permissions": ["NATIVE", "REFUND", "BILL"]},
    Link.RISK_CONTROL: {"restricted": True},
}


def missing_links(found: Diagnosis) -> list[Link]:
    return [step.link for step in found.steps if step.outcome is Outcome.MISSING]


def refuse_an_order(sub_merchant: SubMerchant, partner: Partner) -> None:
    with pytest.raises(WeChatPayRefused):
        place_order(sub_merchant=sub_merchant, partner=partner)


@pytest.mark.parametrize("link", LEVERS)
def test_each_missing_link_is_named_after_one_refused_order(
    sub_merchant: SubMerchant, partner: Partner, simulator: Simulator, link: Link
) -> None:
    change_sub_merchant(simulator, sub_merchant, **LEVERS[link])
    refuse_an_order(sub_merchant, partner)

    found = diagnose(sub_merchant=sub_merchant)

    assert missing_links(found) == [link]


def test_a_providers_appid_that_is_not_bound_is_named(
    sub_merchant: SubMerchant, partner: Partner, simulator: Simulator
) -> None:
    change_provider(simulator, sp_appids=["wxffffffffffffffff"])
    refuse_an_order(sub_merchant, partner)

    assert missing_links(diagnose(sub_merchant=sub_merchant)) == [Link.SP_APPID]


def test_an_openid_of_another_appid_is_named(
    sub_merchant: SubMerchant, partner: Partner, simulator: Simulator
) -> None:
    foreign = simulator.people.openid(simulator.facts["sp_appid"], "a neighbour")
    with pytest.raises(WeChatPayRefused):
        place_order(sub_merchant=sub_merchant, partner=partner, sub_openid=foreign)

    assert missing_links(diagnose(sub_merchant=sub_merchant)) == [Link.OPENID]


def test_once_mended_the_next_order_clears_the_verdict(
    sub_merchant: SubMerchant, partner: Partner, simulator: Simulator
) -> None:
    change_sub_merchant(simulator, sub_merchant, restricted=True)
    refuse_an_order(sub_merchant, partner)
    ill = diagnose(sub_merchant=sub_merchant)
    change_sub_merchant(simulator, sub_merchant, restricted=False)
    place_order(sub_merchant=sub_merchant, partner=partner)

    well = diagnose(sub_merchant=sub_merchant)

    assert (ill.ok, well.ok) == (False, True)


def test_the_newest_order_of_each_way_to_pay_speaks_and_a_neighbours_never(
    sub_merchant: SubMerchant, other_sub_merchant: SubMerchant
) -> None:
    refusal = json.dumps(
        {"status": 403, "code": "NO_AUTH", "message": "该产品授权已被解除", "request_id": None}
    )
    make_order(sub_merchant=sub_merchant, trade_type=TradeType.NATIVE, last_refusal=refusal)
    make_order(sub_merchant=other_sub_merchant, trade_type=TradeType.APP, last_refusal=refusal)

    steps = diagnose(sub_merchant=sub_merchant).steps

    products = {step.subject: step.outcome for step in steps if step.link is Link.PRODUCT}
    assert products["NATIVE"] is Outcome.MISSING
    assert "APP" not in products


def test_a_payer_who_never_came_back_names_the_oauth_domain_until_one_could_order(
    partner: Partner, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    simulator.register(payment_directories=[pages_directory()])
    ready_for_checkout(partner)
    shop = Shop(partner, sub_merchant)
    link = shop.link()
    with acting_for(sub_merchant.id):
        note_fault(link, NEVER_CAME_BACK, told="", reference="r1")
    ill = diagnose(sub_merchant=sub_merchant)
    openid = simulator.people.openid(simulator.facts["sp_appid"], "a payer")
    shop.take_turn(link, openid)

    well = diagnose(sub_merchant=sub_merchant)

    assert missing_links(ill) == [Link.OAUTH_DOMAIN]
    assert ill.verdict is not None
    assert "did not come back" in ill.verdict.said.en
    assert well.ok
    assert Link.OAUTH_DOMAIN in [s.link for s in well.steps if s.outcome is Outcome.OK]


@pytest.fixture
def run(app: Flask) -> FlaskCliRunner:
    return app.test_cli_runner()


def test_the_command_prints_a_table_and_ends_with_1_when_a_link_is_missing(
    run: FlaskCliRunner, sub_merchant: SubMerchant
) -> None:
    args = ["submerchant", "doctor", sub_merchant.sub_mchid]

    whole = run.invoke(args=[*args, "--language", "en"])
    ill = run.invoke(args=[*args, "--page-url", PAGE, "--language", "zh"])

    assert whole.exit_code == 0, whole.output
    assert "No link was found missing." in whole.stdout
    assert "Signing, verifying and decrypting were proven." in whole.stdout
    assert ill.exit_code == 1
    assert "缺失" in ill.stdout
    assert "谁来改: 服务商的运营人员" in ill.stdout
    assert "第一个缺失的环节: directory" in ill.stdout


def test_the_command_prints_one_document(run: FlaskCliRunner, sub_merchant: SubMerchant) -> None:
    args = ["submerchant", "doctor", sub_merchant.sub_mchid, "--page-url", PAGE, "--json"]

    answer = run.invoke(args=[*args, "--language", "en"])

    document = json.loads(answer.stdout)
    assert answer.exit_code == 1
    assert document["ok"] is False
    assert document["verdict"]["link"] == "directory"
    assert document["verdict"] in document["steps"]
    assert document["verdict"]["who"] == "service_provider"


def test_an_unknown_number_is_one_line_on_standard_error(run: FlaskCliRunner) -> None:
    answer = run.invoke(args=["submerchant", "doctor", "1699999999"])

    assert answer.exit_code == 1
    assert "There is no sub-merchant 1699999999" in answer.stderr
