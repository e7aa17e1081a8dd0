"""`flask bills fetch …` and `flask reconcile …`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext
from sqlalchemy import select

from config.batches import one_of
from config.commands import emit, json_option
from config.database import db, release
from partner.credentials import get_partner
from partner.models import Partner
from payments.bills.day import fetch_day, require_kept_day
from payments.bills.models import BillDownload, TradeBill, TradeBillState
from payments.reconciliation.models import Discrepancy, Reconciliation
from payments.reconciliation.presenter import present_discrepancy
from payments.reconciliation.queries import unhealed_discrepancies
from payments.reconciliation.run import reconcile_day
from submerchants.tenancy import across_tenants
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.queries import get_sub_merchant, list_sub_merchants, partner_of

bills = AppGroup("bills", help="WeChat Pay's trade bills.")

_date_option = click.option(
    "--date", "day", required=True, type=click.DateTime(["%Y-%m-%d"]), help="A Beijing day."
)
_sub_option = click.option("--sub-mchid", help="Only this sub-merchant.")
_sp_option = click.option("--sp-mchid", help="Only this provider.")
_told = ("kind", "out_trade_no", "transaction_id", "ours", "theirs", "explanation")


def register(app: Flask) -> None:
    """Give the application these commands."""
    app.cli.add_command(bills)
    app.cli.add_command(reconcile)


@bills.command("fetch")
@_date_option
@_sub_option
@_sp_option
@json_option
def fetch(day: datetime, sub_mchid: str | None, sp_mchid: str | None, as_json: bool) -> None:
    """Fetch the bills of a day; one that is here stays as it is."""
    downloads = [
        (partner, download)
        for partner, tenant in _asked_for(sub_mchid, sp_mchid)
        for download in fetch_day(
            partner=partner, bill_date=day.date(), sub_mchid=tenant.sub_mchid if tenant else None
        )
    ]
    shown = [_present_download(partner, download) for partner, download in downloads]
    lines = [
        f"{one['sp_mchid']}  {one['sub_mchid'] or '*'}  {one['bill_date']}  {one['state']}  "
        f"{one['row_count']} rows  {one['refusal'] or ''}".rstrip()
        for one in shown
    ]
    emit(shown, as_json, lines or ["There is no provider yet."])


@click.command("reconcile", help="Compare a day's bill with the books.")
@_date_option
@_sub_option
@_sp_option
@json_option
@with_appcontext
def reconcile(day: datetime, sub_mchid: str | None, sp_mchid: str | None, as_json: bool) -> None:
    """Compare a day for one sub-merchant or for all; fetches the bill first where it is missing."""
    require_kept_day(day.date())
    shown = [
        one
        for partner, tenant in _asked_for(sub_mchid, sp_mchid)
        for one in _reconciled(partner, tenant, day.date())
    ]
    lines = [
        f"{one['sub_mchid']}  {one['bill_date']}  {one['state']}  matched {one['matched']}, "
        f"{len(one['discrepancies'])} differ"
        for one in shown
    ]
    emit(shown, as_json, lines or ["There is no sub-merchant yet."])


def _asked_for(
    sub_mchid: str | None, sp_mchid: str | None
) -> list[tuple[Partner, SubMerchant | None]]:
    if sub_mchid is not None:
        tenant = get_sub_merchant(sub_mchid, sp_mchid)
        return [(partner_of(tenant), tenant)]
    if sp_mchid is not None:
        return [(get_partner(sp_mchid), None)]
    return [(one, None) for one in db.session.scalars(select(Partner).order_by(Partner.sp_mchid))]


def _reconciled(partner: Partner, tenant: SubMerchant | None, day: date) -> list[dict[str, Any]]:
    tenants = [tenant] if tenant else list_sub_merchants(partner_id=partner.id)
    ids = [one.id for one in tenants]
    if _bills_here(day, ids) < len(ids):
        fetch_day(partner=partner, bill_date=day, sub_mchid=tenant.sub_mchid if tenant else None)
    reconcile_day(partner_id=partner.id, bill_date=day, sub_merchant_ids=ids, forced=True)
    with across_tenants("an operator reconciles a day"):
        rows = {
            row.sub_merchant_id: row
            for row in db.session.scalars(
                select(Reconciliation).where(
                    Reconciliation.partner_id == partner.id,
                    Reconciliation.bill_date == day,
                    one_of(Reconciliation.sub_merchant_id, ids),
                ),
                execution_options={"populate_existing": True},
            )
        }
        differing = unhealed_discrepancies([row.id for row in rows.values()])
        shown = [
            _present(one, rows[one.id], differing[rows[one.id].id])
            for one in tenants
            if one.id in rows
        ]
        release()
    return shown


def _bills_here(day: date, sub_merchant_ids: list[str]) -> int:
    with across_tenants("an operator reconciles a day"):
        here = select(TradeBill.sub_merchant_id).where(
            TradeBill.bill_date == day, TradeBill.state != TradeBillState.NOT_READY
        )
        return len(set(db.session.scalars(here)) & set(sub_merchant_ids))


def _present(
    tenant: SubMerchant, row: Reconciliation, differing: Iterable[Discrepancy]
) -> dict[str, Any]:
    return {
        "sub_mchid": tenant.sub_mchid,
        "bill_date": row.bill_date.isoformat(),
        "state": row.state.value,
        "matched": row.matched_count,
        "ours": {"count": row.ours_count, "amount_fen": row.ours_amount_fen},
        "theirs": {"count": row.theirs_count, "amount_fen": row.theirs_amount_fen},
        "discrepancies": [_present_difference(one) for one in differing],
    }


def _present_difference(row: Discrepancy) -> dict[str, Any]:
    shown = present_discrepancy(row)
    return {name: shown[name] for name in _told}


def _present_download(partner: Partner, download: BillDownload) -> dict[str, Any]:
    return {
        "sp_mchid": partner.sp_mchid,
        "sub_mchid": download.scope or None,
        "bill_date": download.bill_date.isoformat(),
        "bill_type": download.bill_type,
        "state": download.state.value,
        "row_count": download.row_count,
        "stray_count": download.stray_count,
        "byte_count": download.byte_count,
        "hash_value": download.hash_value,
        "refusal": download.refusal,
    }
