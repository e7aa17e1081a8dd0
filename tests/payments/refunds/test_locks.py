"""How MySQL and MariaDB find the rows that they lock, and which of them everybody takes first."""

import pytest
from sqlalchemy import Connection, Engine, event

from config.clock import frozen_at
from config.database import db
from config.throttle import GuessCount
from payments.orders.models import Order
from payments.refunds.apply_abnormal import apply_abnormal
from payments.refunds.models import Refund, RefundState, RefundTask
from payments.refunds.sweep import sweep_refunds
from submerchants.tenancy import acting_for
from tests.books import refund_now
from tests.factories.refunds import ask_for, move_on, paid_order

pytestmark = pytest.mark.mysql_only

# Whoever writes several of them takes them in this order; two who differ wait for each other.
IN_TURN = [each.__tablename__ for each in (Refund, Order, RefundTask, GuessCount)]


@pytest.fixture
def updates(app):
    """Every UPDATE that is sent, and its values."""
    seen = []

    def note(_connection, _cursor, statement, parameters, *_):
        if statement.startswith("UPDATE"):
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    yield seen
    event.remove(Engine, "before_cursor_execute", note)


@pytest.fixture
def taken(app):
    """Of each transaction, the tables whose rows it updates, in the order in which it came there.

    A refund that is only now written is nobody else's yet, so inserting it takes no turn.
    """
    transactions: list[list[str]] = []
    of_connection: dict[Connection, list[str]] = {}

    def begin(connection):
        of_connection[connection] = []
        transactions.append(of_connection[connection])

    def note(connection, _cursor, statement, *_):
        table = statement.removeprefix("UPDATE ").split()[0]
        if table in IN_TURN and table not in of_connection[connection]:
            of_connection[connection].append(table)

    event.listen(Engine, "begin", begin)
    event.listen(Engine, "before_cursor_execute", note)
    yield transactions
    event.remove(Engine, "begin", begin)
    event.remove(Engine, "before_cursor_execute", note)


def chosen_index(connection, statement, parameters):
    plan = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings().one()
    return plan["key"]


def test_an_order_and_its_refunds_are_written_by_their_unique_keys(
    updates, simulator, sub_merchant, partner
):
    order = paid_order(simulator, sub_merchant, partner)
    ask_for(order, 300, merchant_refund_no="R-1")
    ask_for(order, 300, merchant_refund_no="R-1")
    simulator.world.refund_life.settle_due()
    simulator.notifier.deliver_due()
    sent = list(updates)

    with db.engine.connect() as connection:
        indexes = {
            (table, chosen_index(connection, statement, parameters))
            for table in (Order.__tablename__, Refund.__tablename__)
            for statement, parameters in sent
            if statement.startswith(f"UPDATE {table} ")
        }

    assert indexes == {
        ("orders", "PRIMARY"),
        ("orders", "uq_orders_out_trade_no"),
        ("refunds", "PRIMARY"),
    }


def test_a_refund_its_order_and_its_task_are_taken_in_the_same_order_by_everybody(
    taken, simulator, sub_merchant, partner
):
    order = paid_order(simulator, sub_merchant, partner)
    simulator.world.refund_outcomes.set("ABNORMAL")
    refund = ask_for(order, 300).refund
    ask_for(order, 300)  # waits for its minute
    with frozen_at(move_on(simulator)):
        sweep_refunds()
        simulator.notifier.deliver_due()
        simulator.world.refund_outcomes.set("SUCCESS")
        with acting_for(order.sub_merchant_id):
            apply_abnormal(refund_now(refund))
    simulator.world.refund_life.settle_due()
    simulator.notifier.deliver_due()

    assert refund_now(refund).state is RefundState.SUCCEEDED
    assert {table for tables in taken for table in tables} == set(IN_TURN)
    assert [tables for tables in taken if tables != sorted(tables, key=IN_TURN.index)] == []
