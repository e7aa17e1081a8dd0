"""What requests may hold: every field listed, with what it means; others are refused.

These models check requests and describe them in the API's document: there is no second list.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from payments.api.fields import (
    Cursor,
    Day,
    Limit,
    MerchantOrderNo,
    Moment,
    OutTradeNo,
    PageUrl,
    public_id,
)
from payments.orders.models import OrderState
from payments.reconciliation.models import DiscrepancyState

DEFAULT_PAGE = 20


class Payload(BaseModel):
    """A part of a request; what is not listed is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    may_be_absent: ClassVar[bool] = False  # whether a request without a body will do


class Path(Payload):
    """Which thing an address names; `absent` is said when there is none."""

    absent: ClassVar[str]


class OrderPath(Path):
    """Which order."""

    absent = "There is no such order."

    order_id: Annotated[str, public_id("ord")]


CURSOR_MEANING = "`next_cursor` of the page before; leave it out for the first page."


class PageQuery(Payload):
    """Which stretch of a list."""

    limit: Limit = Field(DEFAULT_PAGE, description="How many to answer, 100 at most.")
    cursor: Cursor | None = Field(None, description=CURSOR_MEANING)


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

    cursor: Annotated[str, public_id("dis")] | None = Field(None, description=CURSOR_MEANING)
    state: DiscrepancyState | None = None


class ReconciliationPath(Path):
    """Which reconciliation."""

    absent = "There is no such reconciliation."

    reconciliation_id: Annotated[str, public_id("rec")]


class PageUrlQuery(Payload):
    """Which page is meant."""

    url: PageUrl = Field(description="The page that will open the cashier.")
