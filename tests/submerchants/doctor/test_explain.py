"""From a refusal to what is missing: the tables, and how they are looked into."""

from __future__ import annotations

from collections import Counter

import pytest

from partner.wechatpay.errors import Refused, canonical_code
from submerchants.doctor.explain import TABLE, explain, explain_refusal
from submerchants.doctor.findings import Link, Who

SEEN_BY_PAYERS = {
    "当前页面的URL未注册：https://pay.example.com/shop/42": (Link.DIRECTORY, Who.SERVICE_PROVIDER),
    "调用支付JSAPI缺少参数：total_fee": (Link.PAY_PARAMS, Who.DEVELOPER),
    "redirect_uri域名与后台配置不一致，错误码10003": (Link.OAUTH_DOMAIN, Who.SERVICE_PROVIDER),
    "Scope 参数错误或没有 Scope 权限，错误码：10005": (Link.OAUTH_DOMAIN, Who.SERVICE_PROVIDER),
    "该商户暂不支持通过外部拉起微信完成支付": (Link.ENVIRONMENT, Who.PAYER),
    "商家暂时没有此类交易权限，请联系商家客服": (Link.PRODUCT, Who.SUB_MERCHANT),
}
REFUSED = {
    ("PARAM_ERROR", "子商户mchid不能与自身mchid相同"): Link.SUB_MCHID,
    ("PARAM_ERROR", "受理机构必须传入sub_mch_id"): Link.SUB_MCHID,
    ("PARAM_ERROR", "http header中的mchid与post payload中的mchid不匹配"): Link.SP_MCHID,
    ("PARAM_ERROR", "appid和openid不匹配"): Link.OPENID,
    ("PARAM_ERROR", "sub_appid和sub_openid不匹配"): Link.OPENID,
    ("PARAM_ERROR", "输入源“/body/amount/total”映射到数值字段“总金额”规则校验失败"): Link.REQUEST,
    ("APPID_MCHID_NOT_MATCH", "sub_mch_id与sub_appid不匹配"): Link.SUB_APPID,
    ("APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配，请检查后再试"): Link.SP_APPID,
    ("MCH_NOT_EXISTS", "商户号不存在"): Link.SUB_MCHID,
    ("NO_AUTH", "受理关系不存在"): Link.SUB_MCHID,
    ("NO_AUTH", "特约子商户商户号未授权服务商的产品权限"): Link.PRODUCT,
    ("NO_AUTH", "该产品授权已被解除"): Link.PRODUCT,
    ("NO_AUTH", "特约商户未授权服务商的API退款权限，请在商户平台授权后重试"): Link.PRODUCT,
    ("NO_AUTH", "此商家的收款功能已被限制，暂无法支付"): Link.RISK_CONTROL,
    ("SIGN_ERROR", "商户证书序列号有误"): Link.KEYS,
    (
        "SIGN_ERROR",
        "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟",
    ): Link.CLOCK,
    ("NOT_ENOUGH", "基本账户余额不足"): Link.BALANCE,
    ("RULE_LIMIT", ""): Link.RISK_CONTROL,
    ("STATEMENT_CREATING", ""): Link.BILL,
}


@pytest.mark.parametrize(("text", "told"), SEEN_BY_PAYERS.items())
def test_what_a_payer_reads_names_the_link_and_who_mends_it(
    text: str, told: tuple[Link, Who]
) -> None:
    finding = explain(message=text)

    assert (finding.link, finding.who) == told


@pytest.mark.parametrize(("refusal", "link"), REFUSED.items())
def test_a_refusal_names_the_link(refusal: tuple[str, str], link: Link) -> None:
    code, message = refusal

    finding = explain_refusal(Refused(status=403, code=code, message=message))

    assert finding.link is link


@pytest.mark.parametrize(
    ("number", "link"), [("10003", Link.OAUTH_DOMAIN), ("10005", Link.OAUTH_DOMAIN)]
)
def test_a_number_of_oauth_is_a_code_like_any_other(number: str, link: Link) -> None:
    assert explain(code=number).link is link


@pytest.mark.parametrize(
    "spelling",
    ["FREQUENCY_LIMITED", "RATELIMIT_EXCEEDED", "FREQENCY_LIMIT", "FREQUENCY_LIMIT_EXCEED"],
)
def test_every_spelling_of_a_code_is_the_same_finding(spelling: str) -> None:
    assert explain(code=spelling).name == "too_fast"


def test_the_number_of_the_request_id_says_more_than_the_code() -> None:
    finding = explain(code="NO_AUTH", message="no words known", request_id="08ABCDEF-268443701")

    assert finding.name == "relation_missing"


def test_the_number_of_an_illegal_parameter_says_less_than_the_code() -> None:
    finding = explain(code="USER_ACCOUNT_ABNORMAL", request_id="08ABCDEF-268435461")

    assert finding.link is Link.PAYER


def test_what_no_table_knows_is_not_guessed_at() -> None:
    finding = explain(code="SOMETHING_NEW", message="新的错误", request_id="oddly-shaped-")

    assert (finding.name, finding.who) == ("not_known", Who.WECHATPAY_SUPPORT)


def test_a_failing_server_is_wechat_pays_own_trouble() -> None:
    assert explain(code="", status=502).name == "wechatpay_in_trouble"


def test_a_row_says_everything_in_both_languages() -> None:
    rows = [known.finding for known in TABLE]

    told = [words for row in rows for words in (row.missing, row.where, row.how_long)]
    assert all(words.zh.strip() and words.en.strip() for words in told)
    assert all(row.missing.zh.endswith("。") and row.missing.en.endswith(".") for row in rows)
    assert {words.zh == words.en for words in (row.missing for row in rows)} == {False}


def test_no_row_hides_another() -> None:
    names = Counter(known.finding.name for known in TABLE)
    codes = Counter(code for known in TABLE for code in known.codes)
    numbers = Counter(number for known in TABLE for number in known.numbers)

    for counted in (names, codes, numbers):
        assert [one for one, times in counted.items() if times > 1] == []
    assert [code for code in codes if canonical_code(code) != code] == []
    assert [
        (text, explain(message=text).name)
        for known in TABLE
        for text in known.texts
        if explain(message=text) is not known.finding
    ] == []


def test_an_api_answer_carries_five_words_of_it() -> None:
    shown = explain(code="NO_AUTH").as_dict()

    assert shown == {
        "link": "product",
        "missing": "The product is not opened or not authorised: the service provider asks for it, "
        "then the sub-merchant agrees.",
        "who": "sub_merchant",
        "where": "服务商平台 → 产品中心 → 特约商户授权产品 asks for it; 商户平台 → 产品中心 → "
        "我的授权产品 is where the sub-merchant agrees",
        "how_long": "about 7 working days of review; about 10 minutes once authorised",
    }
    assert "微信支付" not in shown["missing"]
    assert explain(code="NO_AUTH").as_dict("zh_Hans_CN")["missing"].startswith("该支付产品未开通")
