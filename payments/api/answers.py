"""The shapes of answers, for the API's document. Presenters make the answers themselves.

Fields may be added to an answer at any time, so a shape never says that there are no others. That
presenters and shapes name the same fields is held together by a test.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from payments.api.pay_params import PAY_PARAMS_EXAMPLE, AnyPayParams
from payments.bills.models import TradeBillState
from payments.orders.models import OrderState, TradeType
from payments.reconciliation.models import (
    DiscrepancyKind,
    DiscrepancyState,
    ReconciliationState,
)

ORDER_EXAMPLE: dict[str, Any] = {
    "id": "ord_01krx3m8d2q7v5w0c4n6t9b1ze",
    "object": "order",
    "merchant_order_no": "A-20260501-0001",
    "out_trade_no": "T20260501x7k2m9q4w8c3v6n1t5bz",
    "transaction_id": None,
    "sp_mchid": "1900000109",
    "sub_mchid": "1900000209",
    "sp_appid": "wx8888888888888888",
    "sub_appid": "wxd678efh567hg6999",
    "trade_type": "JSAPI",
    "state": "PENDING",
    "trade_state": "NOTPAY",
    "description": "Corner Tea–Oolong",
    "amount_fen": 2800,
    "currency": "CNY",
    "payer_total_fen": None,
    "refunded_fen": 0,
    "payer": {"sub_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
    "attach": None,
    "expires_at": "2026-05-02T04:00:00Z",
    "paid_at": None,
    "closed_at": None,
    "created_at": "2026-05-01T04:00:00Z",
    "last_refusal": None,
}

Fen = Annotated[int, Field(ge=0, description="In fen.")]


class Error(BaseModel):
    """A refusal. Programs look at `code`, people read `message`."""

    code: str = Field(description="Stable; never changes its meaning.")
    message: str = Field(description="For people: what is wrong and what to do next.")
    detail: dict[str, Any] = Field(
        description="Names the `field`, each of several in `fields`; what WeChat Pay said stands"
        " in `wechatpay`, and in `finding` which link is missing, who mends it and where."
    )
    request_id: str = Field(description="The same as in the header Request-ID.")


class OrderPayer(BaseModel):
    """Who pays."""

    sp_openid: str | None = None
    sub_openid: str | None = None


class Order(BaseModel):
    """An order as it stands."""

    model_config = ConfigDict(json_schema_extra={"examples": [ORDER_EXAMPLE]})

    id: str
    object: Literal["order"]
    merchant_order_no: str = Field(description="Your own number.")
    out_trade_no: str = Field(description="The platform's number, as WeChat Pay and bills have it.")
    transaction_id: str | None = Field(description="WeChat Pay's number, once it is paid.")
    sp_mchid: str
    sub_mchid: str
    sp_appid: str
    sub_appid: str | None
    trade_type: TradeType
    state: OrderState
    trade_state: str | None = Field(description="WeChat Pay's own word.")
    description: str
    amount_fen: Fen
    currency: str
    payer_total_fen: Fen | None = Field(description="What the payer paid after coupons, in fen.")
    refunded_fen: Fen
    payer: OrderPayer
    attach: str | None
    expires_at: datetime
    paid_at: datetime | None
    closed_at: datetime | None
    created_at: datetime
    last_refusal: dict[str, Any] | None = Field(
        description="While WeChat Pay's last no stands: its words in `wechatpay`, and what to "
        "mend in `finding`."
    )


class PlacedOrder(Order):
    """An order with what brings the payer to the cashier.

    Without it once the order is paid, closed or expired, and for a payment by code.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{**ORDER_EXAMPLE, "pay_params": PAY_PARAMS_EXAMPLE}]}
    )

    pay_params: AnyPayParams | None = None


class OrderPage(BaseModel):
    """A stretch of the list, newest first."""

    data: list[Order]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next stretch.")


class Bill(BaseModel):
    """What WeChat Pay booked for you on one Beijing day."""

    id: str
    object: Literal["bill"]
    bill_date: date
    bill_type: str
    state: TradeBillState
    row_count: int
    order_fen: Fen
    settled_fen: Fen = Field(description="What was settled to you, in fen.")
    requested_refund_fen: Fen
    refund_fen: Fen
    fee_yuan: str = Field(description="In yuan with five decimals, as WeChat Pay counts fees.")
    ready_at: datetime | None
    download_path: str | None = Field(description="Where the file is; null while there is none.")


class BillPage(BaseModel):
    """A stretch of the list, newest day first."""

    data: list[Bill]
    next_cursor: str | None


class Side(BaseModel):
    """One side of a day: how many entries, and payments less refunds."""

    count: int
    amount_fen: int = Field(description="In fen; below zero when more was refunded than paid.")


class Reconciliation(BaseModel):
    """How one day compared."""

    id: str
    object: Literal["reconciliation"]
    bill_date: date
    bill_type: str
    state: ReconciliationState
    matched: int = Field(description="How many entries agree to the fen.")
    ours: Side
    theirs: Side
    open_discrepancies: int
    started_at: datetime | None
    finished_at: datetime | None


class ReconciliationPage(BaseModel):
    """A stretch of the list, newest day first."""

    data: list[Reconciliation]
    next_cursor: str | None


class Discrepancy(BaseModel):
    """One difference, with both sides as they were found; a side that does not exist is null."""

    id: str
    object: Literal["discrepancy"]
    reconciliation_id: str
    kind: DiscrepancyKind
    state: DiscrepancyState
    out_trade_no: str | None
    transaction_id: str | None
    ours: dict[str, Any] | None
    theirs: dict[str, Any] | None
    explanation: str
    decision: str | None = Field(description="What a person decided about it.")
    handled_at: datetime | None
    created_at: datetime


class DiscrepancyPage(BaseModel):
    """A stretch of the list, in the order of finding."""

    data: list[Discrepancy]
    next_cursor: str | None


class PaymentDirectory(BaseModel):
    """A payment directory in use for you."""

    object: Literal["payment_directory"]
    url: str
    level: Literal["provider", "sub_merchant"] = Field(description="Whose directory it is.")
    set_at: datetime
    in_force_at: datetime = Field(description="WeChat Pay heeds it from this moment on.")


class PaymentDirectoryPage(BaseModel):
    """All directories in use for you; they fit one page."""

    data: list[PaymentDirectory]
    next_cursor: None


class DirectoryToEnter(BaseModel):
    """A payment directory as it would be entered at WeChat Pay, letter for letter."""

    url: str
    covers: str


class PaymentDirectoryVerdict(BaseModel):
    """Whether a page may open the cashier."""

    covered: bool
    directory: str | None = Field(description="The covering directory, or else the nearest miss.")
    level: Literal["provider", "sub_merchant"] | None
    in_force_at: datetime | None
    reason: str | None = Field(description="Why not, as a word.")
    explanation: str = Field(description="Why, or why not, for people.")
    page_directory: str | None = Field(description="The directory the page lives in.")
    notes: list[str] = Field(description="What is easily overlooked about this address.")
    to_enter: list[DirectoryToEnter] = Field(
        description="What would make it work, on either level; empty when nothing is to be entered."
    )
    entries_left: dict[Literal["provider", "sub_merchant"], int] = Field(
        description="How many of the five entries of each level are free."
    )
