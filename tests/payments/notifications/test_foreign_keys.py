"""WeChat Pay's key for one provider proves nothing to another, under its own name or a borrowed
one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.clock import frozen_at, now
from config.database import db, release
from partner.models import Partner, PlatformKeyRefresh, RefreshState
from partner.platform_keys import refresh, wechatpay_keys
from partner.simulator.simulator import Simulator
from payments.errors import WeChatPayOutcomeUnknown
from payments.orders.models import Order, OrderState
from payments.orders.sync import sync_order
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.books import all_orders, everything, inbox, order_now
from tests.factories.partner import make_further_partner
from tests.factories.payments import place_order

own_or_foreign_serial = pytest.mark.parametrize("own_serial", [True, False])


@pytest.fixture(scope="module")
def simulator_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of this room's own: what is rotated here stays rotated."""
    return tmp_path_factory.mktemp("foreign")


@pytest.fixture
def other_partner(simulator: Simulator) -> Partner:
    """Another provider, whose keys are known here as well."""
    return make_further_partner(simulator)


@pytest.fixture
def order(sub_merchant: SubMerchant, partner: Partner, other_partner: Partner) -> Order:
    return place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=1800)


def books() -> dict[str, list[tuple[Any, ...]]]:
    """Every row, but for the note that an unknown serial leaves: it asks for newer keys."""
    release()
    rows = everything()
    del rows[PlatformKeyRefresh.__tablename__]
    return rows


def tries_of_the_notification(simulator: Simulator) -> list[tuple[str, int | None]]:
    """How each try was signed, and what we answered."""
    (notification,) = simulator.outbox.listed()
    return [(one["signature"], one["status"]) for one in notification["tries"]]


@own_or_foreign_serial
def test_a_notification_signed_with_another_provider_s_key_is_turned_away_and_changes_nothing(
    simulator: Simulator, order: Order, own_serial: bool
) -> None:
    simulator.faults.add("notification_foreign_key", own_serial=own_serial)
    before = books()

    simulator.pay(order.out_trade_no)
    simulator.notifier.deliver_due()

    assert tries_of_the_notification(simulator) == [("foreign", 401)]
    assert books() == before
    assert inbox() == []
    assert order_now(order).state is OrderState.PENDING


@own_or_foreign_serial
def test_its_repeat_with_the_right_key_is_applied(
    simulator: Simulator, order: Order, own_serial: bool
) -> None:
    simulator.faults.add("notification_foreign_key", own_serial=own_serial)
    simulator.pay(order.out_trade_no)
    simulator.notifier.deliver_due()

    simulator.clock.advance(16)
    simulator.notifier.deliver_due()

    assert tries_of_the_notification(simulator) == [("foreign", 401), ("genuine", 204)]
    assert order_now(order).state is OrderState.PAID


@own_or_foreign_serial
def test_an_answer_signed_with_another_provider_s_key_is_not_believed_and_changes_nothing(
    simulator: Simulator, order: Order, own_serial: bool
) -> None:
    simulator.pay(order.out_trade_no)
    simulator.faults.add("foreign_key", own_serial=own_serial, times=None)
    before = books()

    with acting_for(order.sub_merchant_id), pytest.raises(WeChatPayOutcomeUnknown):
        sync_order(order)

    assert books() == before
    assert order_now(order).state is OrderState.PENDING
    simulator.faults.clear()
    with acting_for(order.sub_merchant_id):
        assert sync_order(order).state is OrderState.PAID


@own_or_foreign_serial
def test_an_order_whose_opening_was_answered_with_another_provider_s_key_is_not_open_here(
    simulator: Simulator,
    sub_merchant: SubMerchant,
    partner: Partner,
    other_partner: Partner,
    own_serial: bool,
) -> None:
    simulator.faults.add("foreign_key", own_serial=own_serial, times=None)

    with pytest.raises(WeChatPayOutcomeUnknown):
        place_order(sub_merchant=sub_merchant, partner=partner)

    (waiting,) = all_orders()
    assert (waiting.state, waiting.prepay_id) == (OrderState.CREATED, None)
    assert simulator.ledger.order_numbers() == [waiting.out_trade_no]


@own_or_foreign_serial
def test_certificates_that_come_with_another_provider_s_signature_are_not_taken(
    simulator: Simulator, partner: Partner, other_partner: Partner, own_serial: bool
) -> None:
    held = [key.serial for key in wechatpay_keys(partner.id)]
    simulator.rotate_platform_certificate(partner.sp_mchid)
    simulator.faults.add("foreign_key", path="/v3/certificates", own_serial=own_serial, times=None)

    fetched = refresh(partner)

    assert fetched.state is RefreshState.FAILED
    assert [key.serial for key in wechatpay_keys(partner.id)] == held


def test_a_foreign_serial_asks_for_the_provider_s_own_certificates_once(
    simulator: Simulator, order: Order, partner: Partner, other_partner: Partner
) -> None:
    simulator.faults.add("notification_foreign_key")
    moment = now()

    with frozen_at(moment):
        simulator.pay(order.out_trade_no)
        simulator.notifier.deliver_due()

    asked = {}
    for each in (partner, other_partner):
        row = db.session.get(PlatformKeyRefresh, each.id, populate_existing=True)
        asked[each.sp_mchid] = row and row.asked_at
    assert asked == {partner.sp_mchid: moment, other_partner.sp_mchid: None}


def test_each_provider_s_calls_are_proved_by_its_own_keys(
    simulator: Simulator, partner: Partner, other_partner: Partner
) -> None:
    fetched = {each.sp_mchid: refresh(each) for each in (partner, other_partner)}

    assert {each.state for each in fetched.values()} == {RefreshState.DONE}
    assert not {*fetched[partner.sp_mchid].serials} & {*fetched[other_partner.sp_mchid].serials}
