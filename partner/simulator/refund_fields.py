"""What a refund's requests may contain (payments: "Refunds").

Neither `sp_mchid` nor `attach` belongs here: whatever the tables do not name is refused.
"""

from __future__ import annotations

import re
from typing import Any, Final

from partner.simulator.fields import Integer, List, Object, Text, parse_body
from partner.simulator.order_fields import MAX_TOTAL_FEN, MCHID, NOTIFY_URL, OUT_TRADE_NO
from partner.simulator.refusals import param_error

MAX_GOODS: Final = 6000
OUT_REFUND_NO: Final = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
DEBIT_BANKS: Final = frozenset(
    f"{bank}_DEBIT"
    for bank in (
        *("CMB", "COMM", "ABC", "CCB", "ICBC", "BOC", "PAB", "SPDB"),
        *("CITIC", "CEB", "CMBC", "CIB", "GDB", "PSBC", "NBCB"),
    )
)
TO_PAYERS_CARD: Final = "USER_BANK_CARD"
TO_MERCHANTS_CARD: Final = "MERCHANT_BANK_CARD"

_FROM = Object(
    {
        "account": Text(32, choices=frozenset({"AVAILABLE", "UNAVAILABLE"}), required=True),
        "amount": Integer(1, MAX_TOTAL_FEN, required=True),
    }
)
_GOODS = Object(
    {
        "merchant_goods_id": Text(32, required=True),
        "wechatpay_goods_id": Text(32),
        "goods_name": Text(256),
        "unit_price": Integer(0, MAX_TOTAL_FEN, required=True),
        "refund_amount": Integer(0, MAX_TOTAL_FEN, required=True),
        "refund_quantity": Integer(1, 10**9, required=True),
    }
)
_APPLICATION = Object(
    {
        "sub_mchid": Text(32, pattern=MCHID, required=True),
        "transaction_id": Text(32),
        "out_trade_no": Text(32, shortest=6, pattern=OUT_TRADE_NO),
        "out_refund_no": Text(64, pattern=OUT_REFUND_NO, required=True),
        "reason": Text(80),
        "notify_url": Text(256, pattern=NOTIFY_URL),
        "funds_account": Text(32, choices=frozenset({"AVAILABLE", "UNSETTLED"})),
        "amount": Object(
            {
                "refund": Integer(1, MAX_TOTAL_FEN, required=True),
                "total": Integer(1, MAX_TOTAL_FEN, required=True),
                "currency": Text(16, choices=frozenset({"CNY"}), required=True),
                "from": List(_FROM, longest=2),
            },
            required=True,
        ),
        "goods_detail": List(_GOODS, longest=MAX_GOODS),
    }
)
_ABNORMAL = Object(
    {
        "sub_mchid": Text(32, pattern=MCHID, required=True),
        "out_refund_no": Text(64, pattern=OUT_REFUND_NO, required=True),
        "type": Text(32, choices=frozenset({TO_PAYERS_CARD, TO_MERCHANTS_CARD}), required=True),
        "bank_type": Text(16, choices=DEBIT_BANKS),
        "bank_account": Text(1024),
        "real_name": Text(1024),
    }
)


def read_application(raw: bytes) -> dict[str, Any]:
    """The body of a refund; PARAM_ERROR for what is wrong with it by itself."""
    body = parse_body(raw, _APPLICATION)
    if "transaction_id" not in body and "out_trade_no" not in body:
        message = "transaction_id和out_trade_no必须二选一进行传递"
        raise param_error(message, field="/transaction_id")
    shares = body["amount"].get("from", [])
    if shares:
        if len({one["account"] for one in shares}) != len(shares):
            raise param_error("出资账户类型不能重复", field="/amount/from", value=shares)
        if sum(one["amount"] for one in shares) != body["amount"]["refund"]:
            raise param_error("出资金额之和须等于退款金额", field="/amount/from", value=shares)
    goods = [one["merchant_goods_id"] for one in body.get("goods_detail", [])]
    if len(set(goods)) != len(goods):
        raise param_error("退款商品不能重复", field="/goods_detail")
    return body


def read_abnormal(raw: bytes) -> dict[str, Any]:
    """The body that applies for an abnormal refund; a payer's card needs all its three fields."""
    body = parse_body(raw, _ABNORMAL)
    if body["type"] == TO_PAYERS_CARD:
        for name in ("bank_type", "bank_account", "real_name"):
            if name not in body:
                issue = "为必填项，不能缺少"
                message = f"输入源“/body/{name}”{issue}"
                raise param_error(message, field=f"/{name}", issue=issue)
    return body
