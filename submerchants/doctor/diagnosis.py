"""What an examination comes to: one step for each link, and the first missing one as the verdict.

`Evidence` is what a floor above has seen happen: WeChat Pay cannot be asked about appid bindings
and products, so what became of the tenant's own newest orders and refunds speaks for them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from submerchants.doctor.findings import Finding, Link, Who, Words

REFUND: Final = "REFUND"
CHECKOUT: Final = "CHECKOUT"


class Outcome(enum.StrEnum):
    """What was found of one link."""

    OK = "ok"
    MISSING = "missing"
    UNKNOWN = "unknown"  # it was looked for, and nothing tells
    NOT_ASKED = "not_asked"  # WeChat Pay cannot be asked, or there was no cause to


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What WeChat took or refused: an order of one way to pay, a refund, a payer at our page."""

    product: str  # WeChat Pay's trade type of an order, or REFUND, or CHECKOUT
    at: datetime
    sub_appid: str | None = None
    refusal: Finding | None = None  # None: it was taken
    said: str = ""  # WeChat Pay's own words


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One link as it was found. Who, where and how long stand where there is something to do."""

    link: Link
    outcome: Outcome
    said: Words
    subject: str | None = None  # which appid, product or page it is about
    who: Who | None = None
    where: Words | None = None
    how_long: Words | None = None

    def as_dict(self, language: str = "en") -> dict[str, str | None]:
        """The step as commands and the API show it."""
        return {
            "link": self.link.value,
            "subject": self.subject,
            "outcome": self.outcome.value,
            "said": self.said.in_language(language),
            "who": self.who.value if self.who else None,
            "where": self.where.in_language(language) if self.where else None,
            "how_long": self.how_long.in_language(language) if self.how_long else None,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The whole chain of one sub-merchant, in the order in which a payment needs it."""

    sp_mchid: str
    sub_mchid: str
    page_url: str | None
    examined_at: datetime
    steps: tuple[Step, ...]

    @property
    def verdict(self) -> Step | None:
        """The first missing link; None when none was found missing."""
        missing = (step for step in self.steps if step.outcome is Outcome.MISSING)
        return next(missing, None)

    @property
    def ok(self) -> bool:
        """Whether no link was found missing."""
        return self.verdict is None

    def as_dict(self, language: str = "en") -> dict[str, object]:
        """The diagnosis as commands and the API show it."""
        verdict = self.verdict
        return {
            "sp_mchid": self.sp_mchid,
            "sub_mchid": self.sub_mchid,
            "page_url": self.page_url,
            "ok": self.ok,
            "verdict": verdict.as_dict(language) if verdict else None,
            "steps": [step.as_dict(language) for step in self.steps],
            "examined_at": self.examined_at,
        }


def fine(link: Link, *, zh: str, en: str, subject: str | None = None) -> Step:
    """A link that holds."""
    return Step(link=link, outcome=Outcome.OK, said=Words(zh, en), subject=subject)


def missing(finding: Finding, said: Words | None = None, *, subject: str | None = None) -> Step:
    """A link that a finding says is missing; `said` tells more than its own sentence."""
    return Step(
        link=finding.link,
        outcome=Outcome.MISSING,
        said=said or finding.missing,
        subject=subject,
        who=finding.who,
        where=finding.where,
        how_long=finding.how_long,
    )


def open_question(
    link: Link,
    outcome: Outcome,
    said: Words,
    *,
    subject: str | None = None,
    where: Words | None = None,
    how_long: Words | None = None,
) -> Step:
    """A link of which nothing is known yet, and where its operator would look."""
    return Step(
        link=link,
        outcome=outcome,
        said=said,
        subject=subject,
        who=Who.SERVICE_PROVIDER if where else None,
        where=where,
        how_long=how_long,
    )
