"""A model of the order's life: any mix of calls, faults and payments ends in the ledger's truth."""

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
from config.errors import Conflict
from config.vault import Secret
from partner.simulator.payers import CannotPay
from partner.simulator.simulator import Simulator
from payments.errors import WeChatPayOutcomeUnknown, WeChatPayRefused
from payments.notifications.models import InboxState
from payments.orders.create import create_order
from payments.orders.models import OrderState, TradeType
from payments.orders.place import pay_params
from payments.orders.reverse import reverse_order
from payments.orders.states import MOVES
from payments.orders.sweep import sweep_due
from payments.orders.sync import close_order, sync_order
from submerchants.tenancy import acting_for
from tests.books import all_events, all_orders, inbox
from tests.conftest import empty_database
from tests.factories.partner import make_partner_of
from tests.factories.payments import order_request
from tests.factories.submerchants import make_sub_merchant

REPLY_FAULTS = ["lost_answer", "bad_signature", "http_500", "reset", "unsigned", "cut_reply"]
NEWS_FAULTS = [
    "notification_missing",
    "notification_repeated",
    "notification_late",
    "notification_probe",
    "notification_bad_signature",
    "notification_reordered",
]
ACTIONS = [sync_order, close_order, pay_params, reverse_order]
TRIES = 3  # as often as the client tries by itself
ENDED_UNPAID = {"CLOSED", "REVOKED", "PAYERROR"}
LONG_AFTER = timedelta(days=2)


class OrderLife(RuleBasedStateMachine):
    """Tenants, payers, WeChat Pay and bad luck, in any order."""

    simulator: Simulator
    start_afresh: Callable[[], object]  # a process with closed circuit breakers

    def __init__(self):
        super().__init__()
        empty_database()
        self.simulator.faults.clear()
        self.started = now()
        self.simulator.clock.set(self.started)
        self.later = timedelta()
        partner = make_partner_of(self.simulator)
        known = self.simulator.facts["sub_merchants"]
        self.partner = partner
        self.tenants = [make_sub_merchant(partner=partner, **facts) for facts in known[:2]]
        self.paid = {}
        self.seen = {}
        self.requests = []

    def orders(self):
        return all_orders()

    def act(self, action, order):
        expected = suppress(Conflict, WeChatPayRefused, WeChatPayOutcomeUnknown)
        with acting_for(order.sub_merchant_id), frozen_at(self.started + self.later), expected:
            action(order)

    def pick(self, data):
        return data.draw(st.sampled_from(self.orders()))

    @rule(
        tenant=st.integers(0, 1),
        amount=st.integers(1, 100_000),
        way=st.sampled_from([TradeType.JSAPI, TradeType.NATIVE, TradeType.APP]),
    )
    def place(self, tenant, amount, way):
        payer = {} if way is TradeType.JSAPI else {"sub_openid": None}
        self.ask_for(tenant, order_request(amount_fen=amount, trade_type=way, **payer))

    @rule(
        tenant=st.integers(0, 1),
        amount=st.integers(1, 100_000),
        behaviour=st.sampled_from(["pay", "password", "decline", "bank_error"]),
    )
    def scan(self, tenant, amount, behaviour):
        clock = self.simulator.clock.timestamp()
        code = Secret(self.simulator.world.codes.make("wang", behaviour, clock))
        by_code = {"trade_type": TradeType.MICROPAY, "auth_code": code, "sub_openid": None}
        shop = {"store_info": {"out_id": "shop-7"}}
        self.ask_for(tenant, order_request(amount_fen=amount, scene_info=shop, **by_code))

    def ask_for(self, tenant, request):
        self.requests.append((tenant, request))
        self.create(tenant, request)

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def place_again(self, data):
        self.create(*data.draw(st.sampled_from(self.requests)))

    def create(self, tenant, request):
        owner = self.tenants[tenant]
        expected = suppress(WeChatPayRefused, WeChatPayOutcomeUnknown)
        with acting_for(owner.id), frozen_at(self.started + self.later), expected:
            create_order(sub_merchant=owner, partner=self.partner, request=request)
        for there in self.simulator.ledger.orders():  # a payer's code may have paid at once
            if there.transaction_id:
                self.paid.setdefault(there.out_trade_no, there.transaction_id)

    @precondition(lambda self: self.orders())
    @rule(data=st.data())
    def pay(self, data):
        number = self.pick(data).out_trade_no
        try:
            self.simulator.pay(number)
        except (CannotPay, LookupError):
            return
        self.paid[number] = self.simulator.ledger.with_number(number)[0].transaction_id

    @rule()
    def deliver(self):
        self.simulator.notifier.deliver_due()

    @precondition(lambda self: self.orders())
    @rule(data=st.data(), action=st.sampled_from(ACTIONS))
    def tenant_asks(self, data, action):
        self.act(action, self.pick(data))

    @rule(seconds=st.sampled_from([6, 40, 400, 4_000, 90_000]))
    def time_passes(self, seconds):
        self.later += timedelta(seconds=seconds)

    @rule()
    def sweep(self):
        with frozen_at(self.started + self.later):
            sweep_due()

    @rule(kind=st.sampled_from(REPLY_FAULTS))
    def an_answer_goes_wrong(self, kind):
        self.simulator.faults.add(kind, times=TRIES, path="/v3/pay")

    @rule(kind=st.sampled_from(NEWS_FAULTS))
    def news_goes_wrong(self, kind):
        self.simulator.faults.add(kind)

    @invariant()
    def states_move_as_the_table_says(self):
        for order in self.orders():
            before = self.seen.get(order.id, order.state)
            reachable = {before} | MOVES[before]
            assert order.state in reachable | {after for one in reachable for after in MOVES[one]}
            self.seen[order.id] = order.state

    @invariant()
    def nothing_is_credited_that_was_not_paid_or_twice(self):
        credited = {row.out_trade_no: row for row in self.orders() if row.state is OrderState.PAID}
        for number, order in credited.items():
            assert self.paid.get(number) == order.transaction_id
        events = [event.object_id for event in all_events("order.paid")]
        assert sorted(events) == sorted(order.id for order in credited.values())

    def everything_is_told(self):
        """Until no repeat is left that would come into the next life."""
        self.simulator.clock.advance(LONG_AFTER.total_seconds())
        while self.simulator.notifier.deliver_due():
            self.simulator.clock.advance(LONG_AFTER.total_seconds())

    def teardown(self):
        self.simulator.faults.clear()
        self.start_afresh()
        self.everything_is_told()
        for _ in range(3):
            self.later += LONG_AFTER
            self.sweep()
        there = {row.out_trade_no: row.trade_state for row in self.simulator.ledger.orders()}
        for order in self.orders():
            assert (order.state is OrderState.PAID) == (order.out_trade_no in self.paid)
            if order.state is not OrderState.PAID:
                assert order.state is OrderState.CLOSED
                assert there.get(order.out_trade_no, "CLOSED") in ENDED_UNPAID
            was_given_back = there.get(order.out_trade_no) == "REVOKED" and order.paid_at
            assert order.refunded_fen == (order.amount_fen if was_given_back else 0)
            assert order.refund_reserved_fen == order.refunded_fen
        settled = (InboxState.APPLIED, InboxState.REDUNDANT)
        assert [row.reason for row in inbox() if row.state not in settled] == []


@pytest.mark.sqlite_only
def test_any_life_of_an_order_ends_in_the_truth(applications, settings, app, simulator):
    bound = {"simulator": simulator, "start_afresh": lambda _self: applications.get(settings)}
    machine = type("BoundOrderLife", (OrderLife,), bound)

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
