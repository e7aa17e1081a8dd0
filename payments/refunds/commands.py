"""`flask refunds …`: what operators do about refunds of every tenant."""

from __future__ import annotations

from collections.abc import Mapping

import click
from flask.cli import AppGroup

from config import audit
from config.commands import emit, json_option
from config.database import transaction
from partner.wechatpay.resources.refunds import BANKS, MERCHANTS_CARD, PAYERS_CARD, BankCard
from payments.refunds.apply_abnormal import apply_abnormal
from payments.refunds.find import find_elsewhere
from payments.refunds.models import Refund, RefundState
from payments.refunds.presenter import present_refund
from payments.refunds.queries import RefundFilter, get_refund, list_refunds
from payments.refunds.sweep import sweep_refunds
from payments.refunds.sync import sync_refund
from submerchants.commands import under_option
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.queries import get_sub_merchant

LISTED = 100

BANK_TYPES = tuple(f"{bank}_DEBIT" for bank in BANKS)

refunds = AppGroup("refunds", help="Refunds of every tenant.")


@refunds.command("list")
@click.option("--state", type=click.Choice([state.value for state in RefundState]))
@click.option("--order-id", help="Only those of this order.")
@json_option
def list_all(state: str | None, order_id: str | None, as_json: bool) -> None:
    """The newest refunds, of one state or one order if it is named."""
    chosen = RefundFilter(state=RefundState(state) if state else None, order_id=order_id)
    with across_tenants("an operator lists refunds"):
        shown = [present_refund(refund) for refund in list_refunds(chosen, limit=LISTED).rows]
    emit(shown, as_json, [_line(refund) for refund in shown] or ["There is no such refund."])


@refunds.command("sync")
@click.argument("refund_id", required=False)
@json_option
def sync(refund_id: str | None, as_json: bool) -> None:
    """Ask WeChat Pay what became of one refund, or bring on all that are due."""
    if refund_id is None:
        figures = dict(sweep_refunds())
        emit(figures, as_json, [f"{name}: {count}" for name, count in figures.items()])
        return
    refund = _found(refund_id)
    with acting_for(refund.sub_merchant_id):
        _note("refund.synced", refund)
        shown = present_refund(sync_refund(refund))
    emit(shown, as_json, [_line(shown)])


@refunds.command("find")
@click.argument("out_refund_no")
@click.option("--sub-mchid", required=True, help="Whose refund it is.")
@under_option
@json_option
def find(out_refund_no: str, sub_mchid: str, sp_mchid: str | None, as_json: bool) -> None:
    """Find a refund at WeChat Pay by its number there, and take it in if it was made elsewhere.

    OUT_REFUND_NO is what the merchant platform shows as 商户退款单号.
    """
    sub_merchant = get_sub_merchant(sub_mchid, sp_mchid)
    refund = find_elsewhere(sub_merchant=sub_merchant, out_refund_no=out_refund_no)
    _note("refund.found", refund)
    shown = present_refund(refund)
    emit(shown, as_json, [_line(shown)])


@refunds.command("apply-abnormal")
@click.argument("refund_id")
@click.option("--type", "kind", required=True, type=click.Choice([PAYERS_CARD, MERCHANTS_CARD]))
@click.option("--bank-type", type=click.Choice(BANK_TYPES), help="The bank of the payer's card.")
@json_option
def apply(refund_id: str, kind: str, bank_type: str | None, as_json: bool) -> None:
    """Send the money of an abnormal refund to another card.

    The number of a payer's card and the name on it are asked for, or read from standard input, a
    line each; they are sealed for WeChat Pay and kept nowhere.
    """
    if (kind == PAYERS_CARD) != (bank_type is not None):
        raise click.UsageError(f"--bank-type goes with {PAYERS_CARD}, and only with it.")
    card = None
    if bank_type is not None:
        account = click.prompt("Card number", hide_input=True, err=True)
        name = click.prompt("Name on the card", err=True)
        card = BankCard(bank_type=bank_type, account=account.strip(), real_name=name.strip())
    refund = _found(refund_id)
    with acting_for(refund.sub_merchant_id):
        shown = present_refund(apply_abnormal(refund, card=card))
    emit(shown, as_json, [_line(shown)])


def _found(refund_id: str) -> Refund:
    with across_tenants("an operator looks up one refund"):
        return get_refund(refund_id)


def _note(action: str, refund: Refund) -> None:
    with transaction():
        audit.record(
            action,
            object_kind="refund",
            object_id=refund.id,
            tenant_id=refund.sub_merchant_id,
        )


def _line(shown: Mapping[str, object]) -> str:
    columns = ("created_at", "id", "state", "waiting", "amount_fen", "out_refund_no")
    return "  ".join(str(shown[name] or "-") for name in columns)
