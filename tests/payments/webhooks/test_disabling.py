"""An endpoint that fails for days is disabled aloud; one that is gone, at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from config.audit import AuditEntry
from config.clock import frozen_at, now
from config.database import db
from payments.webhooks.courier import Courier
from payments.webhooks.endpoints import change_endpoint
from payments.webhooks.forget import KEPT_FOR, forget_old_deliveries
from payments.webhooks.models import DeliveryState, EndpointState
from payments.webhooks.record import FAILING_DAYS
from submerchants.tenancy import acting_for
from tests.factories.webhooks import (
    attempts,
    deliveries,
    endpoint_now,
    make_endpoint,
    make_event,
)

pytestmark = pytest.mark.usefixtures("loopback")


def test_the_first_failure_is_remembered_until_a_receipt(app, sub_merchant, receivers, outbound):
    made = make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/status/503"))
    start = now()
    for hours in (0, 1):
        with frozen_at(start + timedelta(hours=hours)):
            make_event(sub_merchant=sub_merchant)
            Courier(app, outbound).deliver_due()
    failing = endpoint_now(made).failing_since

    with acting_for(sub_merchant.id):
        change_endpoint(endpoint_now(made), url=receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)
    Courier(app, outbound).deliver_due()

    assert failing == start
    assert endpoint_now(made).failing_since is None


def test_after_five_days_without_a_receipt_it_is_disabled_and_everybody_told(
    app, sub_merchant, receivers, outbound
):
    start = now()
    with frozen_at(start):
        made = make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/status/500"))
        make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
        make_event(sub_merchant=sub_merchant)
        Courier(app, outbound).deliver_due()
    before = endpoint_now(made).state

    with frozen_at(start + timedelta(days=FAILING_DAYS)):
        make_event(sub_merchant=sub_merchant)
        Courier(app, outbound).deliver_due()

    disabled = endpoint_now(made)
    trail = db.session.scalars(
        select(AuditEntry).where(AuditEntry.action == "webhook_endpoint.disabled")
    ).all()
    assert (before, disabled.state) == (EndpointState.ENABLED, EndpointState.DISABLED)
    assert "Answered 500" in (disabled.disabled_reason or "")
    assert [(entry.object_id, entry.tenant_id) for entry in trail] == [
        (made.endpoint.id, sub_merchant.id)
    ]
    told = [each.event for each in receivers.at("/ok")]
    notice = [event for event in told if event["type"] == "webhook_endpoint.disabled"]
    assert [event["data"]["id"] for event in notice] == [made.endpoint.id]
    assert "500" in notice[0]["data"]["disabled_reason"]


def test_what_waits_for_a_disabled_endpoint_is_given_up(app, sub_merchant, receivers, outbound):
    start = now()
    with frozen_at(start):  # else a machine that stands still for seconds sees the next try too
        made = make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/status/500"))
        make_event(sub_merchant=sub_merchant)
        Courier(app, outbound).deliver_due()
    with acting_for(sub_merchant.id):
        change_endpoint(endpoint_now(made), state=EndpointState.DISABLED)

    with frozen_at(start + timedelta(minutes=1)):
        Courier(app, outbound).deliver_due()

    assert [each.state for each in deliveries()] == [DeliveryState.GIVEN_UP]
    assert len(receivers.arrivals) == 1


def test_a_receiver_that_is_gone_is_not_called_again(app, sub_merchant, receivers, outbound):
    made = make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/status/410"))
    make_event(sub_merchant=sub_merchant)

    Courier(app, outbound).deliver_due()
    with frozen_at(now() + timedelta(days=2)):
        Courier(app, outbound).deliver_due()

    [delivery] = deliveries()
    assert (delivery.state, delivery.tries) == (DeliveryState.GIVEN_UP, 1)
    assert endpoint_now(made).state is EndpointState.DISABLED
    assert "410" in (endpoint_now(made).disabled_reason or "")
    assert len(receivers.arrivals) == 1


def test_old_deliveries_are_forgotten_with_their_tries(app, sub_merchant, receivers, outbound):
    moment = now()
    with frozen_at(moment - KEPT_FOR - timedelta(days=1)):
        make_endpoint(sub_merchant=sub_merchant, url=receivers.url("/ok"))
        make_event(sub_merchant=sub_merchant)
        Courier(app, outbound).deliver_due()
    make_event(sub_merchant=sub_merchant)
    Courier(app, outbound).deliver_due()

    figures = forget_old_deliveries()

    assert figures == {"forgotten": 1}
    assert [each.delivery_id for each in attempts()] == [each.id for each in deliveries()]
    assert len(deliveries()) == 1
    assert timedelta(days=30) <= KEPT_FOR
