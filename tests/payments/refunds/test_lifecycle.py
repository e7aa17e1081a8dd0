"""A model of a refund's life: any mix of calls, faults and outcomes ends in the ledger's truth."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import hypothesis
import pytest
from hypothesis import HealthCheck
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from config.clock import frozen_at, now
from config.errors import AppError
from partner.simulator.refund_book import BY_HAND
from partner.simulator.refusals import Refusal
from partner.simulator.simulator import Simulator
from payments.orders.queries import get_order
from payments.refunds.apply_abnormal import apply_abnormal
from payments.refunds.models import RefundOrigin, RefundState
from payments.refunds.queries import get_refund
from payments.refunds.request import request_refund
from payments.refunds.states import MOVES
from payments.refunds.sweep import sweep_refunds
from payments.refunds.sync import sync_refund
from submerchants.tenancy import acting_for
from tests.books import all_events, all_orders, all_refunds, inbox
from tests.conftest import PLATFORM_URL, empty_database
from tests.factories.partner import make_partner_of
from tests.factories.refunds import paid_order, refund_request
from tests.factories.submerchants import make_sub_merchant

REPLY_FAULTS = ["lost_answer", "bad_signature", "http_500", "reset", "unsigned", "rate_limit"]
NEWS_FAULTS = [
    "notification_missing",
    "notification_repeated",
    "notification_late",
    "notification_probe",
    "notification_reordered",
    "notification_mchid_form",
]
OUTCOMES = ["SUCCESS", "SUCCESS", "ABNORMAL", "CLOSED", "HOLD", "USER_ACCOUNT_ABNORMAL"]
TOTAL_FEN = 1000
LONG_AFTER = timedelta(hours=2)
LOOKS = 14  # so many parts of one order may wait for their minute


class RefundLife(RuleBasedStateMachine):
    """Tenants, operators, WeChat Pay and bad luck, in any order."""

    simulator: Simulator
    start_afresh: Callable[[], object]  # a process with closed circuit breakers

    def __init__(self):
        super().__init__()
        empty_database()
        self.settle_down()
        self.simulator.clock.set(now())
        self.started = now()
        self.later = timedelta()
        partner = make_partner_of(self.simulator)
        known = self.simulator.facts["sub_merchants"]
        tenants = [make_sub_merchant(partner=partner, **facts) for facts in known[:2]]
        self.orders = [paid_order(self.simulator, one, partner, TOTAL_FEN) for one in tenants]
        self.known_before = {
            one.out_refund_no for one in self.simulator.refunds.refunds(limit=9999)
        }
        self.requests = []
        self.seen = {}

    def settle_down(self):
        self.simulator.faults.clear()
        self.simulator.world.refund_outcomes.set(None)
        for facts in self.simulator.facts["sub_merchants"]:
            self.simulator.world.balances.set(facts["sub_mchid"], None)

    def theirs(self):
        rows = self.simulator.refunds.refunds(limit=9999)
        return [one for one in rows if one.out_refund_no not in self.known_before]

    def now(self):
        return frozen_at(self.started + self.later)

    def ask(self, which, request):
        order = self.orders[which]
        with acting_for(order.sub_merchant_id), self.now(), suppress(AppError):
            request_refund(order=get_order(order.id), request=request)

    @rule(which=st.integers(0, 1), amount=st.integers(1, TOTAL_FEN))
    def ask_for_a_refund(self, which, amount):
        self.requests.append((which, refund_request(amount)))
        self.ask(*self.requests[-1])

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def ask_again(self, data):
        self.ask(*data.draw(st.sampled_from(self.requests)))

    @precondition(lambda self: bool(all_refunds()))
    @rule(data=st.data(), action=st.sampled_from([sync_refund, apply_abnormal]))
    def look_after(self, data, action):
        refund = data.draw(st.sampled_from(all_refunds()))
        with acting_for(refund.sub_merchant_id), self.now(), suppress(AppError):
            action(get_refund(refund.id))

    @rule(which=st.integers(0, 1), amount=st.integers(1, TOTAL_FEN))
    def refund_by_hand(self, which, amount):
        order = self.orders[which]
        url = f"{PLATFORM_URL}/notify/wechatpay/{order.sp_mchid}"
        with suppress(Refusal):
            self.simulator.refund_by_hand(order.out_trade_no, amount, notify_url=url)

    @rule(outcome=st.sampled_from(OUTCOMES))
    def refunds_will_end_as(self, outcome):
        self.simulator.world.refund_outcomes.set(outcome)

    @rule(which=st.integers(0, 1), left=st.sampled_from([0, 300, None]))
    def the_balance_changes(self, which, left):
        self.simulator.world.balances.set(self.orders[which].sub_mchid, left)

    @rule()
    def news_arrive(self):
        self.simulator.world.refund_life.settle_due()
        self.simulator.notifier.deliver_due()

    @rule(seconds=st.sampled_from([6, 62, 400, 4_000, 700_000]))
    def time_passes(self, seconds):
        self.later += timedelta(seconds=seconds)
        self.simulator.clock.set(self.started + self.later)

    @rule()
    def sweep(self):
        with self.now():
            sweep_refunds()

    @rule(kind=st.sampled_from(REPLY_FAULTS))
    def an_answer_goes_wrong(self, kind):
        self.simulator.faults.add(kind, path="/v3/refund")

    @rule(kind=st.sampled_from(NEWS_FAULTS))
    def news_go_wrong(self, kind):
        self.simulator.faults.add(kind)

    @invariant()
    def states_move_as_the_table_says(self):
        for refund in all_refunds():
            before = self.seen.get(refund.id, refund.state)
            reachable = {before} | MOVES[before]
            two_moves = reachable | {after for one in reachable for after in MOVES[one]}
            assert refund.state in two_moves
            self.seen[refund.id] = refund.state

    @invariant()
    def an_order_holds_what_its_refunds_say(self):
        refunds = all_refunds()
        for order in all_orders():
            of_it = [one for one in refunds if one.order_id == order.id]
            held = [one for one in of_it if one.state is not RefundState.CLOSED]
            back = [one for one in of_it if one.state is RefundState.SUCCEEDED]
            assert order.refund_reserved_fen == sum(one.amount_fen for one in held)
            assert order.refund_count == len(held)
            assert order.refunded_fen == sum(one.amount_fen for one in back) <= TOTAL_FEN

    @invariant()
    def one_request_is_one_refund_there_at_most(self):
        by_api = [one for one in self.theirs() if one.origin != BY_HAND]
        assert len(by_api) <= len(self.requests)
        assert {one.out_refund_no for one in by_api} <= {one.out_refund_no for one in all_refunds()}

    @invariant()
    def nothing_is_told_twice_or_before_it_is_true(self):
        told = [event.object_id for event in all_events("refund.succeeded")]
        back = [one.id for one in all_refunds() if one.state is RefundState.SUCCEEDED]
        true = {one.out_refund_no for one in self.theirs() if one.status == "SUCCESS"}
        assert sorted(told) == sorted(back)
        assert {one.out_refund_no for one in all_refunds() if one.id in back} <= true

    def teardown(self):
        self.settle_down()
        self.start_afresh()
        for _ in range(LOOKS):
            self.later += LONG_AFTER
            self.simulator.clock.set(self.started + self.later)
            self.sweep()
            self.news_arrive()
        theirs = {one.out_refund_no: one.status for one in self.theirs()}
        for refund in all_refunds():
            assert refund.state is not RefundState.REQUESTED
            assert refund.status == theirs.get(refund.out_refund_no)
        unheard = set(theirs) - {one.out_refund_no for one in all_refunds()}
        by_hand = {one.out_refund_no for one in self.theirs() if one.origin == BY_HAND}
        assert unheard <= by_hand  # whose only notification was lost; the bill will tell
        made_here = [one for one in all_refunds() if one.origin is RefundOrigin.HERE]
        assert len(made_here) <= len(self.requests)
        assert all(entry.state.value in ("APPLIED", "REDUNDANT") for entry in inbox())


@pytest.mark.sqlite_only
def test_any_life_of_a_refund_ends_in_the_truth(applications, settings, app, simulator):
    bound = {"simulator": simulator, "start_afresh": lambda _self: applications.get(settings)}
    machine = type("BoundRefundLife", (RefundLife,), bound)

    run_state_machine_as_test(
        machine,
        settings=hypothesis.settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
