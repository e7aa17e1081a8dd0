"""Today's figures: what was paid and when, what stands open, what needs a person.

Everything is read by the range of an index on time and summed in the database; no figure counts
more than the days it speaks of.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from config.clock import beijing_date, beijing_day, now
from config.database import db
from partner.models import KeyState, MerchantKey, Partner, WeChatPayKey
from partner.presenter import EXPIRY_NOTICE
from payments.notifications.models import InboxEntry, InboxState
from payments.orders.models import Order, OrderState

DAYS_DRAWN = 14
MOST_OF_A_KIND = 200
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Takings:
    """Payments of one stretch of time."""

    payments: int
    amount_fen: int


@dataclass(frozen=True, slots=True)
class Today:
    """The Beijing day so far, beside the same hours of the day before."""

    day: date
    so_far: Takings
    yesterday_by_now: Takings
    yesterday: Takings
    hours_today: Sequence[int]  # running totals in fen, as far as the day has come
    hours_yesterday: Sequence[int]

    @property
    def change_percent(self) -> int | None:
        """By how much today is ahead of yesterday at this hour; None without a yesterday."""
        before = self.yesterday_by_now.amount_fen
        return None if before == 0 else (self.so_far.amount_fen - before) * 100 // before


@dataclass(frozen=True, slots=True)
class DayOfTakings:
    """One day of the bar chart."""

    day: date
    takings: Takings


@dataclass(frozen=True, slots=True)
class Share:
    """How many of the day's rows stand in one state."""

    state: str
    rows: int
    percent: int


@dataclass(frozen=True, slots=True)
class ExpiringKey:
    """A credential that runs out soon, or has."""

    sp_mchid: str
    serial: str
    expires_at: datetime
    is_ours: bool


def today() -> Today:
    """The day so far and the day before, hour by hour."""
    moment = now()
    day = beijing_date(moment)
    start, _ = beijing_day(day)
    elapsed = moment - start
    # Many small sums: one query that sorts each payment into its hour takes ten times as long.
    yesterday, present = (
        [_takings(first + HOUR * hour, first + HOUR * (hour + 1)) for hour in range(hours)]
        for first, hours in ((start - DAY, 24), (start, int(elapsed // HOUR) + 1))
    )
    by_now = _takings(start - DAY, start - DAY + elapsed)
    return Today(
        day=day,
        so_far=_sum(present),
        yesterday_by_now=by_now,
        yesterday=_sum(yesterday),
        hours_today=_running(present),
        hours_yesterday=_running(yesterday),
    )


def last_days(days: int = DAYS_DRAWN) -> list[DayOfTakings]:
    """What was paid on each of the last days, today included."""
    last = beijing_date(now())
    shown = [last - timedelta(days=back) for back in range(days - 1, -1, -1)]
    return [DayOfTakings(day, _takings(*beijing_day(day))) for day in shown]


def orders_today_by_state() -> list[Share]:
    """The orders placed today, by where they stand."""
    start, end = beijing_day(beijing_date(now()))
    placed = select(func.count()).where(Order.created_at >= start, Order.created_at < end)
    counted = {
        state: db.session.scalar(placed.where(Order.state == state)) or 0 for state in OrderState
    }
    return _shares(counted, list(OrderState))


def notifications_today_by_state() -> list[Share]:
    """The notifications received today, by what became of them."""
    start, end = beijing_day(beijing_date(now()))
    counted = db.session.execute(
        select(InboxEntry.state, func.count())
        .where(InboxEntry.received_at >= start, InboxEntry.received_at < end)
        .group_by(InboxEntry.state)
    )
    return _shares(dict(counted.all()), list(InboxState))


def notifications_waiting(state: InboxState) -> int:
    """How many stand in a state that needs a person, counted up to a limit."""
    some = select(InboxEntry.id).where(InboxEntry.state == state).limit(MOST_OF_A_KIND).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def expiring_keys() -> list[ExpiringKey]:
    """Our merchant certificates and WeChat Pay's own keys that run out within thirty days."""
    horizon = now() + EXPIRY_NOTICE
    ours = db.session.execute(
        select(Partner.sp_mchid, MerchantKey.serial_no, MerchantKey.expires_at)
        .join(Partner, Partner.id == MerchantKey.partner_id)
        .where(MerchantKey.state == KeyState.ACTIVE, MerchantKey.expires_at <= horizon)
    )
    # WeChat Pay replaces its certificates by itself: only one without a successor needs a person.
    newest = (
        select(WeChatPayKey.partner_id, func.max(WeChatPayKey.expires_at).label("last"))
        .where(WeChatPayKey.expires_at.is_not(None))
        .group_by(WeChatPayKey.partner_id)
        .subquery()
    )
    theirs = db.session.execute(
        select(Partner.sp_mchid, WeChatPayKey.serial, WeChatPayKey.expires_at)
        .join(Partner, Partner.id == WeChatPayKey.partner_id)
        .join(newest, newest.c.partner_id == WeChatPayKey.partner_id)
        .where(WeChatPayKey.expires_at == newest.c.last, WeChatPayKey.expires_at <= horizon)
    )
    return [
        *(ExpiringKey(sp_mchid, serial, when, True) for sp_mchid, serial, when in ours if when),
        *(ExpiringKey(sp_mchid, serial, when, False) for sp_mchid, serial, when in theirs if when),
    ]


def _takings(start: datetime, end: datetime) -> Takings:
    """Payments from one moment until another, out of the index alone."""
    payments, amount = db.session.execute(
        select(func.count(), func.sum(Order.amount_fen)).where(
            Order.paid_at >= start, Order.paid_at < end
        )
    ).one()
    return Takings(payments, int(amount or 0))


def _sum(parts: Sequence[Takings]) -> Takings:
    return Takings(sum(part.payments for part in parts), sum(part.amount_fen for part in parts))


def _running(parts: Sequence[Takings]) -> list[int]:
    totals, total = [], 0
    for part in parts:
        total += part.amount_fen
        totals.append(total)
    return totals


def _shares(
    counted: dict[OrderState, int] | dict[InboxState, int], states: Sequence[str]
) -> list[Share]:
    total = sum(counted.values())
    by_name = {str(state): rows for state, rows in counted.items()}
    return [
        Share(state, by_name.get(state, 0), by_name.get(state, 0) * 100 // total if total else 0)
        for state in map(str, states)
    ]
