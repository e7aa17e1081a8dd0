"""A bill day for tests: orders on our side, rows on WeChat Pay's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from config.database import db, release
from partner.models import Partner
from payments.orders.models import Order, OrderState
from payments.reconciliation.models import Discrepancy, Reconciliation
from payments.reconciliation.queries import unhealed_discrepancies
from payments.reconciliation.run import reconcile_day
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.bills import Row, payment_row
from tests.factories.payments import make_order

DAY = date(2031, 5, 6)
NOON = datetime(2031, 5, 6, 4, 0, tzinfo=UTC)
NEXT_MORNING = datetime(2031, 5, 7, 2, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """A discrepancy as far as tests look at it."""

    kind: str
    number: str
    state: str


def paid(tenant: SubMerchant, *, at: datetime = NOON, **fields: Any) -> Order:
    """An order paid on the day."""
    usual = {"state": OrderState.PAID, "paid_at": at, "created_at": at, "expires_at": at}
    return make_order(sub_merchant=tenant, **{**usual, **fields})


def line(partner: Partner, tenant: SubMerchant, order: Order, **fields: str) -> Row:
    """The row WeChat Pay's bill has for an order."""
    usual = {
        "商户订单号": order.out_trade_no,
        "微信订单号": order.transaction_id or "4200009999",
    }
    return payment_row(
        sp_mchid=partner.sp_mchid,
        sub_mchid=tenant.sub_mchid,
        day=DAY,
        amount_fen=order.amount_fen,
        **{**usual, **fields},
    )


def compared(partner: Partner, tenant: SubMerchant, **options: Any) -> Reconciliation:
    """The tenant's day after a run."""
    reconcile_day(
        partner_id=partner.id,
        bill_date=DAY,
        sub_merchant_ids=[tenant.id],
        forced=True,
        **options,
    )
    return day_of(tenant)


def day_of(tenant: SubMerchant) -> Reconciliation:
    """The tenant's reconciliation as it stands."""
    release()
    with acting_for(tenant.id):
        query = db.select(Reconciliation).where(Reconciliation.bill_date == DAY)
        rows = db.session.scalars(query, execution_options={"populate_existing": True})
        row: Reconciliation = rows.one()
        return row


def discrepancies(row: Reconciliation) -> list[Discrepancy]:
    """What still differs."""
    with across_tenants("a test looks"):
        return unhealed_discrepancies([row.id])[row.id]


def seen(row: Reconciliation) -> list[Seen]:
    """What still differs, in short."""
    return sorted(
        (Seen(one.kind.value, one.number, one.state.value) for one in discrepancies(row)),
        key=lambda one: (one.number, one.kind),
    )
