"""Webhooks in bad company: who answers well gets its own at once, whatever the others do.

Ten thousand events go to a hundred endpoints of which twenty are dead, twenty drip and ten flap;
each event is a transaction of its own, as in life. What counts is the time from its commit to the
first byte at a healthy receiver. The courier is a real scheduler, the receivers are real sockets.
G13 is the same time for the events of notifications, while those come as fast as they are answered.
"""

from __future__ import annotations

import itertools
import json
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from config.database import db, release, transaction
from config.inserts import insert_new
from partner.models import Partner
from payments.webhooks.endpoints import add_endpoint
from payments.webhooks.models import WebhookEvent
from payments.webhooks.publish import EVENT_IDENTITY, event_row
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant
from tests import programs
from tests.factories.submerchants import make_sub_merchant
from tests.programs import HOST, Program, free_port

KINDS = {"ok": 50, "refused": 10, "never": 10, "drip": 20, "flap": 10}
WRITERS = 2
PATIENCE_SECONDS = 30
NETWORKS = "127.0.0.0/8"

Arrivals = Mapping[str, float]  # event id → when its first byte was read


@dataclass(frozen=True)
class Lags:
    """Seconds from commit to first byte, in order; what never arrived is missing from them."""

    expected: int
    seconds: Sequence[float]
    events_a_second: float

    def at(self, percent: float) -> float:
        """The percentile; an event that never arrived took for ever."""
        place = min(self.expected - 1, int(self.expected * percent / 100))
        return self.seconds[place] if place < len(self.seconds) else float("inf")

    def __str__(self) -> str:
        figures = ", ".join(f"p{percent:g} {self.at(percent):.2f} s" for percent in (50, 99, 100))
        return (
            f"{self.events_a_second:.0f} events a second; to healthy receivers "
            f"{len(self.seconds):,} of {self.expected:,}: {figures}"
        )


@contextmanager
def carrying(app: Flask, variables: Mapping[str, str], folder: Path) -> Iterator[str]:
    """A courier and receivers, each a program; answers where the receivers listen."""
    usual = app.config["SETTINGS"]
    loopback = {"webhook_allowed_networks": (ip_network(NETWORKS),)}
    app.config["SETTINGS"] = usual.model_copy(update=loopback)
    port = free_port()
    url = f"http://{HOST}:{port}"
    command = ("tests.payments.webhooks.receivers", str(port))
    receivers = Program(command, {}, folder / "receivers.log", f"{url}/report")
    settings = {**variables, "WEBHOOK_ALLOWED_NETWORKS": NETWORKS}
    courier = programs.scheduler(settings, folder / "courier.log")
    try:
        receivers.start().wait_ready()
        courier.start()
        yield url
        if not courier.is_alive:
            raise AssertionError(courier.tail())
    finally:
        courier.stop()
        receivers.stop()
        app.config["SETTINGS"] = usual


def bad_company(
    app: Flask, partner: Partner, variables: Mapping[str, str], folder: Path, events: int
) -> Lags:
    """So many events to a hundred endpoints, half of them troublesome: the healthy ones' lags."""
    with carrying(app, variables, folder) as url:
        kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
        tenants = [_tenant(partner, url, kind, number) for number, kind in enumerate(kinds)]
        _first_arrivals(url, set(_publish(app, tenants[0])))  # the courier is awake
        places = itertools.count()

        def write(count: int) -> dict[str, float]:
            committed: dict[str, float] = {}
            for _ in range(count):
                place = next(places) % len(tenants)
                event = _publish(app, tenants[place])
                if kinds[place] == "ok":
                    committed |= event
            return committed

        started = time.monotonic()
        with ThreadPoolExecutor(WRITERS) as writers:
            written = list(writers.map(write, [events // WRITERS] * WRITERS))
        seconds = time.monotonic() - started
        committed = {event_id: at for each in written for event_id, at in each.items()}
        arrived = _first_arrivals(url, set(committed))
    return _lags(committed, arrived, events / seconds)


def notified(sub_merchant: SubMerchant, url: str, since: datetime, seconds: float) -> Lags:
    """From each event's own moment, just before its commit, to its first byte."""
    with across_tenants("a benchmark looks at every event"):
        here = select(WebhookEvent.id, WebhookEvent.created_at).where(
            WebhookEvent.sub_merchant_id == sub_merchant.id, WebhookEvent.created_at >= since
        )
        created = {row.id: row.created_at.timestamp() for row in db.session.execute(here)}
        release()
    arrived = _first_arrivals(url, set(created))
    return _lags(created, arrived, len(created) / seconds)


def listen(sub_merchant: SubMerchant, url: str) -> None:
    """One healthy endpoint for this tenant."""
    add_endpoint(sub_merchant=sub_merchant, url=f"{url}/ok")


def _tenant(partner: Partner, url: str, kind: str, number: int) -> SubMerchant:
    sub_merchant = make_sub_merchant(partner=partner)
    address = f"http://{HOST}:{free_port()}/" if kind == "refused" else f"{url}/{kind}/{number}"
    add_endpoint(sub_merchant=sub_merchant, url=address)
    return sub_merchant


def _publish(app: Flask, sub_merchant: SubMerchant) -> dict[str, float]:
    """Commit one event; answers its id and when that was."""
    key = f"order.paid:bench{next(_numbers):08}"
    with app.app_context(), acting_for(sub_merchant.id):
        row = event_row(
            sub_merchant_id=sub_merchant.id,
            type="order.paid",
            event_key=key,
            object_id=key[11:],
            data=_ORDER,
        )
        with transaction():
            insert_new(WebhookEvent, row, unique=EVENT_IDENTITY)
        return {str(row["id"]): time.time()}


def _first_arrivals(url: str, wanted: Set[str]) -> Arrivals:
    """When each of these events first came, once all did or patience ends."""
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        with urllib.request.urlopen(f"{url}/report") as answer:
            report = json.load(answer)
        arrived: dict[str, float] = {}
        for _, event_id, at in report:
            if event_id in wanted:
                arrived.setdefault(event_id, at)
        if len(arrived) == len(wanted) or time.monotonic() > ends:
            return arrived
        time.sleep(0.5)


def _lags(committed: Mapping[str, float], arrived: Arrivals, rate: float) -> Lags:
    lags = sorted(arrived[each] - at for each, at in committed.items() if each in arrived)
    return Lags(len(committed), lags, rate)


_numbers = itertools.count(1)
_ORDER = {
    "id": "ord_01krx3m8d2q7v5w0c4n6t9b1ze",
    "object": "order",
    "merchant_order_no": "A-20260501-0001",
    "out_trade_no": "T20260501x7k2m9q4w8c3v6n1t5bz",
    "state": "PAID",
    "description": "街角茶铺–乌龙",
    "amount_fen": 2800,
    "payer": {"sub_openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},
}
