"""Public ids: readable, sorted by birth, never met twice."""

import re

from config.identifiers import new_id, random_letters


def test_an_id_is_its_prefix_and_26_letters_nobody_misreads():
    made = new_id("ord")

    assert re.fullmatch(r"ord_[0-9a-hjkmnp-tv-z]{26}", made)


def test_ids_sort_by_the_moment_they_were_made():
    made = [new_id("ord")[:14] for _ in range(2_000)]

    assert made == sorted(made)


def test_no_two_ids_are_the_same():
    assert len({new_id("ord") for _ in range(5_000)}) == 5_000


def test_random_letters_are_as_many_as_asked_for():
    assert [len(random_letters(count)) for count in (1, 12, 16, 20)] == [1, 12, 16, 20]
