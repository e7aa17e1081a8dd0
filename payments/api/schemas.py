"""What requests may hold: every field listed, with what it means; others are refused.

These models check requests and describe them in the API's document: there is no second list.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from payments.api.fields import (
    Amount,
    Appid,
    AreaCode,
    Currency,
    Cursor,
    Day,
    GoodsId,
    IpAddress,
    Limit,
    MerchantOrderNo,
    Moment,
    Openid,
    OutTradeNo,
    PageUrl,
    Price,
    Quantity,
    ShortText,
    Text32,
    Text256,
    Text512,
    TradeTypeName,
    public_id,
)
from payments.orders.models import OrderState
from payments.reconciliation.models import DiscrepancyState

DEFAULT_PAGE = 20
MAX_GOODS = 100
MAX_DETAIL_BYTES = 6_144  # of `detail` as compact JSON; WeChat Pay's own limit


class Payload(BaseModel):
    """A part of a request; what is not listed is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Goods(Payload):
    """One line of the receipt, for coupons on single goods."""

    merchant_goods_id: GoodsId
    wechatpay_goods_id: GoodsId | None = None
    goods_name: Text256 | None = None
    quantity: Quantity
    unit_price: Price = Field(description="In fen.")


class OrderDetail(Payload):
    """What is bought. Prices are fen, and none of them changes what is charged."""

    cost_price: Price | None = Field(None, description="The price before discounts, in fen.")
    invoice_id: Text32 | None = None
    goods_detail: list[Goods] | None = Field(None, min_length=1, max_length=MAX_GOODS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.model_dump_json(exclude_none=True).encode()) > MAX_DETAIL_BYTES:
            raise PydanticCustomError(
                "too_much_detail",
                "detail should have at most {limit} bytes as JSON",
                {"limit": MAX_DETAIL_BYTES},
            )
        return self


class StoreInfo(Payload):
    """The shop the payer stands in."""

    id: Text32
    name: Text256 | None = None
    area_code: AreaCode | None = Field(None, description="Six digits: the administrative code.")
    address: Text512 | None = None


class SceneInfo(Payload):
    """Where the payment happens."""

    payer_client_ip: IpAddress = Field(description="The payer's own address, not your server's.")
    device_id: Text32 | None = None
    store_info: StoreInfo | None = None


def _one_openid_at_least(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [
        {"required": [name], "properties": {name: {"type": "string"}}}
        for name in ("sp_openid", "sub_openid")
    ]


class Payer(Payload):
    """Who pays: an openid of the service provider's appid, or of yours."""

    model_config = ConfigDict(json_schema_extra=_one_openid_at_least)

    sp_openid: Openid | None = Field(None, description="The payer under the provider's appid.")
    sub_openid: Openid | None = Field(None, description="The payer under `sub_appid`.")

    @model_validator(mode="after")
    def _somebody_pays(self) -> Self:
        if self.sp_openid is None and self.sub_openid is None:
            raise PydanticCustomError("no_payer", "Send sp_openid or sub_openid")
        return self


class OrderPayload(Payload):
    """An order to be placed."""

    model_config = ConfigDict(
        title="OrderRequest",
        json_schema_extra={
            "examples": [
                {
                    "merchant_order_no": "A-20260501-0001",
                    "description": "Corner Tea–Oolong",
                    "amount_fen": 2800,
                    "payer": {"sub_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
                }
            ]
        },
    )

    merchant_order_no: MerchantOrderNo = Field(
        description="Your own number for the order; unique among your orders."
    )
    description: ShortText = Field(
        description="What the payer reads. At most 127 bytes in UTF-8, where a Chinese character "
        "takes three: WeChat Pay says 127 without naming the unit."
    )
    amount_fen: Amount = Field(description="What is charged, in fen: 2800 is 28.00 yuan.")
    currency: Currency | None = Field(None, description="The account's own when left out.")
    trade_type: TradeTypeName = Field(
        "JSAPI",
        description="How the payer reaches the cashier.",
        json_schema_extra={"enum": ["JSAPI"]},
    )
    payer: Payer
    sub_appid: Appid | None = Field(
        None, description="One of your bound appids; the default binding when left out."
    )
    page_url: PageUrl | None = Field(
        None,
        description="The page that will open the cashier. When given, the order is refused unless "
        "a payment directory in force covers the page.",
    )
    expires_at: Moment | None = Field(
        None, description="The payer's last moment, from one minute to seven days from now."
    )
    attach: ShortText | None = Field(
        None, description="Comes back with the order. At most 127 bytes in UTF-8."
    )
    goods_tag: Text32 | None = Field(None, description="A coupon tag of WeChat Pay's.")
    detail: OrderDetail | None = None
    scene_info: SceneInfo | None = None
    profit_sharing: StrictBool | None = Field(
        None, description="Whether the money is frozen until it has been divided."
    )


class Path(Payload):
    """Which thing an address names; `absent` is said when there is none."""

    absent: ClassVar[str]


class OrderPath(Path):
    """Which order."""

    absent = "There is no such order."

    order_id: Annotated[str, public_id("ord")]


_CURSOR_MEANING = "`next_cursor` of the page before; leave it out for the first page."


class PageQuery(Payload):
    """Which stretch of a list."""

    limit: Limit = Field(DEFAULT_PAGE, description="How many to answer, 100 at most.")
    cursor: Cursor | None = Field(None, description=_CURSOR_MEANING)


class OrderQuery(PageQuery):
    """Which orders to list."""

    merchant_order_no: MerchantOrderNo | None = None
    out_trade_no: OutTradeNo | None = None
    state: OrderState | None = None
    created_after: Moment | None = Field(None, description="Created at this moment or later.")
    created_before: Moment | None = Field(None, description="Created before this moment.")


class DayPath(Path):
    """Which Beijing day."""

    absent = "There is no bill of that day."

    date: Day


class DayQuery(PageQuery):
    """Which Beijing day, when only one is wanted."""

    date: Day | None = Field(None, description="A Beijing day, such as 2026-05-01.")


class DiscrepancyQuery(PageQuery):
    """Which differences to list."""

    cursor: Annotated[str, public_id("dis")] | None = Field(None, description=_CURSOR_MEANING)
    state: DiscrepancyState | None = None


class ReconciliationPath(Path):
    """Which reconciliation."""

    absent = "There is no such reconciliation."

    reconciliation_id: Annotated[str, public_id("rec")]


class PageUrlQuery(Payload):
    """Which page is meant."""

    url: PageUrl = Field(description="The page that will open the cashier.")
