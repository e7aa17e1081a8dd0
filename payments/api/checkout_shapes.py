"""Checkout links as requests ask for them and answers show them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from payments.api.answers import Fen, Order
from payments.api.fields import (
    Amount,
    Appid,
    Currency,
    Description,
    LinkNo,
    MerchantOrderNo,
    Moment,
    ShortText,
    public_id,
)
from payments.api.schemas import PageQuery, Path, Payload
from payments.checkout.standing import LinkState


class CheckoutLinkPayload(Payload):
    """A checkout link to be made."""

    model_config = ConfigDict(
        title="CheckoutLinkRequest",
        json_schema_extra={
            "examples": [
                {
                    "merchant_order_no": "A-20260501-0002",
                    "description": "Corner Tea–Oolong",
                    "amount_fen": 2800,
                }
            ]
        },
    )

    merchant_order_no: LinkNo = Field(
        description="Your own number; unique among your links and orders. The order bears it; a "
        "second payer's order has `*2` behind it."
    )
    description: Description = Field(description="What the payer reads, 127 bytes at most.")
    amount_fen: Amount = Field(description="What is charged, in fen: 2800 is 28.00 yuan.")
    currency: Currency | None = Field(None, description="The account's own when left out.")
    attach: ShortText | None = Field(None, description="Comes back with the order.")
    expires_at: Moment | None = Field(
        None,
        description="The payers' last moment, from one minute to seven days from now; a day when "
        "left out.",
    )
    sub_appid: Appid | None = Field(
        None,
        description="Which of your official accounts learns who pays. When left out, the first one "
        "whose app secret is set, else the provider's.",
    )
    profit_sharing: StrictBool | None = Field(
        None, description="Whether the money is frozen until it has been divided."
    )


class CheckoutLinkPath(Path):
    """Which link."""

    absent = "There is no such checkout link."

    link_id: Annotated[str, public_id("chk")]


class CheckoutLinkQuery(PageQuery):
    """Which links to list."""

    cursor: Annotated[str, public_id("chk")] | None = Field(
        None, description="`next_cursor` of the page before."
    )
    merchant_order_no: MerchantOrderNo | None = None


class QrCodeQuery(Payload):
    """How the QR code is drawn."""

    format: Literal["svg", "png"] = Field("svg", description="Vectors or pixels.")


class CheckoutProblem(BaseModel):
    """Why somebody could not pay a link lately."""

    code: str = Field(description="Stable; one for each thing that can be missing.")
    message: str = Field(description="What is missing, for people.")
    finding: dict[str, str] = Field(
        description="Which `link` of the chain, what is `missing`, `who` mends it, `where`, and "
        "`how_long` WeChat Pay takes to heed it."
    )
    told: str = Field(description="WeChat's own words, where there were any.")
    reference: str = Field(description="The number the payer was shown.")
    seen_at: datetime


class CheckoutLink(BaseModel):
    """A link as it stands."""

    id: str
    object: Literal["checkout_link"]
    url: str = Field(description="What you hand to the payer: a page to be opened in WeChat.")
    qr_code_url: str = Field(description="The same as a QR code; asked for with your API key.")
    state: LinkState = Field(
        description="`PENDING` once somebody began to pay; `CANCELLED` also when its order was "
        "closed."
    )
    merchant_order_no: str
    description: str
    amount_fen: Fen
    currency: str
    attach: str | None
    profit_sharing: bool | None
    appid: str = Field(description="The official account under which the payer becomes known.")
    order: Order | None = Field(description="The paid one, else the newest; null before that.")
    problem: CheckoutProblem | None
    expires_at: datetime
    cancelled_at: datetime | None
    created_at: datetime


class CheckoutLinkPage(BaseModel):
    """A stretch of the list, newest first."""

    data: list[CheckoutLink]
    next_cursor: str | None
