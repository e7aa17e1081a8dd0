"""Nothing open is forgotten, and nothing that is settled is opened or given back again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from config.clock import now
from config.database import db, release, transaction
from config.rows import note_stored
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.errors import WeChatPayOutcomeUnknown
from payments.orders.models import OrderState, TradeType
from payments.orders.move import reverse_row
from payments.orders.place import ensure_prepaid
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.books import all_events, all_orders, audit_actions, order_now
from tests.factories.payments import make_order, place_order

PLACE = "/v3/pay/partner/transactions/jsapi"


@pytest.mark.parametrize("fault", ["http_500", "bad_signature", "lost_answer", "cut_reply"])
def test_an_order_whose_opening_went_unanswered_is_asked_about_within_seconds(
    simulator: Simulator, sub_merchant: SubMerchant, partner: Partner, fault: str
) -> None:
    simulator.faults.add(fault, path=PLACE, times=5)

    with pytest.raises(WeChatPayOutcomeUnknown):
        place_order(sub_merchant=sub_merchant, partner=partner)

    (order,) = all_orders()
    assert order.state is OrderState.CREATED
    assert order.next_check_at is not None
    assert order.next_check_at < now() + timedelta(seconds=10)


def test_an_order_closed_while_it_was_being_opened_stays_closed_and_is_closed_there_too(
    simulator: Simulator, sub_merchant: SubMerchant, partner: Partner
) -> None:
    order = place_order(sub_merchant=sub_merchant, partner=partner)
    note_stored(order, {"prepaid_at": None})  # as this session read it before it was closed
    release()
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE orders SET state = 'CLOSED', next_check_at = NULL"))

    with acting_for(sub_merchant.id):
        ensure_prepaid(order)

    stands = order_now(order)
    assert stands.state is OrderState.CLOSED
    assert stands.next_check_at is not None


def test_what_was_reversed_is_given_back_once(app: Flask) -> None:
    order = make_order(state=OrderState.PAID, trade_type=TradeType.MICROPAY, amount_fen=300)

    given = []
    for _ in range(2):
        with acting_for(order.sub_merchant_id), transaction():
            given.append(reverse_row(order))

    assert given == [True, False]
    assert audit_actions(order.id).count("order.reversed") == 1
    assert len(all_events("order.reversed")) == 1
