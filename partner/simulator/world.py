"""Everything one simulator consists of, put together.

The rooms know each other only through what is handed to them here; the routes get the whole.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import requests

from partner.simulator.balances import Balances
from partner.simulator.bills import Bills
from partner.simulator.bridge import Bridge
from partner.simulator.clock import MovableClock
from partner.simulator.codepay import CodePay, PaymentCodes
from partner.simulator.faults import FaultBook
from partner.simulator.h5 import H5Door
from partner.simulator.home import DEFAULT_SP_MCHID, Home
from partner.simulator.inbox import Inbox
from partner.simulator.key_rings import KeyRings
from partner.simulator.ledger import Ledger
from partner.simulator.merchants import Merchants, Provider
from partner.simulator.notifier import Notifier, delivery_session
from partner.simulator.oauth import OAuth
from partner.simulator.orders import Orders
from partner.simulator.outbox import Outbox
from partner.simulator.payers import Payers
from partner.simulator.people import People
from partner.simulator.refund_book import RefundBook
from partner.simulator.refund_life import Outcomes, RefundLife
from partner.simulator.refund_limit import RefundLimit
from partner.simulator.refunds import Refunds
from partner.simulator.registration import read_balances, read_registration
from partner.simulator.security import Echo
from partner.simulator.storage import Storage

KEPT_REQUESTS: Final = 2000
CLOCK_SETTING: Final = "clock_offset_seconds"


class World:
    """One WeChat Pay. `persistent=False` keeps the ledger in memory; keys always live in `home`."""

    def __init__(
        self,
        home: Path,
        *,
        persistent: bool = True,
        deliver_session: requests.Session | None = None,
        wire_time: Callable[[], float] = time.time,
    ) -> None:
        self.home = Home(home)
        self.wire_time = wire_time
        self.storage = Storage(home / "ledger.sqlite3" if persistent else None)
        self.clock = MovableClock(wire_time, float(self.storage.setting(CLOCK_SETTING, 0.0)))
        self.clock.watch(lambda offset: self.storage.remember_setting(CLOCK_SETTING, offset))
        self.inbox = Inbox(wire_time)
        self.requests: deque[dict[str, Any]] = deque(maxlen=KEPT_REQUESTS)
        self.merchants = Merchants(self.storage)
        self.rings = KeyRings(self.home, [one.sp_mchid for one in self.merchants.all()])
        self._register_default_provider()
        self.faults = FaultBook(self.rings.has_several)
        self.ledger = Ledger(self.storage)
        self.people = People(self.storage)
        self.outbox = Outbox(self.storage)
        self.notifier = Notifier(
            outbox=self.outbox,
            merchants=self.merchants,
            rings=self.rings,
            faults=self.faults,
            clock=self.clock,
            wire_time=wire_time,
            session=deliver_session or delivery_session(),
        )
        self._open_refund_desk()
        self.orders = Orders(self.ledger, self.merchants, self.people, self.clock)
        self.payers = Payers(self.storage, self.ledger, self.people, self.notifier, self.clock)
        self.codes = PaymentCodes(self.storage)
        self.codepay = CodePay(self.storage, self.orders, self.payers, self.codes, self.balances)
        self.echo = Echo(self.rings, self.merchants, self.notifier)
        self.oauth = OAuth(self.merchants, self.people, self.faults, wire_time)
        self.bridge = Bridge(self.merchants, self.ledger, self.clock)
        self.h5_door = H5Door(self.merchants, self.ledger, self.clock)
        self.bills = Bills(
            home / "bills",
            self.ledger,
            self.refund_book,
            self.refund_life.settle_due,
            self.clock,
            self.faults,
            wire_time,
        )

    def close(self) -> None:
        """Finish what is under way and let go of the files."""
        self.notifier.stop()
        self.storage.close()

    def register(self, payload: dict[str, Any]) -> Provider:
        """As `POST /_simulator/merchants`; BadRegistration names the field at fault."""
        known = self.merchants.find(str(payload.setdefault("sp_mchid", DEFAULT_SP_MCHID)))
        provider, balances = read_registration(payload, known), read_balances(payload)
        self.rings.open(provider.sp_mchid)  # first: whoever is registered has keys
        with self.storage.transaction():
            self.merchants.register(provider)
            for sub_mchid, balance_fen in balances.items():
                self.balances.set(sub_mchid, balance_fen)
        return provider

    def _open_refund_desk(self) -> None:
        self.balances = Balances(self.storage)
        self.refund_book = RefundBook(self.storage)
        self.refund_outcomes = Outcomes(self.storage)
        self.refund_limit = RefundLimit(self.wire_time)
        self.refunds = Refunds(
            storage=self.storage,
            ledger=self.ledger,
            book=self.refund_book,
            merchants=self.merchants,
            balances=self.balances,
            outcomes=self.refund_outcomes,
            rings=self.rings,
            clock=self.clock,
        )
        self.refund_life = RefundLife(
            storage=self.storage,
            book=self.refund_book,
            balances=self.balances,
            notifier=self.notifier,
            clock=self.clock,
        )
        self.notifier.before_each_look(self.refund_life.settle_due)

    def _register_default_provider(self) -> None:
        provider = self.home.provider()
        if self.merchants.find(provider["sp_mchid"]) is None:
            self.merchants.register(read_registration(provider, None))
