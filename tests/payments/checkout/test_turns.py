"""One payable number at a time, whoever comes, however many at once, and wherever it is cut off."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from config.clock import frozen_at, now
from config.database import changed_rows, db, transaction
from partner.simulator.simulator import Simulator
from payments.checkout.errors import CannotBePaid, LinkBusy, LinkNotPayable, TooManyPayers
from payments.checkout.links import cancel_link
from payments.checkout.models import CheckoutAttempt, CheckoutLink
from payments.checkout.standing import LinkState
from payments.checkout.turns import MAX_TURNS, PLACING
from payments.errors import WeChatPayOutcomeUnknown, WeChatPayRefused
from payments.orders.models import Order, OrderState
from payments.orders.place import pay_params
from payments.orders.sync import close_order
from submerchants.tenancy import acting_for
from tests.factories.checkout import Shop
from tests.factories.payments import place_order
from tests.together import at_once

OPEN = "/v3/pay/partner/transactions/jsapi"
CLOSE = "/v3/pay/partner/transactions/out-trade-no"
LATER = PLACING + timedelta(seconds=1)


def openid(simulator: Simulator, person: str) -> str:
    return simulator.people.openid(simulator.facts["sp_appid"], person)


def open_there(simulator: Simulator) -> list[str]:
    """The numbers WeChat Pay would let somebody pay."""
    return [one.out_trade_no for one in simulator.ledger.orders() if one.trade_state == "NOTPAY"]


def test_one_payer_has_one_order_however_often_they_tap(shop: Shop, simulator: Simulator) -> None:
    link = shop.link()

    orders = [shop.take_turn(link, openid(simulator, "first")) for _ in range(3)]

    assert len({order.id for order in orders}) == 1
    assert open_there(simulator) == [orders[0].out_trade_no]
    assert shop.standing(link).state is LinkState.PENDING


def test_a_second_payers_number_is_taken_only_after_the_first_is_closed(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link(merchant_order_no="A1")
    first = shop.take_turn(link, openid(simulator, "first"))

    second = shop.take_turn(link, openid(simulator, "second"))
    third = shop.take_turn(link, openid(simulator, "first"))

    assert open_there(simulator) == [third.out_trade_no]
    assert [order.merchant_order_no for order in (first, second, third)] == ["A1", "A1*2", "A1*3"]
    states = {order.merchant_order_no: order.state for order in shop.orders()}
    assert states == {
        "A1": OrderState.CLOSED,
        "A1*2": OrderState.CLOSED,
        "A1*3": OrderState.PENDING,
    }


def test_nothing_new_is_placed_while_it_is_not_known_that_the_old_one_is_closed(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    first = shop.take_turn(link, openid(simulator, "first"))
    simulator.faults.add("timeout", path=CLOSE, method="POST", times=None)

    with pytest.raises(WeChatPayOutcomeUnknown):
        shop.take_turn(link, openid(simulator, "second"))

    assert [order.id for order in shop.orders()] == [first.id]
    simulator.faults.clear()
    second = shop.take_turn(link, openid(simulator, "second"))
    assert open_there(simulator) == [second.out_trade_no]


def test_money_that_was_faster_than_the_second_payer_ends_the_link(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    first = shop.take_turn(link, openid(simulator, "first"))
    simulator.pay(first.out_trade_no)  # and nobody has told us yet

    with pytest.raises(LinkNotPayable):
        shop.take_turn(link, openid(simulator, "second"))

    assert shop.standing(link).state is LinkState.PAID
    assert open_there(simulator) == []
    assert len(shop.orders()) == 1


def test_of_many_payers_at_once_one_has_a_payable_number(
    app: Flask, shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    first = shop.take_turn(link, openid(simulator, "first"))
    people = itertools.count()

    def comes() -> str | None:
        who = openid(simulator, f"payer{next(people)}")
        try:
            return shop.take_turn(link, who).out_trade_no
        except LinkBusy:
            return None

    came = at_once(app, 6, comes)

    payable = open_there(simulator)
    assert len(payable) <= 1
    assert first.out_trade_no not in payable
    assert set(payable) <= {number for number in came if number}
    again = shop.take_turn(link, _payer_in_force(shop, link))
    assert open_there(simulator) == [again.out_trade_no]


def _payer_in_force(shop: Shop, link: CheckoutLink) -> str:
    turn = shop.standing(link).turn
    assert turn is not None
    return turn.attempt.openid


def test_many_payers_of_a_fresh_link_at_once_place_one_order(
    app: Flask, shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    people = itertools.count()

    def comes() -> bool:
        try:
            shop.take_turn(link, openid(simulator, f"payer{next(people)}"))
        except LinkBusy:
            return False
        return True

    came = at_once(app, 6, comes)

    assert any(came)
    assert len(open_there(simulator)) == 1


def test_the_same_payer_on_two_phones_at_once_has_one_order(
    app: Flask, shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    who = openid(simulator, "first")

    def comes() -> str | None:
        try:
            return shop.take_turn(link, who).id
        except LinkBusy:
            return None

    came = at_once(app, 4, comes)

    assert len({order_id for order_id in came if order_id}) == 1
    assert len(simulator.ledger.orders()) == 1


def test_a_turn_cut_off_before_its_order_is_waited_for_and_then_passed_on(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    with acting_for(shop.sub_merchant.id), transaction() as session:
        changed_rows(update(CheckoutLink).where(CheckoutLink.id == link.id).values(attempts=1))
        session.add(
            CheckoutAttempt(
                id="att_1",
                sub_merchant_id=link.sub_merchant_id,
                link_id=link.id,
                number=1,
                openid=openid(simulator, "first"),
                created_at=now(),
            )
        )

    with pytest.raises(LinkBusy):
        shop.take_turn(link, openid(simulator, "second"))
    with frozen_at(now() + LATER):
        second = shop.take_turn(link, openid(simulator, "second"))

    assert second.merchant_order_no == f"{link.merchant_order_no}*2"
    assert open_there(simulator) == [second.out_trade_no]


def test_an_order_whose_opening_went_unanswered_is_closed_before_the_next_payers(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    simulator.faults.add("lost_answer", path=OPEN, times=None)
    with pytest.raises(WeChatPayOutcomeUnknown):
        shop.take_turn(link, openid(simulator, "first"))
    simulator.faults.clear()
    assert len(open_there(simulator)) == 1  # it did arrive

    with pytest.raises(LinkBusy):
        shop.take_turn(link, openid(simulator, "second"))
    with frozen_at(now() + LATER):
        second = shop.take_turn(link, openid(simulator, "second"))

    assert open_there(simulator) == [second.out_trade_no]


def test_after_a_lost_answer_the_same_payer_goes_on_with_the_same_order(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    simulator.faults.add("lost_answer", path=OPEN, times=None)
    with pytest.raises(WeChatPayOutcomeUnknown):
        shop.take_turn(link, openid(simulator, "first"))
    simulator.faults.clear()

    order = shop.take_turn(link, openid(simulator, "first"))

    with acting_for(shop.sub_merchant.id):
        assert pay_params(order)["paySign"]
    assert [one.out_trade_no for one in simulator.ledger.orders()] == [order.out_trade_no]


def test_a_refused_order_is_asked_for_again_under_its_number(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    sub = simulator.facts["sub_merchants"][0]
    simulator.register(sub_merchants=[{**sub, "permissions": ["NATIVE"]}])
    with pytest.raises(WeChatPayRefused):
        shop.take_turn(link, openid(simulator, "first"))

    simulator.register(sub_merchants=[{**sub, "permissions": ["JSAPI", "NATIVE"]}])
    order = shop.take_turn(link, openid(simulator, "first"))

    with acting_for(shop.sub_merchant.id):
        pay_params(order)
    assert open_there(simulator) == [order.out_trade_no]
    assert len(shop.orders()) == 1


def test_an_order_closed_by_its_merchant_cancels_the_link(shop: Shop, simulator: Simulator) -> None:
    link = shop.link()
    order = shop.take_turn(link, openid(simulator, "first"))
    with acting_for(shop.sub_merchant.id):
        close_order(order)

    for person in ("first", "second"):
        with pytest.raises(LinkNotPayable):
            shop.take_turn(link, openid(simulator, person))

    assert shop.standing(link).state is LinkState.CANCELLED
    assert open_there(simulator) == []


def test_the_merchants_own_order_of_that_number_ends_the_link_and_is_left_alone(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link(merchant_order_no="A1")
    own = place_order(sub_merchant=shop.sub_merchant, partner=shop.partner, merchant_order_no="A1")

    with pytest.raises(CannotBePaid):
        shop.take_turn(link, openid(simulator, "first"))
    with frozen_at(now() + LATER), pytest.raises(LinkNotPayable):
        shop.take_turn(link, openid(simulator, "second"))

    assert shop.standing(link).state is LinkState.CANCELLED
    assert open_there(simulator) == [own.out_trade_no]


def test_a_cancelled_link_places_nothing_and_closes_what_is_open(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    shop.take_turn(link, openid(simulator, "first"))

    with acting_for(shop.sub_merchant.id):
        standing = cancel_link(link)

    assert standing.state is LinkState.CANCELLED
    assert open_there(simulator) == []
    with pytest.raises(LinkNotPayable):
        shop.take_turn(link, openid(simulator, "second"))


def test_a_cancelling_that_wechat_pay_did_not_answer_is_finished_by_repeating_it(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link()
    order = shop.take_turn(link, openid(simulator, "first"))
    simulator.faults.add("timeout", path=CLOSE, method="POST", times=None)
    with acting_for(shop.sub_merchant.id):
        with pytest.raises(WeChatPayOutcomeUnknown):
            cancel_link(link)
        assert open_there(simulator) == [order.out_trade_no]
        simulator.faults.clear()

        standing = cancel_link(link)

    assert standing.state is LinkState.CANCELLED
    assert open_there(simulator) == []


def test_an_expired_link_is_paid_only_by_money_that_was_on_its_way(
    shop: Shop, simulator: Simulator
) -> None:
    link = shop.link(expires_at=now() + timedelta(minutes=5))
    order = shop.take_turn(link, openid(simulator, "first"))
    simulator.pay(order.out_trade_no)

    with frozen_at(now() + timedelta(minutes=6)):
        assert shop.standing(link).state is LinkState.EXPIRED
        with pytest.raises(LinkNotPayable):
            shop.take_turn(link, openid(simulator, "second"))
        simulator.notifier.deliver_due()
        assert shop.standing(link).state is LinkState.PAID


def test_money_for_a_turn_long_over_still_ends_the_link(shop: Shop, simulator: Simulator) -> None:
    link = shop.link()
    first = shop.take_turn(link, openid(simulator, "first"))
    shop.take_turn(link, openid(simulator, "second"))
    with acting_for(shop.sub_merchant.id), transaction():
        late = update(Order).where(Order.id == first.id)
        changed_rows(late.values(state=OrderState.PAID, paid_at=now()))

    standing = shop.standing(link)

    assert standing.state is LinkState.PAID
    assert standing.order is not None
    assert standing.order.id == first.id


@pytest.mark.sqlite_only
def test_a_link_does_not_go_from_hand_to_hand_for_ever(shop: Shop, simulator: Simulator) -> None:
    link = shop.link()
    shop.take_turn(link, openid(simulator, "first"))
    with acting_for(shop.sub_merchant.id), transaction():
        changed_rows(
            update(CheckoutLink).where(CheckoutLink.id == link.id).values(attempts=MAX_TURNS)
        )
        changed_rows(update(CheckoutAttempt).values(number=MAX_TURNS))
    db.session.expire_all()

    with pytest.raises(TooManyPayers):
        shop.take_turn(link, openid(simulator, "second"))

    assert open_there(simulator) == []
