"""What the console shows beside orders: inbox entries and reconciled days."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from config.clock import now
from config.database import transaction
from config.identifiers import new_id
from payments.bills.entries import EntryKind
from payments.notifications.models import InboxEntry, InboxState
from payments.orders.models import Order
from payments.reconciliation.models import (
    Discrepancy,
    DiscrepancyKind,
    DiscrepancyState,
    Reconciliation,
    ReconciliationState,
)
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant


def make_entry(order: Order, state: InboxState, **fields: Any) -> InboxEntry:
    """A saved inbox entry about an order."""
    entry = InboxEntry(
        **{
            "id": new_id("ntf"),
            "partner_id": order.partner_id,
            "notification_id": new_id("EV"),
            "event_type": "TRANSACTION.SUCCESS",
            "serial": "PUB_KEY_ID_1",
            "body": "{}",
            "state": state,
            "verdicts": json.dumps(
                [
                    {"check": "signature", "ok": True},
                    {"check": "amount_fen", "ok": False, "ours": 100, "theirs": 99},
                ]
            ),
            "reason": "does not agree on amount_fen",
            "order_id": order.id,
            "tenant_id": order.sub_merchant_id,
            "out_trade_no": order.out_trade_no,
            "received_at": now(),
            "settled_at": None,
            "attempts": 1,
            **fields,
        }
    )
    with transaction() as session:
        session.add(entry)
    return entry


def make_reconciliation(
    *,
    sub_merchant: SubMerchant,
    day: date,
    state: ReconciliationState = ReconciliationState.MATCHED,
    **fields: Any,
) -> Reconciliation:
    """A saved day of one sub-merchant."""
    row = Reconciliation(
        **{
            "id": new_id("rec"),
            "sub_merchant_id": sub_merchant.id,
            "partner_id": sub_merchant.partner_id,
            "bill_date": day,
            "bill_type": "ALL",
            "state": state,
            "created_at": now(),
            "finished_at": now(),
            **fields,
        }
    )
    with acting_for(sub_merchant.id), transaction() as session:
        session.add(row)
    return row


def make_discrepancy(
    reconciliation: Reconciliation, *, kind: DiscrepancyKind, **fields: Any
) -> Discrepancy:
    """A saved difference that nobody has dealt with."""
    number = new_id("T")
    row = Discrepancy(
        **{
            "id": new_id("dsc"),
            "sub_merchant_id": reconciliation.sub_merchant_id,
            "reconciliation_id": reconciliation.id,
            "entry_kind": EntryKind.PAYMENT,
            "number": number,
            "ordinal": 0,
            "kind": kind,
            "state": DiscrepancyState.OPEN,
            "out_trade_no": number,
            "transaction_id": None,
            "ours": json.dumps({"out_trade_no": number, "amount_fen": 1_880, "state": "PAID"}),
            "theirs": json.dumps({"out_trade_no": number, "amount_fen": 1_780}),
            "explanation": "The bill has another amount.",
            "seen_by": "t",
            "created_at": now(),
            "updated_at": now(),
            **fields,
        }
    )
    with acting_for(reconciliation.sub_merchant_id), transaction() as session:
        session.add(row)
    return row
