"""The rows of a trade bill, made from the ledger (bills: "Field semantics").

A payment, a refund, a reversal of a payment code: three kinds of row, told apart by 交易状态 for
ever. Amounts are in fen here; the file's form is `bill_file`'s part.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from partner.simulator.bill_file import BillRow, clean, fee_fen, percent
from partner.simulator.clock import BEIJING
from partner.simulator.ledger import Order
from partner.simulator.merchants import DEFAULT_FEE_RATE_PPM, Provider
from partner.simulator.refund_book import SUCCESS, Refund

NO_REFUND: Final = {"微信退款单号": "0", "商户退款单号": "0"}


def payment_row(order: Order, provider: Provider) -> BillRow:
    """What was paid, at the moment of success."""
    coupons: list[dict[str, Any]] = json.loads(order.promotion) if order.promotion else []
    texts = _order_texts(order, provider, "SUCCESS", order.success_at or 0) | NO_REFUND
    money = {
        "应结订单金额": order.settled,
        "代金券金额": sum(one["amount"] for one in coupons),
        "手续费": fee_fen(order.settled, _rate_ppm(order, provider)),
        "订单金额": order.total,
    }
    return BillRow(texts, money)


def refund_row(refund: Refund, order: Order, provider: Provider) -> BillRow:
    """What was asked back, at the moment it was accepted; its state as it was first billed."""
    status = refund.billed_status or refund.status
    is_settled = status == SUCCESS and refund.success_at is not None
    texts = _order_texts(order, provider, "REFUND", refund.created_at) | {
        "退款申请时间": _time(refund.created_at),
        "退款成功时间": _time(refund.success_at or 0) if is_settled else "",
        "微信退款单号": refund.refund_id,
        "商户退款单号": refund.out_refund_no,
        "退款类型": refund.channel,
        "退款状态": status,
    }
    money = {
        "退款金额": refund.settlement_refund,
        "充值券退款金额": sum(
            one["refund_amount"] for one in refund.promotion if one["type"] == "COUPON"
        ),
        "手续费": -refund.refund_fee,
        "申请退款金额": refund.refund,
    }
    return BillRow(texts, money)


def reversal_row(order: Order, reversed_at: float, provider: Provider) -> BillRow:
    """A paid payment code that was taken back whole."""
    texts = _order_texts(order, provider, "REVOKED", reversed_at) | NO_REFUND
    money = {
        "退款金额": order.settled,
        "手续费": -fee_fen(order.settled, _rate_ppm(order, provider)),
        "申请退款金额": order.total,
    }
    return BillRow(texts, money)


def _order_texts(order: Order, provider: Provider, kind: str, at: float) -> dict[str, str]:
    """What rows of every kind say of their order."""
    return {
        "交易时间": _time(at),
        "公众账号ID": order.sp_appid,
        "商户号": order.sp_mchid,
        "特约商户号": order.sub_mchid,
        "设备号": order.device_id or "",
        "微信订单号": order.transaction_id or "",
        "商户订单号": order.out_trade_no,
        "用户标识": order.sp_openid or "",
        "交易类型": order.trade_type,
        "交易状态": kind,
        "付款银行": order.bank_type or "",
        "货币种类": order.currency,
        "商品名称": clean(order.description),
        "商户数据包": clean(order.attach or ""),
        "费率": percent(_rate_ppm(order, provider)),
    }


def _rate_ppm(order: Order, provider: Provider) -> int:
    sub = provider.sub_merchants.get(order.sub_mchid)
    return sub.fee_rate_ppm if sub else DEFAULT_FEE_RATE_PPM


def _time(at: float) -> str:
    return f"{datetime.fromtimestamp(at, BEIJING):%Y-%m-%d %H:%M:%S}"
