"""What an order to be placed may hold, whichever way it is to be paid.

What one way needs and another has no place for is not said here, but in `payments.orders.ways`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, StrictBool, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from payments.api.fields import (
    Amount,
    Appid,
    AreaCode,
    AuthCode,
    Currency,
    Description,
    GoodsId,
    IpAddress,
    MerchantOrderNo,
    Moment,
    Openid,
    PageUrl,
    Price,
    Quantity,
    ShortText,
    Text32,
    Text64,
    Text128,
    Text256,
    Text512,
    TradeTypeName,
    WebUrl,
)
from payments.api.schemas import Payload
from payments.errors import TradeTypeNotSupported
from payments.orders.models import TradeType

MAX_GOODS = 100
MAX_DETAIL_BYTES = 6_144  # of `detail` as compact JSON; WeChat Pay's own limit

# WeChat Pay calls some ways differently in its addresses; both words are taken.
_WAYS: Mapping[str, TradeType] = {
    **{each.value: each for each in TradeType},
    "H5": TradeType.MWEB,
    "CODEPAY": TradeType.MICROPAY,
}
_WORDS_OF_OTHER_WAYS = tuple(word for word in _WAYS if word != TradeType.JSAPI)
_TEA: dict[str, Any] = {
    "merchant_order_no": "A-20260501-0001",
    "description": "Corner Tea–Oolong",
    "amount_fen": 2800,
}


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


def _one_at_least(*names: str) -> Callable[[dict[str, Any]], None]:
    def say(schema: dict[str, Any]) -> None:
        schema["anyOf"] = [
            {"required": [name], "properties": {name: {"type": "string"}}} for name in names
        ]

    return say


class StoreInfo(Payload):
    """The shop the payer stands in."""

    model_config = ConfigDict(json_schema_extra=_one_at_least("id", "out_id"))

    id: Text32 | None = Field(None, description="WeChat Pay's number of the shop.")
    out_id: Text32 | None = Field(None, description="Your own number of it; MICROPAY only.")
    name: Text256 | None = None
    area_code: AreaCode | None = Field(None, description="Six digits: the administrative code.")
    address: Text512 | None = None

    @model_validator(mode="after")
    def _some_shop(self) -> Self:
        if self.id is None and self.out_id is None:
            raise PydanticCustomError("no_shop", "Send id or, in a MICROPAY order, out_id")
        return self


class H5Info(Payload):
    """What the payer's browser runs on; MWEB only."""

    type: Literal["Wap", "iOS", "Android"]
    app_name: Text64 | None = None
    app_url: Text128 | None = None
    bundle_id: Text128 | None = Field(None, description="Of an iOS app.")
    package_name: Text128 | None = Field(None, description="Of an Android app.")


class SceneInfo(Payload):
    """Where the payment happens. MWEB needs it with `h5_info`, MICROPAY with `store_info`."""

    payer_client_ip: IpAddress | None = Field(
        None,
        description="The payer's own address, not your server's. Every scene has it, except that "
        "of a MICROPAY order.",
    )
    device_id: Text32 | None = None
    device_ip: IpAddress | None = Field(None, description="Of the till; MICROPAY only.")
    store_info: StoreInfo | None = None
    h5_info: H5Info | None = None


class Payer(Payload):
    """Who pays: an openid of the service provider's appid, or of yours."""

    model_config = ConfigDict(json_schema_extra=_one_at_least("sp_openid", "sub_openid"))

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
                {**_TEA, "payer": {"sub_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}},
                {**_TEA, "trade_type": "NATIVE"},
                {
                    **_TEA,
                    "trade_type": "MWEB",
                    "scene_info": {"payer_client_ip": "203.0.113.9", "h5_info": {"type": "Wap"}},
                    "redirect_url": "https://shop.example.com/paid",
                },
                {**_TEA, "trade_type": "APP"},
                {
                    **_TEA,
                    "trade_type": "MICROPAY",
                    "auth_code": "134567890123456789",
                    "scene_info": {"store_info": {"out_id": "shop-7"}, "device_id": "till-2"},
                },
            ],
            "anyOf": [
                {"required": ["payer"], "properties": {"payer": {"type": "object"}}},
                {
                    "required": ["trade_type"],
                    "properties": {"trade_type": {"enum": [*_WORDS_OF_OTHER_WAYS]}},
                },
            ],
        },
    )

    merchant_order_no: MerchantOrderNo = Field(
        description="Your own number for the order; unique among your orders."
    )
    description: Description = Field(
        description="What the payer reads. At most 127 bytes in UTF-8, where a Chinese character "
        "takes three: WeChat Pay says 127 without naming the unit."
    )
    amount_fen: Amount = Field(description="What is charged, in fen: 2800 is 28.00 yuan.")
    currency: Currency | None = Field(None, description="The account's own when left out.")
    trade_type: TradeTypeName = Field(
        "JSAPI",
        description="How the payer reaches the cashier: JSAPI from a page or mini program inside "
        "WeChat, NATIVE by scanning a QR code, MWEB (or H5) from another browser, APP from a "
        "mobile app, MICROPAY (or CODEPAY) by showing a code to the shop.",
        json_schema_extra={"enum": ["JSAPI", *_WORDS_OF_OTHER_WAYS]},
    )
    payer: Payer | None = Field(
        None, validate_default=True, description="JSAPI needs it; no other way takes it."
    )
    auth_code: AuthCode | None = Field(
        None,
        repr=False,
        description="What the scanner read from the payer's phone; MICROPAY needs it, no other way "
        "takes it. It is sent to WeChat Pay and kept nowhere.",
    )
    sub_appid: Appid | None = Field(
        None, description="One of your bound appids; the default binding when left out."
    )
    page_url: PageUrl | None = Field(
        None,
        description="The page that will open the cashier; JSAPI only. When given, the order is "
        "refused unless a payment directory in force covers the page.",
    )
    redirect_url: WebUrl | None = Field(
        None,
        description="Where the payer comes back to; MWEB only. Its domain must be an H5 payment "
        "domain at WeChat Pay.",
    )
    expires_at: Moment | None = Field(
        None,
        description="The payer's last moment, from one minute to seven days from now; not for "
        "MICROPAY, which has half a minute.",
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

    @field_validator("payer")
    @classmethod
    def _pages_name_their_payer(cls, payer: Payer | None, info: ValidationInfo) -> Payer | None:
        if payer is None and info.data.get("trade_type") == TradeType.JSAPI:
            raise PydanticCustomError("missing", "Field required: a JSAPI order names its payer")
        return payer

    def way(self) -> TradeType:
        """The way to pay it means. Raises TradeTypeNotSupported."""
        found = _WAYS.get(self.trade_type)
        if found is None:
            raise TradeTypeNotSupported(trade_type=self.trade_type)
        return found


class OrderQrQuery(Payload):
    """How the QR code is drawn."""

    format: Literal["svg", "png", "txt"] = Field(
        "svg", description="Vectors, pixels, or blocks for a terminal or a receipt printer."
    )
