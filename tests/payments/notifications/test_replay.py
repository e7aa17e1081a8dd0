"""Working an inbox entry again: the same checks, never past them."""

import base64
import json
from datetime import timedelta

import pytest
from sqlalchemy import update

from config.clock import frozen_at, now
from config.database import changed_rows, transaction
from config.errors import NotFound
from payments.notifications.models import InboxEntry, InboxState
from payments.notifications.replay import (
    MAX_ATTEMPTS,
    PAUSE,
    NothingToReplay,
    due_after,
    replay,
    replay_kept,
)
from payments.orders.models import OrderState
from payments.orders.sync import sync_order
from submerchants.tenancy import acting_for
from tests.books import all_events, audit_actions, inbox, order_now
from tests.conftest import PLATFORM_URL
from tests.factories.payments import make_order, place_order
from tests.genuine import notify, paid_content


def test_a_quarantined_payment_is_applied_once_our_books_are_right(
    client, simulator, sub_merchant, partner
):
    order = place_order(sub_merchant=sub_merchant, partner=partner)
    missing = paid_content(order, out_trade_no="T20260301late000000000000000")
    notify(client, simulator, missing)
    late = make_order(
        sub_merchant=sub_merchant,
        amount_fen=order.amount_fen,
        sp_mchid=order.sp_mchid,
        sp_appid=order.sp_appid,
        sub_appid=order.sub_appid,
        out_trade_no="T20260301late000000000000000",
    )

    entry = replay(inbox()[0].id)

    assert entry.state is InboxState.APPLIED
    assert order_now(late).state is OrderState.PAID
    assert len(all_events("order.paid")) == 1


def test_a_replay_forces_nothing(client, simulator, sub_merchant, partner):
    order = place_order(sub_merchant=sub_merchant, partner=partner)
    notify(client, simulator, paid_content(order, sub_mchid="1699999999"))

    entry = replay(inbox()[0].id)

    assert entry.state is InboxState.QUARANTINED
    assert order_now(order).state is OrderState.PENDING


def test_what_is_settled_is_not_replayed(client, simulator, sub_merchant, partner):
    order = place_order(sub_merchant=sub_merchant, partner=partner)
    notify(client, simulator, paid_content(order))

    with pytest.raises(NothingToReplay):
        replay(inbox()[0].id)


def test_an_entry_that_does_not_exist_is_said_so(app):
    with pytest.raises(NotFound):
        replay("ntf_nothing")


def test_the_job_finds_nothing_when_nothing_is_kept(app):
    assert replay_kept() == {"tried": 0, "settled": 0}


def test_a_number_that_another_order_holds_keeps_its_notification_in_quarantine(
    client, simulator, sub_merchant, partner
):
    first, second = (place_order(sub_merchant=sub_merchant, partner=partner) for _ in range(2))
    content = paid_content(first)
    notify(client, simulator, content)
    notify(client, simulator, paid_content(second, transaction_id=content["transaction_id"]))
    held_back = next(entry for entry in inbox() if entry.state is InboxState.QUARANTINED)

    entry = replay(held_back.id)

    assert (entry.state, entry.attempts) == (InboxState.QUARANTINED, 2)
    assert entry.reason == "another order already holds this transaction_id"
    assert order_now(second).state is OrderState.PENDING


def test_an_entry_whose_replay_always_fails_is_tried_a_limited_number_of_times(
    client, simulator, sub_merchant, partner
):
    order = place_order(sub_merchant=sub_merchant, partner=partner)
    notify(client, simulator, paid_content(order, sub_mchid="1699999999"))
    with transaction():
        changed_rows(update(InboxEntry).values(state=InboxState.KEPT, body="unreadable"))

    with frozen_at(now() + 2 * due_after(MAX_ATTEMPTS)):
        tried = [replay_kept()["tried"] for _ in range(MAX_ATTEMPTS)]

    assert tried == [1] * (MAX_ATTEMPTS - 1) + [0]


@pytest.mark.parametrize("raises", [True, False])
def test_the_last_try_says_once_that_the_entry_is_left_to_a_person(
    client, simulator, sub_merchant, partner, caplog, raises
):
    order = place_order(sub_merchant=sub_merchant, partner=partner)
    notify(client, simulator, paid_content(order, sub_mchid="1699999999"))
    entry = inbox()[0]
    _keep(entry, raises=raises)
    before = _given_up(client)

    with frozen_at(now() + 2 * due_after(MAX_ATTEMPTS)):
        replay_kept()
        said_early = audit_actions(entry.id).count("notification.given_up")
        for _ in range(MAX_ATTEMPTS):
            replay_kept()
    if not raises:
        replay(entry.id)  # a person's try that is in vain too

    told = [one for one in caplog.records if "notification given up" in one.getMessage()]
    assert said_early == 0
    assert audit_actions(entry.id).count("notification.given_up") == 1
    assert [one.levelname for one in told] == ["ERROR"]
    assert entry.id in told[0].getMessage()
    assert _given_up(client) == before + 1


def test_an_entry_that_is_settled_by_its_last_try_is_not_given_up(
    client, simulator, sub_merchant, partner
):
    order = place_order(sub_merchant=sub_merchant, partner=partner)
    notify(client, simulator, paid_content(order, sub_mchid="1699999999"))
    entry = inbox()[0]
    with transaction():
        last = MAX_ATTEMPTS - 1
        changed_rows(update(InboxEntry).values(state=InboxState.KEPT, attempts=last))

    replay(entry.id)

    assert "notification.given_up" not in audit_actions(entry.id)


def test_news_that_must_wait_is_worked_again_after_an_outage_of_half_a_day(
    simulator, sub_merchant, partner
):
    order = place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=1000)
    simulator.faults.add("notification_missing")
    simulator.pay(order.out_trade_no)
    url = f"{PLATFORM_URL}/notify/wechatpay/{partner.sp_mchid}"
    simulator.refund_by_hand(order.out_trade_no, 400, notify_url=url)
    simulator.world.refund_life.settle_due()
    simulator.notifier.deliver_due()
    states = [entry.state for entry in inbox()]
    began = now()

    for minutes in range(1, 12 * 60, 5):
        with frozen_at(began + minutes * PAUSE):
            replay_kept()
    with acting_for(sub_merchant.id):
        sync_order(order)  # WeChat Pay is asked again at last
    with frozen_at(began + timedelta(days=1)):
        replay_kept()

    assert states == [InboxState.KEPT]
    assert order_now(order).refunded_fen == 400


def _keep(entry, *, raises):
    """Keep an entry for good: its replay raises, or no API v3 key opens it."""
    resource = json.loads(entry.body)
    resource["resource"]["ciphertext"] = base64.b64encode(b"sealed with another key").decode()
    body = "unreadable" if raises else json.dumps(resource)
    with transaction():
        changed_rows(update(InboxEntry).values(state=InboxState.KEPT, body=body))


def _given_up(client):
    name = "platform_notifications_given_up_total "
    lines = client.get("/metrics").text.splitlines()
    return float(next(one for one in lines if one.startswith(name)).removeprefix(name))
