"""What the API's document says of every route alike: its refusals, its tag, its key.

The table of refusals is also what the documentation page shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from flask_openapi.blueprint import APIBlueprint
from flask_openapi.models.tag import Tag

from payments.api.binding import KEY_HEADER, KEY_PATTERN
from payments.api.limits import check_rate

API_PREFIX = "/api/v1"
SECURITY_SCHEME = "apiKey"
ERROR_SCHEMA = "#/components/schemas/Error"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a status means here; the first of its codes is the example."""

    meaning: str
    codes: Mapping[str, str]  # code → what it says

    def told(self, look_up: Callable[[str], str] = str) -> str:
        """Meaning and codes in a line, in the language that `look_up` puts texts into."""
        codes = ", ".join(f"`{name}`" for name in self.codes)
        return look_up("%(meaning)s Codes: %(codes)s.") % {
            "meaning": look_up(self.meaning),
            "codes": codes,
        }


REFUSALS: Mapping[int, Refusal] = MappingProxyType(
    {
        400: Refusal(
            "Malformed. `detail.fields` names each field and what is wrong with it.",
            {
                "invalid_request": "Some fields are not acceptable. amount_fen: Input should be "
                "greater than or equal to 1."
            },
        ),
        401: Refusal(
            "No API key, or none that counts.",
            {"unauthorized": "The API key is missing or not valid."},
        ),
        403: Refusal(
            "The key is good and may not do this.",
            {
                "scope_missing": "This API key lacks the scope orders:write.",
                "address_not_allowed": "This API key may not be used from this address.",
                "suspended": "This sub-merchant is suspended: reading works.",
            },
        ),
        404: Refusal(
            "Absent, or another tenant's: the answer is the same.",
            {
                "not_found": "There is no such order.",
                "refund_unknown": "WeChat Pay knows no refund of this number for this "
                "sub-merchant.",
                "bill_not_available": "There is no bill of this day yet.",
            },
        ),
        409: Refusal(
            "Impossible beside what already stands.",
            {
                "order_conflict": "This merchant_order_no already names an order with other "
                "content. Repeat it unchanged, or use a new number.",
                "order_not_payable": "This order can no longer be paid.",
                "order_already_paid": "This order is paid and cannot be closed.",
                "order_only_reversible": "A payment by code is reversed, not closed.",
                "order_not_reversible": "Only a payment by code is reversed.",
                "no_pay_params": "A payment by code has no parameters.",
                "no_qr_code": "Only a NATIVE order has a QR code.",
                "checkout_link_conflict": "This merchant_order_no already names a link or an "
                "order with other content.",
                "checkout_link_paid": "This link is paid and cannot be cancelled.",
                "refund_conflict": "This merchant_refund_no already names a refund with other "
                "content.",
                "refund_exceeds_balance": "The refund is larger than what is left on the order.",
                "order_not_refundable": "Only a paid order can be refunded.",
                "too_many_refunds": "An order can be refunded in at most 50 parts.",
                "refund_too_late": "The order was paid more than 365 days ago.",
                "refund_of_no_order": "This refund is of a payment that was not placed here.",
                "refund_before_payment": "The order of this refund is PENDING here.",
                "refund_disagrees": "WeChat Pay's answer does not agree with our books.",
                "too_many_webhook_endpoints": "A sub-merchant has 10 webhook endpoints at most.",
                "webhook_secret_is_rolling": "The former secret still signs.",
                "webhook_endpoint_disabled": "This endpoint is disabled. Enable it first.",
                "no_webhook_endpoint": "No enabled endpoint takes events of this type.",
                "idempotency_in_progress": "A request with this Idempotency-Key is still at work.",
            },
        ),
        413: Refusal(
            "The body is larger than 64 KiB.",
            {"payload_too_large": "The request is larger than is accepted here."},
        ),
        415: Refusal(
            "The body is not JSON.",
            {"unsupported_media_type": "Send JSON with Content-Type: application/json."},
        ),
        422: Refusal(
            "Well-formed, and refused by a rule of the platform.",
            {
                "page_not_covered": "No payment directory in force covers this page.",
                "checkout_page_not_covered": "WeChat would not open its cashier on the checkout "
                "page.",
                "checkout_without_account": "Payers cannot become known: no app secret is set.",
                "sub_appid_not_bound": "payer.sub_openid needs a sub_appid that is bound.",
                "currency_not_settled": "This account settles in CNY only.",
                "expires_at_out_of_range": "expires_at must lie between one minute and seven days "
                "from now.",
                "sub_appid_of_another_kind": "An order of APP needs an appid of the kind APP.",
                "trade_type_not_supported": "There is no such way to pay here.",
                "fields_do_not_fit_trade_type": "These fields do not fit an order of NATIVE: "
                "payer.",
                "refund_currency_differs": "This order was paid in CNY.",
                "webhook_url_refused": "Webhooks cannot go there. The host's address is not a "
                "public one.",
                "idempotency_key_reused": "This Idempotency-Key was used for a request with other "
                "content.",
            },
        ),
        424: Refusal(
            "WeChat Pay refused; `detail.wechatpay` has its words, `detail.finding` says what is "
            "missing, who mends it and where. Nothing was charged.",
            {
                "wechatpay_refused": "WeChat Pay refused: appid和openid不匹配. Nothing was "
                "charged.",
                "payment_code_refused": "WeChat Pay did not take this payment: 余额不足. Nothing "
                "was charged and the order is closed.",
            },
        ),
        429: Refusal(
            "Too fast: wait for the seconds in `Retry-After`.",
            {
                "rate_limited": "This sub-merchant makes more than 6000 writes a minute.",
                "webhook_test_under_way": "A test event is on its way already.",
                "wechatpay_rate_limited": "WeChat Pay takes no more requests just now.",
                "refunds_too_fast": "Too many refunds were refused by WeChat Pay within seconds.",
            },
        ),
        500: Refusal(
            "A fault of ours; nothing of it is told. Quote the `request_id`.",
            {"internal_error": "Something failed on our side."},
        ),
        503: Refusal(
            "No answer that can be trusted, so the outcome is not known. Repeat the same request: "
            "the order keeps its number.",
            {
                "wechatpay_outcome_unknown": "WeChat Pay did not answer, so the outcome is not "
                "known yet.",
                "unavailable": "The database is busy. Nothing was lost; try again.",
            },
        ),
    }
)
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "Names this request, so that a repeat does nothing twice. Kept seven days.",
    "schema": {"type": "string", "pattern": KEY_PATTERN},
    "example": "A-20260501-0001",
}
_ALWAYS = (400, 401, 403, 429, 500, 503)


def refusals(*statuses: int) -> dict[str | int, Any]:
    """The documented refusals of a route: these, and those that every route has."""
    return {status: _described(status) for status in sorted({*statuses, *_ALWAYS})}


def tenant_blueprint(name: str, *, meaning: str) -> APIBlueprint:
    """A group of routes for tenants: behind an API key, counted, under one tag."""
    blueprint = APIBlueprint(
        f"api_{name.lower().replace(' ', '_')}",
        __name__,
        url_prefix=API_PREFIX,
        abp_tags=[Tag(name=name, description=meaning)],
        abp_security=[{SECURITY_SCHEME: []}],
        operation_id_callback=_view_name,
    )
    blueprint.before_request(check_rate)
    return blueprint


def _described(status: int) -> dict[str, Any]:
    refusal = REFUSALS[status]
    code, message = next(iter(refusal.codes.items()))
    example = {"code": code, "message": message, "detail": {}, "request_id": "req_01krx3m8d2q7v5"}
    return {
        "description": refusal.told(),
        "content": {"application/json": {"schema": {"$ref": ERROR_SCHEMA}, "example": example}},
    }


def _view_name(*, name: str, path: str, method: str) -> str:
    return name
