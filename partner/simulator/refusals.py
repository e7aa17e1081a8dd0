"""How WeChat Pay says no: status, code, text, and the internal number at the end of the Request-ID.

SDKs branch on `code`; people read `message`; WeChat's support reads the number. Texts are those the
documentation and its trouble-shooting pages give for partners.
"""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An error answer, ready to be sent. Errors are never signed."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        number: int = 268435461,
        detail: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.number = number
        self.detail = detail

    def as_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            body["detail"] = self.detail
        return body


def param_error(
    message: str,
    *,
    field: str | None = None,
    value: Any = None,
    issue: str | None = None,
    location: str = "body",
    number: int = 268435461,
) -> Refusal:
    """PARAM_ERROR; with `field` (a JSON Pointer in bodies, the bare name elsewhere) it carries a
    detail."""
    if field is None:
        return Refusal(400, "PARAM_ERROR", message, number=number)
    detail = {"field": field, "value": value, "issue": issue or message, "location": location}
    return Refusal(400, "PARAM_ERROR", message, number=number, detail=detail)


def invalid_request(message: str, number: int = 268435461) -> Refusal:
    return Refusal(400, "INVALID_REQUEST", message, number=number)


def sign_error(message: str, detail: dict[str, Any] | None = None) -> Refusal:
    return Refusal(401, "SIGN_ERROR", message, number=268443699, detail=detail)


def no_auth(message: str, number: int = 268443701) -> Refusal:
    return Refusal(403, "NO_AUTH", message, number=number)


def appid_mismatch(message: str) -> Refusal:
    return Refusal(400, "APPID_MCHID_NOT_MATCH", message, number=268445527)


def merchant_unknown() -> Refusal:
    return Refusal(400, "MCH_NOT_EXISTS", "商户号不存在，请检查商户号是否正确", number=268443715)


def order_unknown() -> Refusal:
    return Refusal(404, "ORDER_NOT_EXIST", "订单不存在", number=268512771)


def order_paid() -> Refusal:
    return Refusal(400, "ORDER_PAID", "该订单已支付", number=268449538)


def order_closed() -> Refusal:
    return Refusal(400, "ORDER_CLOSED", "该订单已关闭，请更换商户订单号重新下单", number=268447914)


def order_expired() -> Refusal:
    return invalid_request("该订单已过支付截止时间，请更换商户订单号重新下单", number=268447914)


def number_used() -> Refusal:
    message = "商户订单号重复：请求重入时，参数与首次请求时不一致"
    return Refusal(403, "OUT_TRADE_NO_USED", message, number=268498688)


def only_reversible() -> Refusal:
    message = "付款码支付订单不支持调用关单接口，请使用撤销接口"
    return invalid_request(message, number=268449641)


def foreign_order() -> Refusal:
    return param_error("子商户号和订单信息不匹配", number=268447845)


def header_mchid_mismatch() -> Refusal:
    message = "http header中的mchid与post payload中的mchid不匹配"
    return param_error(message, number=268447843)


def no_platform_certificate() -> Refusal:
    message = "无可用的平台证书，请在商户平台-API安全申请使用微信支付公钥"
    return Refusal(404, "RESOURCE_NOT_EXISTS", message)
