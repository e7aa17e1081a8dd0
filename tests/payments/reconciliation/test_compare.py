"""Two lists and what does not agree, whatever the order they come in."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from payments.bills.entries import REST, EntryKind, core
from payments.reconciliation.compare import Comparison, Difference, compare

REST_OF_LINE = f"2031-05-06 12:00:00{REST}JSAPI{REST}{REST}{REST}"


def theirs(number: int, amount_fen: int = 100, wechat_no: int | None = None) -> str:
    return f"{ours(number, amount_fen, wechat_no)}\t{REST_OF_LINE}"


def ours(number: int, amount_fen: int = 100, wechat_no: int | None = None) -> str:
    return core(EntryKind.PAYMENT, f"B{number}", f"42{wechat_no or number}", amount_fen)


def test_what_agrees_is_counted_and_nothing_else_is_said() -> None:
    assert compare([theirs(2), theirs(1)], {ours(1), ours(2)}) == Comparison(2, [])


def test_each_side_alone_and_both_unlike() -> None:
    found = compare([theirs(1), theirs(2, 99), theirs(4, wechat_no=9)], {ours(2), ours(3), ours(4)})

    assert found.matched == 0
    assert found.differences == [
        Difference(theirs(1), None),
        Difference(theirs(2, 99), ours(2)),
        Difference(None, ours(3)),
        Difference(theirs(4, wechat_no=9), ours(4)),
    ]


def test_of_two_rows_the_one_that_agrees_counts() -> None:
    found = compare([theirs(1, 99), theirs(1)], {ours(1)})

    assert found == Comparison(1, [Difference(theirs(1, 99), ours(1), ordinal=1)])


def test_a_row_said_twice_is_one_match_and_one_duplicate() -> None:
    found = compare([theirs(1), theirs(1)], {ours(1)})

    assert found == Comparison(1, [Difference(theirs(1), ours(1), ordinal=1)])


def test_of_two_rows_that_both_disagree_one_is_compared() -> None:
    found = compare([theirs(1, 99), theirs(1, 98), theirs(2), theirs(2)], {ours(1)})

    assert found.differences == [
        Difference(theirs(1, 98), ours(1)),
        Difference(theirs(1, 99), ours(1), ordinal=1),
        Difference(theirs(2), None),
        Difference(theirs(2), None, ordinal=1),
    ]


sides = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from([99, 100]), st.integers(1, 3)), max_size=12
)


@given(sides, sides, st.randoms())
def test_the_order_never_matters_and_every_row_is_accounted_for(
    their_rows: list[tuple[int, int, int]],
    our_rows: list[tuple[int, int, int]],
    chance: random.Random,
) -> None:
    bill = [theirs(*row) for row in their_rows]
    books = set({row[0]: ours(*row) for row in our_rows}.values())
    shuffled = chance.sample(bill, len(bill))

    found = compare(bill, books)

    assert compare(shuffled, books) == found
    assert found.matched + sum(one.theirs is not None for one in found.differences) == len(bill)
    first = [one for one in found.differences if one.ours and not one.ordinal]
    assert found.matched + len(first) == len(books)
