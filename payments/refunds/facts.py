"""What WeChat Pay says of a refund, read for our books: whose it is, and what only they know."""

from __future__ import annotations

from typing import Any

from partner.wechatpay.resources.refunds import Refund as Told
from payments.numbers import is_plain
from payments.orders.confirm import Check

_LONGEST_RECEIVER = 64


def numbers_are_plain(told: Told) -> bool:
    """Whether none of its numbers holds a blank or anything else that a number does not."""
    names = (told.out_refund_no, told.out_trade_no, told.transaction_id, told.refund_id)
    return all(map(is_plain, names))


def merchant_checks(sp_mchid: str, sub_mchid: str, told: Told) -> list[Check]:
    """Whose refund it is. What names an `mchid` only must mean one of the two."""
    named = (("sp_mchid", sp_mchid, told.sp_mchid), ("sub_mchid", sub_mchid, told.sub_mchid))
    checks = [
        Check(field, ours, theirs)
        for field, ours, theirs in named
        if theirs is not None or told.mchid is None
    ]
    if told.mchid is not None:
        checks.append(Check("mchid", True, told.mchid in (sp_mchid, sub_mchid)))
    return checks


def facts_of(told: Told) -> dict[str, Any]:
    """What only WeChat Pay knows of a refund, in the words of our columns."""
    receiver = told.user_received_account
    return {
        "status": told.status,
        "refund_id": told.refund_id,
        "payer_refund_fen": told.payer_refund_fen,
        "received_by": receiver and receiver[:_LONGEST_RECEIVER],  # it is only shown
        "succeeded_at": told.success_time if told.status == "SUCCESS" else None,
    }
