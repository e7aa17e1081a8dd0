"""Whatever must happen once is kept to once by the database itself, not by our care."""

from __future__ import annotations

import re

import pytest
from flask import Flask
from sqlalchemy import inspect

from config.clock import now
from config.database import db, release
from payments.numbers import new_out_refund_no, new_out_trade_no

ONCE = {
    "a tenant's own number is one order": ("orders", "sub_merchant_id", "merchant_order_no"),
    "the number sent is one order": ("orders", "out_trade_no"),
    "a payment pays one order": ("orders", "transaction_id"),
    "a tenant's own number is one refund": ("refunds", "sub_merchant_id", "merchant_refund_no"),
    "the number sent is one refund": ("refunds", "out_refund_no"),
    "WeChat Pay's number is one refund": ("refunds", "refund_id"),
    "a notification is one entry": ("inbox_entries", "partner_id", "notification_id"),
    "a key is one answer": ("idempotency_records", "sub_merchant_id", "operation", "key_hash"),
    "a day has one bill": ("bill_downloads", "partner_id", "scope", "bill_date", "bill_type"),
    "a tenant's day has one share": ("trade_bills", "sub_merchant_id", "bill_date", "bill_type"),
    "a day is compared once": ("reconciliations", "sub_merchant_id", "bill_date", "bill_type"),
    "an event happened once": ("webhook_events", "sub_merchant_id", "event_key"),
    "an event goes once to each": ("webhook_deliveries", "endpoint_id", "event_id"),
    "a tenant's own number is one link": (
        *("checkout_links", "sub_merchant_id", "merchant_order_no"),
    ),
    "a turn at a link is one payer's": ("checkout_attempts", "link_id", "number"),
    "a sign-in counts once": ("checkout_visits", "state_hash"),
}


@pytest.mark.parametrize("what", ONCE)
def test_the_migrated_database_holds_it_to_once(app: Flask, what: str) -> None:
    table, *columns = ONCE[what]
    look = inspect(db.engine)

    keys = [sorted(each["column_names"]) for each in look.get_unique_constraints(table)]
    indexes = [each for each in look.get_indexes(table) if each["unique"]]
    keys += [sorted(str(name) for name in each["column_names"]) for each in indexes]

    release()
    assert sorted(columns) in keys


def test_the_numbers_sent_are_random_and_within_what_wechat_pay_takes() -> None:
    moment = now()

    minted = [mint(moment) for mint in (new_out_trade_no, new_out_refund_no) for _ in range(1_000)]

    assert len(set(minted)) == len(minted)
    assert all(re.fullmatch(r"[0-9A-Za-z_-]{6,32}", number) for number in minted)
