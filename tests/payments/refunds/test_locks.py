"""How MySQL and MariaDB find the rows that they lock."""

import pytest
from sqlalchemy import Engine, event

from config.database import db
from payments.orders.models import Order
from payments.refunds.models import Refund
from tests.factories.refunds import ask_for, paid_order

pytestmark = pytest.mark.mysql_only


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
