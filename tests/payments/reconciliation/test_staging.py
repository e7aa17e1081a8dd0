"""A day compared in the database comes out as the same day compared in memory."""

from __future__ import annotations

import random
import secrets
from datetime import timedelta

import pytest

from config.database import db, transaction
from partner.models import Partner
from payments.orders.models import Order, OrderState
from payments.reconciliation.models import Discrepancy, Reconciliation
from submerchants.tenancy import across_tenants
from submerchants.tenants.models import SubMerchant
from tests.factories.bills import Row, bill_bytes, fetched, refund_row
from tests.payments.reconciliation.days import DAY, NOON, compared, discrepancies, line, paid

ROUNDS = 4
ORDERS = 40


@pytest.mark.parametrize(
    "seed", [secrets.randbits(32) for _ in range(ROUNDS)], ids=lambda s: "random"
)
def test_both_ways_find_the_same(provider: Partner, tea: SubMerchant, seed: int) -> None:
    chance = random.Random(seed)
    rows = _random_day(provider, tea, chance)
    fetched(provider, DAY, bill_bytes(rows))

    in_memory = _told(compared(provider, tea))
    _forget(tea)
    in_database = _told(compared(provider, tea, in_memory_rows=0))

    assert in_database == in_memory, f"seed {seed}"
    figures, found = in_memory
    assert int(str(figures[1])) + len(found) >= len(rows), f"seed {seed}"


def test_a_large_day_without_differences_is_matched_in_the_database(
    provider: Partner, tea: SubMerchant
) -> None:
    orders = [paid(tea, amount_fen=number) for number in range(1, 60)]
    fetched(provider, DAY, bill_bytes([line(provider, tea, order) for order in orders]))

    row = compared(provider, tea, in_memory_rows=10)

    assert (row.matched_count, row.open_count, row.state.value) == (59, 0, "MATCHED")
    assert (row.ours_amount_fen, row.theirs_amount_fen) == (sum(range(60)), sum(range(60)))


def test_a_bill_said_twice_over_is_all_duplicates_in_the_database_too(
    provider: Partner, tea: SubMerchant
) -> None:
    rows = [line(provider, tea, paid(tea)) for _ in range(5)]
    fetched(provider, DAY, bill_bytes(rows + rows))

    row = compared(provider, tea, in_memory_rows=0)

    assert row.matched_count == 5
    assert [one.kind.value for one in discrepancies(row)] == ["DUPLICATE_ROW"] * 5


def _random_day(provider: Partner, tenant: SubMerchant, chance: random.Random) -> list[Row]:
    rows: list[Row] = []
    for number in range(ORDERS):
        order = _random_order(tenant, chance)
        row = line(provider, tenant, order)
        fate = chance.random()
        if fate < 0.1:
            continue
        if fate < 0.2:
            row["订单金额"] = "3.33"
        if fate > 0.9:
            row["微信订单号"] = f"4299{number:04}"
        rows += [dict(row) for _ in range(chance.choice((1, 1, 1, 1, 1, 2, 3)))]
        if chance.random() < 0.1:
            rows[-1]["订单金额"] = "4.44"
    for number in range(chance.randrange(4)):
        usual = {"sp_mchid": provider.sp_mchid, "sub_mchid": tenant.sub_mchid, "day": DAY}
        rows.append(refund_row(amount_fen=40 + number, **usual))
        if number == 2:
            rows.append(dict(rows[-1]))
    chance.shuffle(rows)
    return rows


def _random_order(tenant: SubMerchant, chance: random.Random) -> Order:
    fate = chance.random()
    if fate < 0.1:
        return paid(tenant, state=OrderState.PENDING, paid_at=None, transaction_id=None)
    if fate < 0.2:
        return paid(tenant, at=NOON + timedelta(days=chance.choice((-1, 1))))
    return paid(tenant, at=NOON + timedelta(seconds=chance.randrange(40_000)))


def _told(row: Reconciliation) -> tuple[tuple[object, ...], list[tuple[object, ...]]]:
    figures = (
        row.state,
        row.matched_count,
        row.ours_count,
        row.ours_amount_fen,
        row.theirs_count,
        row.theirs_amount_fen,
        row.open_count,
        row.next_run_at,
    )
    found = [
        (one.entry_kind, one.number, one.ordinal, one.kind, one.ours, one.theirs, one.explanation)
        for one in discrepancies(row)
    ]
    return figures, sorted(found, key=str)


def _forget(tenant: SubMerchant) -> None:
    with across_tenants("a test starts over"), transaction():
        for table in (Discrepancy, Reconciliation):
            mine = db.delete(table).where(table.sub_merchant_id == tenant.id)
            db.session.execute(mine)
