"""While WeChat Pay is being asked, what was asked for stands committed: its number and its next
moment, so that whoever dies now is made up for."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from sqlalchemy import select

from config.clock import now
from config.database import db
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.orders.models import Order
from payments.orders.schedule import next_check
from payments.refunds.models import Refund
from submerchants.tenants.models import SubMerchant
from tests.conftest import Exchange
from tests.factories.payments import place_order
from tests.factories.refunds import ask_for, paid_order

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ORDERS, REFUNDS = Order.__table__, Refund.__table__


class Onlooker:
    """Stands before WeChat Pay and looks, at each request, at what others see of our tables."""

    def __init__(self, simulator: Simulator) -> None:
        self._behind, self._engine = simulator.app, db.engine
        self.orders: list[tuple[str, datetime | None]] = []
        self.refunds: list[tuple[str, datetime | None]] = []

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        with self._engine.connect() as connection:
            for table, number, seen in (
                (ORDERS, "out_trade_no", self.orders),
                (REFUNDS, "out_refund_no", self.refunds),
            ):
                rows: Any = connection.execute(select(table.c[number], table.c.next_check_at))
                seen.extend((row[0], row[1]) for row in rows)
        return self._behind(environ, start_response)


@pytest.fixture
def onlooker(app: Flask, simulator: Simulator, wechatpay_exchange: Exchange) -> Onlooker:
    standing = Onlooker(simulator)
    wechatpay_exchange.connected = standing
    return standing


def test_an_order_is_committed_and_watched_before_it_is_placed(
    onlooker: Onlooker, sub_merchant: SubMerchant, partner: Partner
) -> None:
    order = place_order(sub_merchant=sub_merchant, partner=partner)

    [(number, due)] = onlooker.orders
    assert number == order.out_trade_no
    assert due is not None


def test_a_refund_is_committed_and_watched_before_it_is_asked_for(
    onlooker: Onlooker, simulator: Simulator, sub_merchant: SubMerchant, partner: Partner
) -> None:
    order = paid_order(simulator, sub_merchant, partner)

    refund = ask_for(order).refund

    [(number, due)] = onlooker.refunds
    assert number == refund.out_refund_no
    assert due is not None


def test_what_begins_together_is_not_asked_about_together() -> None:
    moment = now()

    asked = {
        next_check(checks=9, now=moment, expires_at=moment + timedelta(days=9)) for _ in range(50)
    }

    assert len(asked) > 25
