"""Our books of a day: the words a bill uses, written by the database, and none of them lost."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from config.database import db
from payments.bills.entries import EntryKind, core
from payments.orders.models import OrderState, TradeType
from payments.reconciliation.books import read_books
from payments.reconciliation.run import IN_MEMORY_ROWS
from submerchants.tenancy import across_tenants
from tests.factories.refunds import make_refund
from tests.payments.reconciliation.days import DAY, NOON, paid


@pytest.fixture(autouse=True)
def _any_tenant():
    with across_tenants("a test reads the books"):
        yield


def test_the_database_writes_entries_in_the_words_of_a_bill(tea, cake):
    order = paid(tea, amount_fen=1_234, transaction_id="4200001", refunded_fen=40)
    refund = make_refund(order=order, amount_fen=40, refund_id="5030001", accepted_at=NOON)
    unnumbered = make_refund(order=order, amount_fen=7, refund_id=None, accepted_at=NOON)
    reversed_ = paid(
        tea,
        amount_fen=500,
        transaction_id="4200002",
        trade_type=TradeType.MICROPAY,
        state=OrderState.CLOSED,
        reversed_at=NOON,
    )
    other = paid(cake, amount_fen=9_000_000_000, transaction_id="4200003")

    books = read_books(DAY, [tea.id, cake.id])

    assert books[tea.id].cores == {
        core(EntryKind.PAYMENT, order.out_trade_no, "4200001", 1_234),
        core(EntryKind.REFUND, refund.out_refund_no, "5030001", 40),
        core(EntryKind.REFUND, unnumbered.out_refund_no, None, 7),
        core(EntryKind.PAYMENT, reversed_.out_trade_no, "4200002", 500),
        core(EntryKind.REVERSAL, reversed_.out_trade_no, "4200002", 500),
    }
    assert books[tea.id].amount_fen == 1_234 - 40 - 7 + 500 - 500
    assert books[cake.id].cores == {
        core(EntryKind.PAYMENT, other.out_trade_no, "4200003", 9_000_000_000)
    }


def test_a_tenant_without_trade_has_an_empty_book(tea):
    assert read_books(DAY, [tea.id])[tea.id].cores == set()


@pytest.fixture
def short_texts(app):
    """A MySQL that cuts off what grows longer than 256 bytes."""
    usual = db.session.scalar(text("SELECT @@group_concat_max_len"))
    db.session.execute(text("SET SESSION group_concat_max_len = 256"))
    yield
    db.session.execute(text(f"SET SESSION group_concat_max_len = {usual}"))


@pytest.mark.mysql_only
@pytest.mark.usefixtures("short_texts")
def test_a_book_that_mysql_cuts_short_is_never_taken_for_a_whole_one(tea):
    for number in range(12):
        paid(tea, transaction_id=f"42000000000000000000000000{number:02}")

    with pytest.raises(RuntimeError, match="of 12"):
        read_books(DAY, [tea.id])


@pytest.mark.mysql_only
def test_mysql_hands_over_the_longest_book_that_is_compared_in_memory(app):
    longest = len(core(EntryKind.REFUND, "r" * 64, "5" * 64, 10**15)) + 1

    limit = db.session.scalar(text("SELECT @@group_concat_max_len"))

    assert limit >= IN_MEMORY_ROWS * longest
