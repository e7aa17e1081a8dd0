"""Where a payment begins: recorded first, placed once, whatever answer comes back."""

import json
from datetime import timedelta

import pytest

from config.clock import frozen_at, now
from payments.errors import (
    AppidNotBound,
    CurrencyNotSettled,
    ExpiryOutOfRange,
    OrderConflict,
    PageNotCovered,
    WeChatPayOutcomeUnknown,
    WeChatPayRefused,
)
from payments.orders.create import create_order
from payments.orders.models import OrderState
from payments.orders.place import pay_params
from submerchants.directories.configure import add_directory
from submerchants.tenancy import acting_for
from tests.books import all_orders, audit_actions, order_now
from tests.factories.payments import OPENID, order_request, place_order


def placed(sub_merchant, partner, request):
    with acting_for(sub_merchant.id):
        return create_order(sub_merchant=sub_merchant, partner=partner, request=request)


def test_an_order_is_recorded_and_opened_at_wechat_pay(simulator, sub_merchant, partner):
    order = place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=1880)

    (there,) = simulator.ledger.orders()
    assert (there.out_trade_no, there.sub_mchid, there.total) == (
        order.out_trade_no,
        sub_merchant.sub_mchid,
        1880,
    )
    assert order.state is OrderState.PENDING
    assert order.prepay_id == there.prepay_id
    assert audit_actions(order.id) == ["order.created", "order.opened"]


def test_the_same_request_again_is_the_same_order(simulator, sub_merchant, partner):
    request = order_request()
    first = placed(sub_merchant, partner, request)

    second = placed(sub_merchant, partner, request)

    assert (first.is_new, second.is_new) == (True, False)
    assert second.order.id == first.order.id
    assert simulator.ledger.order_numbers() == [first.order.out_trade_no]


@pytest.mark.parametrize(
    "change",
    [
        {"amount_fen": 1801},
        {"description": "Coffee"},
        {"attach": "x"},
        {"sub_openid": "oOther00000000000000000000001"},
    ],
)
def test_the_same_number_with_other_content_is_a_conflict(simulator, sub_merchant, partner, change):
    first = placed(sub_merchant, partner, order_request(merchant_order_no="A-1"))

    with pytest.raises(OrderConflict):
        placed(sub_merchant, partner, order_request(merchant_order_no="A-1", **change))

    assert simulator.ledger.order_numbers() == [first.order.out_trade_no]


def test_two_tenants_may_use_the_same_number(simulator, sub_merchant, other_sub_merchant, partner):
    request = order_request(merchant_order_no="A-1")

    one = placed(sub_merchant, partner, request)
    two = placed(other_sub_merchant, partner, request)

    assert one.order.out_trade_no != two.order.out_trade_no
    assert len(all_orders()) == 2


def test_numbers_that_differ_in_case_are_different_numbers(sub_merchant, partner):
    placed(sub_merchant, partner, order_request(merchant_order_no="abc"))
    placed(sub_merchant, partner, order_request(merchant_order_no="ABC"))

    assert len(all_orders()) == 2


@pytest.mark.parametrize(
    "fault", ["lost_answer", "bad_signature", "unsigned", "cut_reply", "http_502"]
)
def test_asking_again_after_a_lost_answer_continues_the_same_order(
    simulator, sub_merchant, partner, fault
):
    simulator.faults.add(fault, times=3, path="/v3/pay/partner/transactions/jsapi", work_done=True)
    request = order_request()
    with pytest.raises(WeChatPayOutcomeUnknown):
        placed(sub_merchant, partner, request)
    (waiting,) = all_orders()
    assert waiting.state is OrderState.CREATED

    again = placed(sub_merchant, partner, request)

    assert again.order.state is OrderState.PENDING
    assert simulator.ledger.order_numbers() == [waiting.out_trade_no]


def test_a_refusal_keeps_the_order_and_a_mended_repeat_goes_through(
    simulator, sub_merchant, partner
):
    known = simulator.facts["sub_merchants"][0]
    simulator.register(
        sub_merchants=[{"sub_mchid": known["sub_mchid"], "sub_appid": "wx00000000000000ff"}]
    )
    request = order_request()
    with pytest.raises(WeChatPayRefused) as refused:
        placed(sub_merchant, partner, request)
    assert "APPID_MCHID_NOT_MATCH" in str(refused.value.detail["wechatpay"])
    (kept,) = all_orders()
    assert json.loads(kept.last_refusal or "{}")["code"] == "APPID_MCHID_NOT_MATCH"

    simulator.register(sub_merchants=[known])
    again = placed(sub_merchant, partner, request)

    assert (again.is_new, again.order.state) == (False, OrderState.PENDING)
    assert simulator.ledger.order_numbers() == [kept.out_trade_no]


def test_another_currency_than_the_account_settles_is_refused_here(
    simulator, sub_merchant, partner
):
    with pytest.raises(CurrencyNotSettled):
        placed(sub_merchant, partner, order_request(currency="USD"))

    assert simulator.ledger.order_numbers() == []
    assert all_orders() == []


def test_an_appid_that_is_not_bound_is_refused_here(simulator, sub_merchant, partner):
    with pytest.raises(AppidNotBound):
        placed(sub_merchant, partner, order_request(sub_appid="wx00000000000000ee"))

    assert all_orders() == []


@pytest.mark.parametrize("wait", [timedelta(seconds=30), timedelta(days=8), -timedelta(hours=1)])
def test_an_expiry_out_of_range_is_refused_here(sub_merchant, partner, wait):
    with pytest.raises(ExpiryOutOfRange):
        placed(sub_merchant, partner, order_request(expires_at=now() + wait))


def test_a_repeat_after_its_time_still_answers_the_order(sub_merchant, partner):
    request = order_request(expires_at=now() + timedelta(minutes=5))
    first = placed(sub_merchant, partner, request)

    with frozen_at(now() + timedelta(minutes=6)):
        again = placed(sub_merchant, partner, request)

    assert again.order.id == first.order.id


def test_a_page_that_no_directory_covers_is_refused_with_the_reason(sub_merchant, partner):
    with acting_for(sub_merchant.id):
        add_directory(sub_merchant=sub_merchant, url="https://shop.example.com/pay/")
    request = order_request(page_url="https://shop.example.com/other/page")

    with frozen_at(now() + timedelta(minutes=6)), pytest.raises(PageNotCovered) as refused:
        placed(sub_merchant, partner, request)

    assert "shop.example.com" in str(refused.value)
    assert all_orders() == []


def test_a_prepay_session_is_reused_within_its_two_hours(simulator, sub_merchant, partner):
    order = place_order(sub_merchant=sub_merchant, partner=partner)

    with acting_for(sub_merchant.id), frozen_at(now() + timedelta(minutes=110)):
        params = pay_params(order)

    assert params["package"] == f"prepay_id={order.prepay_id}"
    assert simulator.ledger.orders()[0].prepay_id == order.prepay_id


def test_after_two_hours_the_same_order_is_opened_anew(simulator, sub_merchant, partner):
    order = place_order(sub_merchant=sub_merchant, partner=partner)
    first = order.prepay_id
    later = now() + timedelta(hours=3)
    simulator.clock.set(later)

    with acting_for(sub_merchant.id), frozen_at(later):
        params = pay_params(order)

    assert params["package"] != f"prepay_id={first}"
    assert simulator.ledger.order_numbers() == [order.out_trade_no]
    assert params["package"] == f"prepay_id={order_now(order).prepay_id}"


def test_the_cashier_is_signed_for_the_appid_that_runs_the_page(sub_merchant, partner):
    ours = place_order(
        sub_merchant=sub_merchant, partner=partner, sub_openid=None, sp_openid=OPENID
    )
    theirs = place_order(sub_merchant=sub_merchant, partner=partner)

    with acting_for(sub_merchant.id):
        appids = [pay_params(order)["appId"] for order in (ours, theirs)]

    assert appids == [ours.sp_appid, theirs.sub_appid]
