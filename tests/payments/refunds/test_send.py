"""One refund, one number: whatever becomes of a call, the same bytes go again or none do."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from config.clock import frozen_at, now
from config.database import changed_rows, db, transaction
from config.vault import Secret
from partner.gateway import look_again
from partner.models import MerchantKey, Partner
from payments.errors import WeChatPayOutcomeUnknown, WeChatPayRefused
from payments.refunds.models import RefundState, Waiting
from payments.refunds.pace import REFUSED_REQUESTS
from payments.refunds.refusals import RefundExceedsBalance, RefundsTooFast
from payments.refunds.schedule import FUNDS_PATIENCE
from payments.refunds.sweep import sweep_refunds
from payments.refunds.sync import sync_refund
from submerchants.tenancy import acting_for
from tests.books import all_events, all_refunds, audit_actions, order_now, refund_now
from tests.factories.partner import private_key_pem
from tests.factories.refunds import ask_for, paid_order
from tests.together import at_once

APPLY = {"path": "/v3/refund", "method": "POST"}
SOON = timedelta(seconds=40)


def refusal_code(error):
    """WeChat Pay's code, as an error passes it on."""
    return error.detail["wechatpay"]["code"]


@pytest.fixture
def order(simulator, sub_merchant, partner):
    return paid_order(simulator, sub_merchant, partner, amount_fen=1000)


def balance(simulator, order, amount_fen):
    simulator.world.balances.set(order.sub_mchid, amount_fen)


def payers_are_gone(simulator):
    simulator.world.refund_outcomes.set("USER_ACCOUNT_ABNORMAL")


def sweep(simulator, wait):
    """What the sweep does after this long."""
    simulator.clock.set(now() + wait)
    with frozen_at(now() + wait):
        return sweep_refunds()


def numbers(simulator):
    return simulator.refunds.refund_numbers()


@pytest.mark.parametrize(
    "fault", ["lost_answer", "bad_signature", "unsigned", "cut_reply", "http_500", "http_502"]
)
def test_a_refund_whose_answer_was_lost_is_found_by_its_number(simulator, order, fault):
    simulator.faults.add(fault, work_done=True, **APPLY)
    with pytest.raises(WeChatPayOutcomeUnknown):
        ask_for(order, 300)
    (waiting,) = all_refunds()
    assert (waiting.state, waiting.waiting) == (RefundState.REQUESTED, Waiting.ANSWER)
    assert order_now(order).refund_reserved_fen == 300

    sweep(simulator, SOON)

    assert refund_now(waiting).state is RefundState.PROCESSING
    assert numbers(simulator) == [waiting.out_refund_no]


def test_a_refund_that_never_arrived_is_sent_again_to_the_byte(simulator, order):
    simulator.faults.add("reset", **APPLY)
    with pytest.raises(WeChatPayOutcomeUnknown):
        ask_for(order, 300)
    (waiting,) = all_refunds()

    sweep(simulator, SOON)

    (there,) = simulator.refunds.refunds()
    assert refund_now(waiting).state is RefundState.PROCESSING
    assert there.out_refund_no == waiting.out_refund_no
    assert json.loads(there.parameters) == json.loads(str(waiting.request_body))


def test_asking_again_after_a_lost_answer_continues_the_same_refund(simulator, order):
    simulator.faults.add("lost_answer", **APPLY)
    with pytest.raises(WeChatPayOutcomeUnknown):
        ask_for(order, 300, merchant_refund_no="A")

    again = ask_for(order, 300, merchant_refund_no="A")

    assert (again.is_new, again.refund.state) == (False, RefundState.PROCESSING)
    assert numbers(simulator) == [again.refund.out_refund_no]
    assert order_now(order).refund_reserved_fen == 300


def test_a_process_that_died_before_its_call_is_made_up_for(simulator, order):
    # All that a dead process leaves is the row it committed before the call.
    simulator.faults.add("reset", **APPLY)
    with pytest.raises(WeChatPayOutcomeUnknown):
        ask_for(order, 300)
    (row,) = all_refunds()

    figures = sweep(simulator, SOON)

    assert figures == {"asked": 1, "processing": 1}
    assert numbers(simulator) == [row.out_refund_no]


def test_without_funds_the_refund_waits_and_goes_when_there_are_some(simulator, order):
    balance(simulator, order, 0)
    asked = ask_for(order, 300)
    waiting = refund_now(asked.refund)
    assert (waiting.state, waiting.waiting) == (RefundState.REQUESTED, Waiting.FUNDS)
    assert json.loads(str(waiting.last_refusal))["code"] == "NOT_ENOUGH"
    sweep(simulator, timedelta(minutes=2))
    assert refund_now(waiting).waiting is Waiting.FUNDS

    balance(simulator, order, 300)
    sweep(simulator, timedelta(minutes=10))

    assert refund_now(waiting).state is RefundState.PROCESSING
    assert refund_now(waiting).last_refusal is None
    assert numbers(simulator) == [waiting.out_refund_no]


def test_after_seven_days_without_funds_the_money_is_free_again(simulator, order):
    balance(simulator, order, 0)
    refund = ask_for(order, 300).refund

    with frozen_at(now() + FUNDS_PATIENCE):
        sweep_refunds()

    closed = refund_now(refund)
    assert (closed.state, closed.waiting) == (RefundState.CLOSED, None)
    assert order_now(order).refund_reserved_fen == 0
    assert [event.type for event in all_events() if event.type != "order.paid"] == ["refund.closed"]


def test_a_plain_refusal_frees_the_money_and_says_why(simulator, order):
    payers_are_gone(simulator)

    with pytest.raises(WeChatPayRefused) as refused:
        ask_for(order, 300)

    (refund,) = all_refunds()
    assert refusal_code(refused.value) == "USER_ACCOUNT_ABNORMAL"
    assert refund.state is RefundState.CLOSED
    assert json.loads(str(refund.last_refusal))["code"] == "USER_ACCOUNT_ABNORMAL"
    row = order_now(order)
    assert (row.refund_reserved_fen, row.refund_count, row.trade_state) == (0, 0, "SUCCESS")
    assert audit_actions(refund.id) == ["refund.requested", "refund.closed"]


def test_a_refusal_is_not_signed_so_the_number_is_looked_for_once_more(simulator, order):
    payers_are_gone(simulator)
    with pytest.raises(WeChatPayRefused):
        ask_for(order, 300)
    (closed,) = all_refunds()

    sweep(simulator, timedelta(minutes=7))

    assert refund_now(closed).state is RefundState.CLOSED
    assert refund_now(closed).next_check_at is None


def test_a_refusal_that_was_not_true_is_found_out(simulator, order):
    payers_are_gone(simulator)
    with pytest.raises(WeChatPayRefused):
        ask_for(order, 300)
    (closed,) = all_refunds()
    simulator.world.refund_outcomes.set("HOLD")
    simulator.refund_by_hand(order.out_trade_no, 300, out_refund_no=closed.out_refund_no)

    sweep(simulator, timedelta(minutes=7))

    assert refund_now(closed).state is RefundState.PROCESSING
    assert order_now(order).refund_reserved_fen == 300


def test_a_refusal_closes_nothing_while_an_earlier_request_may_still_arrive(simulator, order):
    simulator.faults.add("reset", **APPLY)
    with pytest.raises(WeChatPayOutcomeUnknown):
        ask_for(order, 1000)
    (refund,) = all_refunds()
    payers_are_gone(simulator)

    sweep(simulator, SOON)

    kept = refund_now(refund)
    assert (kept.state, kept.waiting) == (RefundState.REQUESTED, Waiting.ANSWER)
    assert order_now(order).refund_reserved_fen == 1000
    with pytest.raises(RefundExceedsBalance):
        ask_for(order, 1000)

    sweep(simulator, timedelta(minutes=8))
    assert refund_now(refund).state is RefundState.CLOSED
    assert order_now(order).refund_reserved_fen == 0


def test_a_refusal_of_our_own_signature_closes_nothing(simulator, order, partner):
    with transaction():
        key = db.session.scalars(select(MerchantKey)).one()
        key.private_key = Secret(private_key_pem())
        changed_rows(update(Partner).values(key_revision=Partner.key_revision + 1))
    look_again(partner.id)

    with pytest.raises(WeChatPayRefused) as refused:
        ask_for(order, 300)

    (refund,) = all_refunds()
    assert refusal_code(refused.value) == "SIGN_ERROR"
    assert refund.state is RefundState.REQUESTED
    assert order_now(order).refund_reserved_fen == 300


def test_too_fast_is_not_no(simulator, order):
    simulator.faults.add("rate_limit", **APPLY)

    waiting = refund_now(ask_for(order, 300).refund)

    assert (waiting.state, waiting.waiting) == (RefundState.REQUESTED, Waiting.PACE)
    assert waiting.unanswered_at is not None
    sweep(simulator, SOON)
    assert refund_now(waiting).state is RefundState.PROCESSING


def test_what_waits_for_its_minute_is_sent_by_the_sweep_one_a_minute(simulator, order):
    for _ in range(3):
        ask_for(order, 100)

    states = []
    for minutes in (1, 2, 3):
        sweep(simulator, timedelta(minutes=minutes, seconds=10 * minutes))
        states.append(len(numbers(simulator)))

    assert states == [2, 3, 3]
    assert {refund.waiting for refund in all_refunds()} == {None}


def test_two_sweeps_at_once_send_one_request(app, simulator, order):
    simulator.faults.add("reset", **APPLY)
    with pytest.raises(WeChatPayOutcomeUnknown):
        ask_for(order, 300)

    simulator.clock.advance(40)

    def swept():
        return sweep_refunds()["asked"]

    with frozen_at(now() + SOON):
        asked = at_once(app, 2, swept)

    assert sum(asked) == 1
    assert len(numbers(simulator)) == 1


def test_one_tenants_refusals_do_not_use_up_what_others_need(
    simulator, order, other_sub_merchant, partner
):
    other = paid_order(simulator, other_sub_merchant, partner)
    with transaction():
        for _ in range(REFUSED_REQUESTS.tries):
            assert REFUSED_REQUESTS.spend(order.sub_merchant_id) == 0

    with pytest.raises(RefundsTooFast) as refused:
        ask_for(order, 300)

    assert (refused.value.retry_after_seconds or 0) >= 1
    assert order_now(order).refund_reserved_fen == 0
    assert all_refunds() == []
    assert ask_for(other, 300).refund.state is RefundState.PROCESSING


def test_refunds_that_go_well_are_not_counted(simulator, order, sub_merchant, partner):
    others = [paid_order(simulator, sub_merchant, partner) for _ in range(3)]
    with transaction():
        for _ in range(REFUSED_REQUESTS.tries - 1):
            REFUSED_REQUESTS.spend(order.sub_merchant_id)

    states = {ask_for(one, 300).refund.state for one in others}

    assert states == {RefundState.PROCESSING}


def test_syncing_asks_and_sends_nothing(simulator, order):
    balance(simulator, order, 0)
    refund = ask_for(order, 300).refund
    balance(simulator, order, 1000)

    with acting_for(order.sub_merchant_id):
        synced = sync_refund(refund_now(refund))

    assert synced.state is RefundState.REQUESTED
    assert numbers(simulator) == []


def test_an_answer_about_other_money_is_not_taken(simulator, order):
    refund = ask_for(order, 300).refund
    simulator.world.storage.execute("UPDATE refunds SET refund = 299")

    with acting_for(order.sub_merchant_id):
        synced = sync_refund(refund_now(refund))

    assert synced.state is RefundState.PROCESSING
    assert order_now(order).refunded_fen == 0
