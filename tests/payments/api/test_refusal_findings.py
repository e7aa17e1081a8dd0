"""WeChat Pay's no as a tenant gets it: its own words, and beside them what to mend."""

from __future__ import annotations

from partner.models import Partner
from partner.simulator.simulator import Simulator
from partner.wechatpay.errors import Refused
from payments.api import answers
from payments.errors import refusal_error
from submerchants.doctor.explain import explain
from submerchants.tenants.models import SubMerchant
from tests.merchants import change_sub_merchant
from tests.payments.api.caller import Api, tea


def test_a_refusal_carries_wechat_pays_words_and_the_finding() -> None:
    refusal = Refused(
        status=403, code="NOAUTH", message="该产品授权已被解除", request_id="08ABC-268443701"
    )

    error = refusal_error(refusal, order_id="ord_1")

    assert error.status == 424
    assert error.detail["wechatpay"] == {
        "status": 403,
        "code": "NO_AUTH",
        "message": "该产品授权已被解除",
        "request_id": "08ABC-268443701",
    }
    assert error.detail["finding"] == {
        "link": "product",
        "missing": "The sub-merchant withdrew the product's authorisation; it must authorise "
        "again.",
        "who": "sub_merchant",
        "where": "商户平台 → 产品中心 → 我的授权产品",
        "how_long": "about 10 minutes after it is authorised",
    }
    assert error.detail["order_id"] == "ord_1"


def test_a_limited_rate_says_to_slow_down() -> None:
    error = refusal_error(Refused(status=429, code="RATELIMIT_EXCEEDED"))

    assert error.status == 429
    assert error.detail["finding"] == explain(code="FREQUENCY_LIMITED").as_dict()


def test_a_refused_order_says_what_to_mend_and_where(
    api: Api, partner: Partner, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    change_sub_merchant(simulator, sub_merchant, sub_appids=[])

    answer = api.post("/orders", tea())

    finding = answer.json["detail"]["finding"]
    assert (answer.status_code, finding["link"]) == (424, "sub_appid")
    assert finding["where"].startswith("服务商平台 → 合作伙伴功能")
    assert answer.json["detail"]["wechatpay"]["code"] == "APPID_MCHID_NOT_MATCH"


def test_the_order_keeps_the_refusal_and_its_finding_until_it_is_opened(
    api: Api, sub_merchant: SubMerchant, simulator: Simulator
) -> None:
    appid = simulator.facts["sub_merchants"][0]["sub_appid"]
    change_sub_merchant(simulator, sub_merchant, sub_appids=[])
    asked = tea()
    refused = api.post("/orders", asked).json["detail"]
    address = f"/orders/{refused['order_id']}"
    kept = api.get(address).json
    change_sub_merchant(simulator, sub_merchant, sub_appids=[appid])

    api.post("/orders", asked)

    assert set(kept) == set(answers.Order.model_fields)
    assert kept["last_refusal"]["finding"] == refused["finding"]
    assert kept["last_refusal"]["wechatpay"] == refused["wechatpay"]
    assert api.get(address).json["last_refusal"] is None
