"""The simulator as an object: for tests that run it in their own process.

`app` answers requests (through `WsgiAdapter`, or behind any WSGI server), the methods stand in for
the people who would tap on a phone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import requests
from flask import Flask

from partner.simulator.app import create_api
from partner.simulator.bridge_pages import bridge_pages
from partner.simulator.control import control
from partner.simulator.home import DEFAULT_SP_MCHID, KeyRing
from partner.simulator.ledger import Order
from partner.simulator.pages import pages
from partner.simulator.payer_levers import payer_levers
from partner.simulator.refund_book import Refund
from partner.simulator.world import World


class Simulator:
    """One WeChat Pay, its application, and its payers."""

    def __init__(
        self,
        home: Path,
        *,
        base_url: str = "http://simulator.localhost",
        persistent: bool = True,
        deliver_session: requests.Session | None = None,
        wire_time: Callable[[], float] = time.time,
    ) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.world = World(
            home,
            persistent=persistent,
            deliver_session=deliver_session,
            wire_time=wire_time,
        )
        self.base_url = base_url
        self.facts = self.world.home.describe(self.world.rings.first, base_url)
        self.app = create_app(self.world)
        self.home = home
        self.ledger = self.world.ledger
        self.faults = self.world.faults
        self.clock = self.world.clock
        self.notifier = self.world.notifier
        self.merchants = self.world.merchants
        self.people = self.world.people
        self.outbox = self.world.outbox
        self.refunds = self.world.refund_book
        self.refund_outcomes = self.world.refund_outcomes

    def pay(
        self,
        out_trade_no: str,
        openid: str | None = None,
        *,
        sp_mchid: str | None = None,
        at: datetime | None = None,
        coupon_fen: int = 0,
    ) -> Order:
        """The payer pays. LookupError without such an order, CannotPay when it cannot be paid."""
        found = self.ledger.with_number(out_trade_no)
        matching = [one for one in found if sp_mchid in (None, one.sp_mchid)]
        if len(matching) != 1:
            raise LookupError(f"{len(matching)} orders have the number {out_trade_no}")
        return self.world.payers.pay(matching[0], openid=openid, at=at, coupon_fen=coupon_fen)

    def settle_refund(self, out_refund_no: str, status: str = "SUCCESS") -> Refund:
        """What became of a refund, held or not. LookupError without such a refund, CannotSettle
        when it stands elsewhere."""
        found = self.refunds.with_number(out_refund_no)
        if len(found) != 1:
            raise LookupError(f"{len(found)} refunds have the number {out_refund_no}")
        return self.world.refund_life.settle(found[0], status)

    def refund_by_hand(
        self,
        out_trade_no: str,
        amount_fen: int,
        *,
        out_refund_no: str | None = None,
        notify_url: str | None = None,
    ) -> Refund:
        """Somebody refunds in the merchant platform; told to nobody unless `notify_url` is given.

        LookupError without such an order, Refusal when it cannot be refunded.
        """
        found = self.ledger.with_number(out_trade_no)
        if len(found) != 1:
            raise LookupError(f"{len(found)} orders have the number {out_trade_no}")
        return self.world.refunds.by_hand(
            found[0], amount_fen, out_refund_no=out_refund_no, notify_url=notify_url
        )

    def register(self, **payload: Any) -> KeyRing:
        """As `POST /_simulator/merchants`, answering WeChat Pay's keys for the provider;
        BadRegistration names the field at fault."""
        return self.world.rings.of(self.world.register(payload).sp_mchid)

    def rotate_platform_certificate(self, sp_mchid: str = DEFAULT_SP_MCHID) -> str:
        """A new platform certificate for a provider, beside its old one; its serial."""
        return self.world.rings.rotate(sp_mchid).serial

    def close(self) -> None:
        self.world.close()


def create_app(world: World) -> Flask:
    """WeChat Pay's paths, the control paths, and the pages for people."""
    app = create_api(world)
    app.register_blueprint(control(world))
    app.register_blueprint(payer_levers(world))
    app.register_blueprint(bridge_pages(world))
    app.register_blueprint(pages(world))
    return app
