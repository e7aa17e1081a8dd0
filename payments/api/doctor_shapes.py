"""What the doctor is asked over HTTP, and the shape of its answer."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from payments.api.fields import PageUrl
from payments.api.schemas import Payload
from submerchants.doctor.diagnosis import Outcome
from submerchants.doctor.findings import Link, Who


class DiagnosisQuery(Payload):
    """Which page is to be judged."""

    page_url: PageUrl | None = Field(
        None, description="The page that will open the cashier; without it no page is judged."
    )


class DiagnosisStep(BaseModel):
    """One link as it was found. The last three stand where there is something to do."""

    link: Link
    subject: str | None = Field(description="Which appid, product or page it is about.")
    outcome: Outcome
    said: str = Field(description="What was found, for people.")
    who: Who | None = Field(description="Who mends it.")
    where: str | None = Field(description="In which menu of WeChat Pay's platform, or of ours.")
    how_long: str | None = Field(description="How soon WeChat Pay heeds it.")


class Diagnosis(BaseModel):
    """Every link from the platform to the payer's cashier, in the order a payment needs them."""

    object: Literal["diagnosis"]
    sp_mchid: str
    sub_mchid: str
    page_url: str | None
    ok: bool = Field(description="Whether no link was found missing.")
    verdict: DiagnosisStep | None = Field(description="The first missing link.")
    steps: list[DiagnosisStep]
    examined_at: datetime
