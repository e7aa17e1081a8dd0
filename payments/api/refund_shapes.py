"""Refunds as the API takes and shows them: what a request may hold, what an answer does."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from payments.api.answers import Fen
from payments.api.fields import (
    Amount,
    Currency,
    MerchantOrderNo,
    Moment,
    OutRefundNo,
    Reason,
    public_id,
)
from payments.api.schemas import PageQuery, Path, Payload
from payments.refunds.models import RefundOrigin, RefundState, Waiting

REFUND_EXAMPLE: dict[str, Any] = {
    "id": "re_01krz5m8d2q7v5w0c4n6t9b1ze",
    "object": "refund",
    "merchant_refund_no": "R-20260502-0001",
    "order_id": "ord_01krx3m8d2q7v5w0c4n6t9b1ze",
    "out_refund_no": "R20260502x7k2m9q4w8c3v6n1t5bz",
    "refund_id": "50300000002026050200000000001",
    "out_trade_no": "T20260501x7k2m9q4w8c3v6n1t5bz",
    "transaction_id": "4200000000202605010000000001",
    "origin": "HERE",
    "state": "PROCESSING",
    "status": "PROCESSING",
    "waiting": None,
    "amount_fen": 800,
    "currency": "CNY",
    "payer_refund_fen": 800,
    "reason": "One cup returned",
    "last_refusal": None,
    "succeeded_at": None,
    "closed_at": None,
    "created_at": "2026-05-02T04:00:00Z",
}


class RefundPayload(Payload):
    """Money to be given back."""

    model_config = ConfigDict(
        title="RefundRequest",
        json_schema_extra={
            "examples": [
                {
                    "order_id": "ord_01krx3m8d2q7v5w0c4n6t9b1ze",
                    "merchant_refund_no": "R-20260502-0001",
                    "amount_fen": 800,
                    "reason": "One cup returned",
                }
            ]
        },
    )

    order_id: Annotated[str, public_id("ord")] = Field(description="One of your paid orders.")
    merchant_refund_no: MerchantOrderNo = Field(
        description="Your own number for the refund; unique among your refunds. It names this "
        "refund for ever: another one needs another number."
    )
    amount_fen: Amount = Field(
        description="What goes back, in fen: all of the order, or a part of what is left."
    )
    currency: Currency | None = Field(None, description="The order's own when left out.")
    reason: Reason | None = Field(
        None, description="What the payer reads. At most 80 bytes in UTF-8."
    )


class FindPayload(Payload):
    """Which refund to look for at WeChat Pay."""

    model_config = ConfigDict(
        title="FindRefundRequest",
        json_schema_extra={"examples": [{"out_refund_no": "50000000382019052709732678859"}]},
    )

    out_refund_no: OutRefundNo = Field(
        description="The number WeChat Pay has the refund under: 商户退款单号 in its merchant "
        "platform and on its bill."
    )


class RefundPath(Path):
    """Which refund."""

    absent = "There is no such refund."

    refund_id: Annotated[str, public_id("re")]


class RefundQuery(PageQuery):
    """Which refunds to list."""

    merchant_refund_no: OutRefundNo | None = None
    out_refund_no: OutRefundNo | None = None
    order_id: Annotated[str, public_id("ord")] | None = None
    state: RefundState | None = None
    created_after: Moment | None = Field(None, description="Created at this moment or later.")
    created_before: Moment | None = Field(None, description="Created before this moment.")


class Refund(BaseModel):
    """A refund as it stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [REFUND_EXAMPLE]})

    id: str
    object: Literal["refund"]
    merchant_refund_no: str = Field(description="Your own number.")
    order_id: str
    out_refund_no: str = Field(
        description="The platform's number, as WeChat Pay and bills have it."
    )
    refund_id: str | None = Field(description="WeChat Pay's number, once it was accepted.")
    out_trade_no: str
    transaction_id: str | None
    origin: RefundOrigin = Field(description="`ELSEWHERE`: in the merchant platform, for instance.")
    state: RefundState
    status: str | None = Field(description="WeChat Pay's own word.")
    waiting: Waiting | None = Field(description="What a `REQUESTED` refund waits for.")
    amount_fen: Fen
    currency: str
    payer_refund_fen: Fen | None = Field(
        description="What the payer gets; less where coupons paid a part. In fen."
    )
    reason: str | None
    last_refusal: dict[str, Any] | None = Field(
        description="WeChat Pay's last no in `wechatpay`, and what to mend in `finding`, while "
        "the refund waits or is closed."
    )
    succeeded_at: datetime | None = Field(description="When the payer got the money.")
    closed_at: datetime | None = Field(description="When it was certain that nothing goes back.")
    created_at: datetime


class RefundPage(BaseModel):
    """A stretch of the list, newest first."""

    data: list[Refund]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next stretch.")
