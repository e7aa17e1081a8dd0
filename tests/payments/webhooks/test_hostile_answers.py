"""Receivers who answer to do harm: it stays their own, is written down, and delays nobody else."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.clock import now
from payments.webhooks.courier import Courier
from payments.webhooks.divide import divide_events
from payments.webhooks.lanes import Rooms
from payments.webhooks.letters import Outcome
from payments.webhooks.models import DeliveryState
from payments.webhooks.outbound import Outbound
from payments.webhooks.record import record_each
from submerchants.tenancy import across_tenants
from tests.factories.webhooks import attempts, deliveries, make_endpoint, make_event
from tests.payments.webhooks.certificates import Authority
from tests.payments.webhooks.conftest import LOOPBACK
from tests.payments.webhooks.receivers import HOST, Receivers, receiving

pytestmark = pytest.mark.usefixtures("loopback")

# As long as a name may be: what TLS says of it does not fit a column.
LONGEST_NAME = ".".join(["a" * 62] * 4)
ODD_WISH = (
    b"HTTP/1.1 503 Later\r\nRetry-After: Mon, 01 Jan 2026 00:00:00 +99999999999999999999\r\n"
    b"Content-Length: 0\r\n\r\n"
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def secured(authority: Authority) -> Iterator[Receivers]:
    """A receiver whose certificate names somebody else than its address does."""
    with receiving(authority.server_context("hooks.example.test")) as served:
        yield served


def test_a_wish_to_wait_that_is_no_date_ends_as_any_failure_does(
    app, sub_merchant, receivers, outbound
):
    receivers.replies["/raw/wish"] = ODD_WISH
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/raw/wish"))
    make_event(sub_merchant=sub_merchant)
    stopped = threading.Event()
    courier = threading.Thread(target=Courier(app, outbound).run, args=(stopped,))

    courier.start()
    receivers.wait_for(1)
    ends = time.monotonic() + 5
    while not attempts() and time.monotonic() < ends:
        time.sleep(0.05)
    stopped.set()
    courier.join(10)

    [attempt], [delivery] = attempts(), deliveries()
    assert (attempt.status, attempt.problem) == (503, "Answered 503; any 2xx is receipt.")
    assert (delivery.state, delivery.tries) == (DeliveryState.DUE, 1)


def test_a_problem_too_long_to_keep_is_cut_and_takes_no_other_receipt_along(
    app, sub_merchant, other_sub_merchant, receivers, secured, authority
):
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    outbound = Outbound(LOOPBACK, resolve=lambda _host, _port: [HOST], tls=trusting)
    hostile = f"https://{LONGEST_NAME}:{secured.port}/ok"
    make_endpoint(sub_merchant=sub_merchant, url=hostile)
    make_endpoint(sub_merchant=other_sub_merchant, url=receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)
    make_event(sub_merchant=other_sub_merchant)

    figures = Courier(app, outbound).deliver_due()

    told = {attempt.sub_merchant_id: attempt.problem for attempt in attempts()}
    assert figures == {"delivered": 1, "failed": 1}
    assert told[other_sub_merchant.id] is None
    assert (told[sub_merchant.id] or "").startswith("The certificate is not accepted: Hostname")
    assert len(told[sub_merchant.id] or "") == 255


def test_a_result_that_cannot_be_written_takes_no_others_along(
    app, sub_merchant, other_sub_merchant, receivers
):
    for each in (sub_merchant, other_sub_merchant):
        make_endpoint(sub_merchant=each, url=receivers.url("/ok"))
        make_event(sub_merchant=each)
    with across_tenants("a test claims as couriers do"):
        first, second = divide_events(Rooms()).letters
        first.delivery_id = "whd_forgotten"  # while its try was under way

        record_each([Outcome(each, now(), 5, status=204) for each in (first, second)])

    [attempt] = attempts()
    assert attempt.delivery_id == second.delivery_id
    assert sorted(each.state for each in deliveries()) == ["DELIVERED", "DUE"]
