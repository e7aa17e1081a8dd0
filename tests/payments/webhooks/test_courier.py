"""From the commit of an event to the recorded receipt, over real sockets."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from config.clock import frozen_at, now
from config.database import db
from payments.webhooks.claims import LEASE, claim_due
from payments.webhooks.courier import LOOK_BACK, Courier, Look
from payments.webhooks.divide import divide_events
from payments.webhooks.lanes import LANE_WIDTH, Rooms
from payments.webhooks.models import DeliveryState, WebhookEvent
from payments.webhooks.outbound import Outbound
from payments.webhooks.queries import get_event
from payments.webhooks.resend import resend_event
from submerchants.tenancy import across_tenants, acting_for
from tests.factories.webhooks import (
    attempts,
    deliveries,
    endpoint_now,
    make_endpoint,
    make_event,
)
from tests.payments.webhooks.receivers import HOST
from tests.programs import free_port
from tests.together import at_once

pytestmark = pytest.mark.usefixtures("loopback")


def test_an_event_arrives_signed_as_the_standard_says(app, sub_merchant, receivers, outbound):
    made = make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    object_id = make_event(sub_merchant=sub_merchant)

    figures = Courier(app, outbound).deliver_due()

    [arrival] = receivers.arrivals
    verified = Webhook(made.secret.reveal()).verify(arrival.body, arrival.headers)
    assert figures == {"delivered": 1, "failed": 0}
    assert set(verified) == {"id", "type", "created_at", "data"}
    assert verified["id"] == arrival.headers["webhook-id"]
    assert (verified["type"], verified["data"]["id"]) == ("order.paid", object_id)
    assert arrival.headers["content-type"] == "application/json"
    assert "cookie" not in arrival.headers


def test_a_receipt_is_recorded_with_its_try(app, sub_merchant, receivers, outbound):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/status/200"))
    make_event(sub_merchant=sub_merchant)

    Courier(app, outbound).deliver_due()

    [delivery], [attempt] = deliveries(), attempts()
    assert (delivery.state, delivery.tries) == (DeliveryState.DELIVERED, 1)
    assert (delivery.next_try_at, delivery.claim_token) == (None, None)
    assert delivery.delivered_at is not None
    assert (attempt.status, attempt.problem) == (200, None)
    assert attempt.reply == "as it was told to answer"


def test_each_endpoint_hears_of_what_it_asked_for(app, sub_merchant, receivers, outbound):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok/all"))
    closed = ["order.closed"]
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok/closed"), event_types=closed)
    make_event(sub_merchant=sub_merchant, type="order.paid")
    make_event(sub_merchant=sub_merchant, type="order.closed")

    Courier(app, outbound).deliver_due()

    assert receivers.counts == {"/ok/all": 2, "/ok/closed": 1}


def test_no_tenant_hears_of_anothers_events(
    app, sub_merchant, other_sub_merchant, receivers, outbound
):
    make_endpoint(sub_merchant=other_sub_merchant, url=receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)

    Courier(app, outbound).deliver_due()

    assert receivers.arrivals == []
    assert deliveries() == []


def test_an_endpoint_does_not_hear_of_what_was_before_it(app, sub_merchant, receivers, outbound):
    with frozen_at(now() - timedelta(minutes=1)):
        make_event(sub_merchant=sub_merchant)
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))

    Courier(app, outbound).deliver_due()

    assert receivers.arrivals == []


def test_an_event_is_divided_once_however_many_do_it(app, sub_merchant, receivers):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    for _ in range(20):
        make_event(sub_merchant=sub_merchant)

    def divide() -> int:
        with across_tenants("a test divides as couriers do"):
            return divide_events(Rooms(is_closed=True)).events

    divided = at_once(app, 4, divide)

    assert sum(divided) + _divide_rest() == 20
    assert len(deliveries()) == 20


def _divide_rest() -> int:
    with across_tenants("a test divides as couriers do"):
        return divide_events(Rooms(is_closed=True)).events


def test_a_delivery_is_claimed_by_one_of_many(app, sub_merchant, receivers):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    for _ in range(12):
        make_event(sub_merchant=sub_merchant)
    _divide_rest()

    def claim() -> list[str]:
        with across_tenants("a test claims as couriers do"):
            return [letter.delivery_id for letter in claim_due(Rooms()).letters]

    claimed = [name for names in at_once(app, 4, claim) for name in names]

    assert len(claimed) == len(set(claimed))
    assert set(claimed) <= {delivery.id for delivery in deliveries()}


def test_a_delivery_is_claimed_as_it_is_made_by_one_of_many(app, sub_merchant, receivers):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    for _ in range(12):
        make_event(sub_merchant=sub_merchant)

    def divide() -> list[str]:
        with across_tenants("a test divides as couriers do"):
            return [letter.delivery_id for letter in divide_events(Rooms()).letters]

    claimed = [name for names in at_once(app, 4, divide) for name in names] + divide()

    assert sorted(claimed) == sorted(delivery.id for delivery in deliveries())
    assert all(delivery.claim_token for delivery in deliveries())


def test_what_a_lane_has_no_room_for_waits_to_be_claimed(app, sub_merchant, receivers):
    made = make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    for _ in range(3):
        make_event(sub_merchant=sub_merchant)

    with across_tenants("a test divides and claims as couriers do"):
        first, later = divide_events(Rooms({made.endpoint.id: 1})), claim_due(Rooms())

    assert (len(first.letters), len(later.letters)) == (1, 2)
    assert len({each.event_id for each in (*first.letters, *later.letters)}) == 3


def test_an_event_that_was_sent_by_hand_meanwhile_is_not_sent_beside_it(
    app, sub_merchant, receivers
):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)
    with across_tenants("a test does it before couriers do"):
        event_id = db.session.scalars(select(WebhookEvent.id)).one()
    with acting_for(sub_merchant.id):
        resend_event(get_event(event_id))

    with across_tenants("a test divides as couriers do"):
        divided = divide_events(Rooms())

    assert (divided.events, list(divided.letters)) == (1, [])
    assert len(deliveries()) == 1


def test_a_look_goes_all_the_way_at_first_and_while_it_finds_more():
    look, moment = Look(), now()

    reached = []
    for is_more in (True, False, False):
        reached.append(look.since(moment))
        look.note(is_more=is_more)

    assert reached == [None, None, moment - LOOK_BACK]


def test_what_has_waited_for_long_is_left_to_a_look_that_goes_all_the_way(
    app, sub_merchant, receivers
):
    with frozen_at(now() - LOOK_BACK * 3):
        make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
        make_event(sub_merchant=sub_merchant)
        since = now() + LOOK_BACK

    with across_tenants("a test looks as couriers do"):
        later = divide_events(Rooms(), since)
        found = divide_events(Rooms(is_closed=True))
        due_later, due = claim_due(Rooms(), now() + LOOK_BACK), claim_due(Rooms())

    assert (later.events, found.events) == (0, 1)
    assert (len(due_later.letters), len(due.letters)) == (0, 1)


def test_what_a_killed_courier_held_is_delivered_when_its_lease_ends(
    app, sub_merchant, receivers, outbound
):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)
    _divide_rest()
    with across_tenants("a test claims and never delivers"):
        assert len(claim_due(Rooms()).letters) == 1

    before = Courier(app, outbound).deliver_due()
    with frozen_at(now() + LEASE + timedelta(seconds=1)):
        after = Courier(app, outbound).deliver_due()

    assert (before["delivered"], after["delivered"]) == (0, 1)


def test_a_failure_is_tried_again_under_the_same_id_at_its_time(
    app, sub_merchant, receivers, outbound
):
    made = make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/flap"))
    make_event(sub_merchant=sub_merchant)
    start = now()

    with frozen_at(start):
        first = Courier(app, outbound).deliver_due()
        [failed] = deliveries()
    with frozen_at(start + timedelta(seconds=3)):
        too_soon = Courier(app, outbound).deliver_due()
    with frozen_at(start + timedelta(seconds=7)):
        second = Courier(app, outbound).deliver_due()

    assert [first["failed"], too_soon["delivered"], second["delivered"]] == [1, 0, 1]
    assert failed.next_try_at is not None
    assert 4 <= (failed.next_try_at - start).total_seconds() <= 6.001
    one, two = receivers.arrivals
    assert one.event_id == two.event_id
    assert one.headers["webhook-timestamp"] != two.headers["webhook-timestamp"]
    assert endpoint_now(made).failing_since is None


def test_after_the_last_try_it_is_given_up(app, sub_merchant, receivers, outbound):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/status/500"))
    make_event(sub_merchant=sub_merchant)
    moment = now()

    for _ in range(12):
        with frozen_at(moment):
            Courier(app, outbound).deliver_due()
        moment = deliveries()[0].next_try_at or moment

    [delivery] = deliveries()
    assert (delivery.state, delivery.tries) == (DeliveryState.GIVEN_UP, 10)
    assert len(receivers.arrivals) == 10


def test_a_refused_connection_is_said_in_words(app, sub_merchant, outbound):
    url = f"http://{HOST}:{free_port()}/"
    make_endpoint(sub_merchant=sub_merchant, url=url)
    make_event(sub_merchant=sub_merchant)

    with frozen_at(now()):  # the next try is never due
        Courier(app, outbound).deliver_due()

    [attempt] = attempts()
    assert (attempt.status, attempt.problem) == (None, "The connection was refused.")


@pytest.mark.parametrize("path", ["/never", "/drip"])
def test_whoever_keeps_us_waiting_is_left_at_the_deadline(
    app, sub_merchant, receivers, hasty, path
):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url(path))
    make_event(sub_merchant=sub_merchant)

    started = time.monotonic()
    with frozen_at(now()):  # the next try is never due
        Courier(app, hasty).deliver_due()

    assert time.monotonic() - started < 4
    [attempt] = attempts()
    assert (attempt.status, attempt.problem) == (None, "No whole answer within 1.5 seconds.")


def test_connections_are_used_again_and_never_shared(app, sub_merchant, receivers, outbound):
    for path in ("/ok/one", "/ok/two"):
        make_endpoint(sub_merchant=sub_merchant, url=receivers.url(path))
    for _ in range(60):
        make_event(sub_merchant=sub_merchant)

    Courier(app, outbound).deliver_due()

    assert len(receivers.arrivals) == 120
    assert 2 <= receivers.connections <= 2 * LANE_WIDTH


def test_a_running_courier_delivers_within_a_second_and_stops(
    app: Flask, sub_merchant, receivers, outbound: Outbound
):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
    stopped = threading.Event()
    thread = threading.Thread(target=Courier(app, outbound).run, args=(stopped,))
    thread.start()
    time.sleep(0.5)

    committed = time.time()
    make_event(sub_merchant=sub_merchant)
    [arrival] = receivers.wait_for(1)
    stopped.set()
    thread.join(10)

    assert arrival.at - committed < 1
    assert not thread.is_alive()
    assert deliveries()[0].state is DeliveryState.DELIVERED


def test_a_courier_that_is_stopped_gives_back_what_it_did_not_send(
    app: Flask, sub_merchant, receivers
):
    make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/never"))
    for _ in range(5):
        make_event(sub_merchant=sub_merchant)
    stopped = threading.Event()
    patient = Outbound(app.config["SETTINGS"].webhook_allowed_networks)
    thread = threading.Thread(target=Courier(app, patient).run, args=(stopped,))
    thread.start()
    receivers.wait_for(1)

    stopped.set()
    thread.join(10)

    assert not thread.is_alive()
    assert [each.claim_token for each in deliveries()] == [None] * 5
    assert all(each.next_try_at and each.next_try_at <= now() for each in deliveries())
