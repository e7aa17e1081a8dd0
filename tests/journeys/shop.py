"""A shop whose money goes back: a tenant's system, an operator's commands, and time that passes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from flask import Flask

from config.clock import frozen_at, now
from partner.simulator.simulator import Simulator
from submerchants.tenants.models import SubMerchant
from tests.books import all_refunds
from tests.payments.api.caller import Api

A_MINUTE = timedelta(seconds=70)


class Shop:
    """A tenant's system, and the time that passes for everybody."""

    def __init__(self, app: Flask, simulator: Simulator, sub_merchant: SubMerchant) -> None:
        self.api = Api(app.test_client(), sub_merchant)
        self.simulator = simulator
        self._runner = app.test_cli_runner()
        self._started = now()

    def sold(self, amount_fen: int = 2800) -> dict[str, Any]:
        """An order whose payer has paid."""
        order = self.api.order(amount_fen=amount_fen)
        self.simulator.pay(order["out_trade_no"])
        self.news()
        shown: dict[str, Any] = self.api.get(f"/orders/{order['id']}").json
        assert shown["state"] == "PAID"
        return shown

    def refund(self, order: dict[str, Any], amount_fen: int, number: str = "R-1") -> Any:
        body = {"order_id": order["id"], "merchant_refund_no": number, "amount_fen": amount_fen}
        return self.api.post("/refunds", body)

    def shown(self, refund: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/refunds/{refund['id']}").json
        return found

    def news(self) -> None:
        """WeChat Pay settles what is due and tells of it."""
        self.simulator.world.refund_life.settle_due()
        self.simulator.notifier.deliver_due()

    def command(self, *words: str, answers: str | None = None) -> Any:
        result = self._runner.invoke(args=[*words, "--json"], input=answers)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    @contextmanager
    def later(self, wait: timedelta) -> Iterator[None]:
        """Inside, it is this long after the journey began."""
        self.simulator.clock.set(self._started + wait)
        with frozen_at(self._started + wait):
            yield

    def swept(self, wait: timedelta) -> None:
        with self.later(wait):
            self.command("refunds", "sync")

    def require_same_books(self) -> None:
        """When a journey is over, our refunds are WeChat Pay's, and its sums are ours."""
        theirs = {
            one.out_refund_no: (one.status, one.refund, one.sub_mchid)
            for one in self.simulator.refunds.refunds(limit=1000)
        }
        ours = {
            one.out_refund_no: (one.status, one.amount_fen, one.sub_mchid)
            for one in all_refunds()
            if one.status is not None
        }
        assert ours == theirs
