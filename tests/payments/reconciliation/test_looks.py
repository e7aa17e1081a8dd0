"""How often a day is looked up: as often for many tenants as for a few."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from config.database import db, release
from partner.models import Partner
from payments.reconciliation.models import Discrepancy, Reconciliation
from payments.reconciliation.queries import unhealed_discrepancies
from payments.reconciliation.run import reconcile_day
from submerchants.tenancy import across_tenants
from tests.factories.bills import bill_bytes, fetched, payment_row, refund_row
from tests.factories.partner import make_partner
from tests.factories.refunds import make_refund
from tests.factories.submerchants import make_sub_merchant
from tests.payments.reconciliation.days import DAY, NOON, line, paid
from tests.statements import statements_run

FEW, MANY = 2, 7
NEXT_DAY = DAY + timedelta(days=1)
BEFORE_MIDNIGHT = datetime(2031, 5, 6, 15, 59, 58, tzinfo=UTC)


def a_day_that_differs(tenants: int) -> Partner:
    """Every tenant has a refund that agrees, a strange payment, and one on the next day's bill."""
    partner = make_partner()
    rows, next_rows = [], []
    for _ in range(tenants):
        tenant = make_sub_merchant(partner=partner)
        order, late = paid(tenant), paid(tenant, at=BEFORE_MIDNIGHT)
        refund_id = f"503{order.out_trade_no}"
        refund = make_refund(order=order, amount_fen=40, refund_id=refund_id, accepted_at=NOON)
        whose: dict[str, Any] = {"sp_mchid": partner.sp_mchid, "sub_mchid": tenant.sub_mchid}
        numbers = {"商户退款单号": refund.out_refund_no, "微信退款单号": refund_id}
        rows += [
            line(partner, tenant, order),
            refund_row(day=DAY, amount_fen=40, **whose) | numbers,
            payment_row(day=DAY, 商户订单号=f"S{order.out_trade_no}", **whose),
        ]
        next_rows.append(payment_row(day=NEXT_DAY, 商户订单号=late.out_trade_no, **whose))
    fetched(partner, DAY, bill_bytes(rows))
    fetched(partner, NEXT_DAY, bill_bytes(next_rows))
    return partner


def looks_of_a_run(partner: Partner) -> int:
    release()
    with statements_run(db.engine) as sent:
        reconcile_day(partner_id=partner.id, bill_date=DAY, forced=True)
    return sent.count("SELECT")


def differing(partner: Partner) -> tuple[dict[str, list[Discrepancy]], int]:
    """What differs at all tenants of a provider, and how many looks it took to read."""
    with across_tenants("a test looks"):
        of_the_day = select(Reconciliation.id).where(Reconciliation.partner_id == partner.id)
        ids = db.session.scalars(of_the_day).all()
        release()
        with statements_run(db.engine) as sent:
            found = unhealed_discrepancies(ids)
            release()
    return found, sent.count("SELECT")


@pytest.mark.usefixtures("provider")
def test_a_day_that_differs_is_looked_up_as_often_for_many_tenants_as_for_few() -> None:
    few, many = a_day_that_differs(FEW), a_day_that_differs(MANY)

    looks = [looks_of_a_run(few), looks_of_a_run(many)]

    assert looks[0] == looks[1]
    found, _ = differing(many)
    kinds = [sorted(one.kind.value for one in some) for some in found.values()]
    assert kinds == [["DAY_DIFFERS", "MISSING_HERE"]] * MANY


@pytest.mark.usefixtures("provider")
def test_what_differs_at_many_tenants_is_read_in_one_look() -> None:
    partner = a_day_that_differs(MANY)
    reconcile_day(partner_id=partner.id, bill_date=DAY)

    found, looks = differing(partner)

    assert (looks, len(found)) == (1, MANY)
