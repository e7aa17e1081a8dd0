"""The table of moves, its whole product tried on real rows."""

import itertools

import pytest

from config.database import transaction
from payments.errors import OrderMoveRefused
from payments.orders.models import OrderState
from payments.orders.move import move_order
from payments.orders.states import MOVES
from submerchants.tenancy import acting_for
from tests.books import order_now
from tests.factories.payments import make_order

PRODUCT = list(itertools.product(OrderState, OrderState))


def test_every_state_stands_in_the_table():
    assert set(MOVES) == set(OrderState)


def test_paid_is_never_left():
    assert MOVES[OrderState.PAID] == frozenset()


@pytest.mark.parametrize(("start", "to"), PRODUCT)
def test_a_row_moves_exactly_as_the_table_says(app, start, to):
    order = make_order(state=start)
    allowed = to in MOVES[start]

    with acting_for(order.sub_merchant_id):
        if allowed or start is to:
            with transaction():
                moved = move_order(order, to)
            assert moved is allowed
        else:
            with pytest.raises(OrderMoveRefused), transaction():
                move_order(order, to)

    assert order_now(order).state is (to if allowed else start)
