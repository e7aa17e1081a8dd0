"""Bad company in small: dead, dripping and flapping receivers delay nobody else.

`make bench` has the whole of it: ten thousand events and a hundred endpoints.
"""

from __future__ import annotations

import threading
import time

import pytest

from payments.webhooks.courier import Courier
from payments.webhooks.outbound import Outbound
from tests.factories.submerchants import make_sub_merchant
from tests.factories.webhooks import make_endpoint, make_event
from tests.payments.webhooks.conftest import LOOPBACK
from tests.payments.webhooks.receivers import HOST
from tests.programs import free_port

KINDS = {"ok": 6, "refused": 2, "never": 2, "drip": 2, "flap": 2}
EVENTS_EACH = 15
REACH_SECONDS = 5

pytestmark = pytest.mark.usefixtures("loopback")


def test_every_healthy_receiver_gets_its_own_within_five_seconds(app, partner, receivers):
    refused = f"http://{HOST}:{free_port()}/"
    tenants = [make_sub_merchant(partner=partner) for count in KINDS.values() for _ in range(count)]
    kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
    for number, (tenant, kind) in enumerate(zip(tenants, kinds, strict=True)):
        url = refused if kind == "refused" else receivers.url(f"/{kind}/{number}")
        make_endpoint(sub_merchant=tenant, url=url)
    stopped = threading.Event()
    courier = Courier(app, Outbound(LOOPBACK))
    thread = threading.Thread(target=courier.run, args=(stopped,))
    thread.start()

    committed: dict[str, float] = {}
    for _ in range(EVENTS_EACH):
        for tenant in tenants:
            object_id = make_event(sub_merchant=tenant)
            committed[object_id] = time.time()
    deadline = time.time() + REACH_SECONDS
    while time.time() < deadline and len(_healthy(receivers)) < KINDS["ok"] * EVENTS_EACH:
        time.sleep(0.05)
    stopped.set()
    thread.join(15)

    arrived = _healthy(receivers)
    lags = sorted(at - committed[object_id] for object_id, at in arrived.items())
    assert not thread.is_alive()
    assert len(arrived) == KINDS["ok"] * EVENTS_EACH
    assert lags[int(len(lags) * 0.99)] <= REACH_SECONDS


def _healthy(receivers) -> dict[str, float]:
    return {
        each.event["data"]["id"]: each.at
        for each in list(receivers.arrivals)
        if each.path.startswith("/ok/")
    }
