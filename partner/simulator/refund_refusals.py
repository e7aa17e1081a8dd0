"""How WeChat Pay says no to a refund (payments: "Refunds", "Errors").

Two differ from ordering on purpose: an unknown merchant is 404 here, and so is an order that was
never paid.
"""

from __future__ import annotations

from partner.simulator.refusals import Refusal, invalid_request


def merchant_unknown() -> Refusal:
    return Refusal(404, "MCH_NOT_EXISTS", "商户号不存在，请检查商户号是否正确", number=268443715)


def order_unknown_or_unpaid() -> Refusal:
    message = "订单不存在或未支付，请检查订单号是否正确"
    return Refusal(404, "RESOURCE_NOT_EXISTS", message, number=268512771)


def refund_unknown() -> Refusal:
    return Refusal(404, "RESOURCE_NOT_EXISTS", "退款单不存在", number=268512771)


def permission_missing() -> Refusal:
    message = "特约商户未授权服务商的API退款权限，请在商户平台授权后重试"
    return Refusal(403, "NO_AUTH", message, number=268443701)


def not_enough() -> Refusal:
    message = "基本账户余额不足，请充值后使用原商户退款单号重新发起"
    return Refusal(403, "NOT_ENOUGH", message, number=268451840)


def payer_account_abnormal() -> Refusal:
    return Refusal(403, "USER_ACCOUNT_ABNORMAL", "用户账户异常，请通过其他方式退款")


def other_parameters() -> Refusal:
    return invalid_request("商户退款单号重复：参数与首次请求时不一致，请核实后再试")


def other_total() -> Refusal:
    return invalid_request("订单金额或退款金额与之前请求不一致，请核实后再试")


def too_much() -> Refusal:
    return invalid_request("申请退款金额大于订单剩余可退金额")


def too_many() -> Refusal:
    return invalid_request("单笔订单的部分退款次数不能超过50次")


def too_late() -> Refusal:
    return invalid_request("订单支付成功已超过1年，不能发起退款")


def too_soon() -> Refusal:
    message = "同一订单的多次退款须间隔1分钟以上，请稍后再试"
    return Refusal(429, "FREQUENCY_LIMITED", message, number=268447840)


def too_fast() -> Refusal:
    message = "请求频率过高，请降低频率后重试"
    return Refusal(429, "FREQUENCY_LIMITED", message, number=268447840)
