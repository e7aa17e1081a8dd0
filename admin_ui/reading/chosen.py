"""What somebody narrowed a list to: state, sub-merchant, days, or any number at hand.

It lives in the address of the page, so a list can be sent to a colleague, and the export is exactly
what is on the screen.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import select

from config.clock import beijing_date, beijing_day, now
from config.database import db
from submerchants.tenancy import TenantOwned
from submerchants.tenants.models import SubMerchant

MAX_NAMES = 2_000
LONGEST_NUMBER = 64


class Row(Protocol):
    """What a listed thing must have to be narrowed to: an order, a refund."""

    sub_merchant_id: Any
    state: Any
    created_at: Any


@dataclass(frozen=True, slots=True)
class Days:
    """The days that were asked for, whatever else a list is narrowed by."""

    first_day: date | None = None
    last_day: date | None = None

    def said(self) -> Mapping[str, object]:
        """What else was asked for, by the names it has in an address."""
        return {}

    def address(self, **changes: object) -> dict[str, str]:
        """The arguments that say the same, with some of them changed."""
        said = {**self.said(), "from": self.first_day, "to": self.last_day, **changes}
        return {name: str(value) for name, value in said.items() if value}

    @property
    def is_open(self) -> bool:
        """Whether nothing is narrowed."""
        return not self.address()

    @property
    def presets(self) -> list[tuple[str, dict[str, str]]]:
        """Days people ask for most: a name and the arguments that choose them."""
        present = beijing_date(now())
        stretches = {
            "today": (present, present),
            "yesterday": (present - timedelta(days=1), present - timedelta(days=1)),
            "week": (present - timedelta(days=6), present),
            "month": (present - timedelta(days=29), present),
        }
        return [
            (name, self.address(**{"from": first, "to": last}))
            for name, (first, last) in stretches.items()
        ]

    @property
    def preset(self) -> str | None:
        """Which preset the chosen days are."""
        mine = self.address()
        return next((name for name, said in self.presets if said == mine), None)

    @property
    def begins(self) -> datetime | None:
        """The first moment of the chosen days."""
        return beijing_day(self.first_day)[0] if self.first_day else None

    @property
    def ends(self) -> datetime | None:
        """The moment after the last of the chosen days."""
        return beijing_day(self.last_day)[1] if self.last_day else None


@dataclass(frozen=True, slots=True)
class Chosen(Days):
    """What the reader asked for, as it stands in the address."""

    state: str | None = None
    sub_merchant_id: str | None = None
    number: str = ""

    @classmethod
    def from_address(cls, arguments: Mapping[str, str], states: type[enum.StrEnum]) -> Chosen:
        """Read the address; what makes no sense there is left open rather than refused."""
        state = arguments.get("state", "")
        return cls(
            state=states(state).value if state in states.__members__ else None,
            sub_merchant_id=arguments.get("sub_merchant") or None,
            first_day=named_day(arguments.get("from")),
            last_day=named_day(arguments.get("to")),
            number=arguments.get("q", "").strip()[:LONGEST_NUMBER],
        )

    def said(self) -> Mapping[str, object]:
        """What else was asked for, by the names it has in an address."""
        return {"q": self.number, "state": self.state, "sub_merchant": self.sub_merchant_id}

    def fits(self, row: Row) -> bool:
        """Whether a row that was found by its number is among what was asked for."""
        day = beijing_date(row.created_at)
        return (
            self.state in (None, row.state)
            and self.sub_merchant_id in (None, row.sub_merchant_id)
            and (self.first_day is None or self.first_day <= day)
            and (self.last_day is None or day <= self.last_day)
        )


def names_of(rows: Iterable[TenantOwned]) -> dict[str, str]:
    """What the sub-merchants of these rows are called, by id."""
    return names_of_ids({row.sub_merchant_id for row in rows})


def names_of_ids(ids: Collection[str]) -> dict[str, str]:
    """What these sub-merchants are called, by id."""
    named = select(SubMerchant.id, SubMerchant.name).where(SubMerchant.id.in_(ids))
    return dict(db.session.execute(named).all())


def sub_merchant_choices() -> list[SubMerchant]:
    """The sub-merchants to choose from, by name."""
    return list(db.session.scalars(select(SubMerchant).order_by(SubMerchant.name).limit(MAX_NAMES)))


def named_day(text: str | None) -> date | None:
    """The day of an address; None for none, and for what is none."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    # Days near either end of the calendar have no moment before or after them.
    return day if 2000 <= day.year <= 2200 else None
