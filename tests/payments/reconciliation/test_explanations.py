"""The sentences that explain a difference: each in both languages, and the same facts in both."""

from __future__ import annotations

import re
from datetime import date

import pytest

from config.words import Words
from payments.bills.entries import EntryKind
from payments.orders.models import OrderState
from payments.reconciliation import explanations
from payments.refunds.models import RefundState

HERE, THERE = date(2026, 11, 27), date(2026, 11, 28)
KINDS = list(EntryKind)
FIXED = [value for value in vars(explanations).values() if isinstance(value, Words)]
MADE = [
    *(explanations.amounts_differ(kind, ours_fen=1_880, theirs_fen=1_780) for kind in KINDS),
    *(explanations.not_paid_here(state) for state in OrderState),
    *(explanations.refunded_unpaid(state) for state in OrderState),
    *(explanations.not_accepted_here(state) for state in RefundState),
    *(explanations.another_day(kind, here=HERE, there=THERE) for kind in KINDS),
    *(explanations.on_the_bill_across_midnight(kind, THERE) for kind in KINDS),
    *(explanations.not_on_the_bill(kind, to_look_at=None) for kind in KINDS),
    *(explanations.not_on_the_bill(kind, to_look_at=THERE) for kind in KINDS),
    *(explanations.under_another_sub_mchid(kind) for kind in KINDS),
]


@pytest.mark.parametrize("told", FIXED + MADE, ids=lambda told: told.en)
def test_every_explanation_is_whole_in_both_languages(told: Words) -> None:
    assert re.search(r"[\u4e00-\u9fff].*。$", told.zh)
    assert not re.search(r"[A-Za-z]", told.zh)
    assert not re.search(r"[\u4e00-\u9fff]", told.en)
    assert told.en.endswith(".")


@pytest.mark.parametrize("told", FIXED + MADE, ids=lambda told: told.en)
def test_an_explanation_fits_its_column(told: Words) -> None:
    assert max(len(told.en), len(told.zh)) <= 512


def test_amounts_are_yuan_to_people_and_fen_to_programs() -> None:
    told = explanations.amounts_differ(EntryKind.PAYMENT, ours_fen=1_880, theirs_fen=1_780)

    assert told.zh == "我方金额 18.80 元，账单金额 17.80 元。"
    assert told.en == "The order is over 1880 fen, the bill says 1780."


def test_both_days_are_named_in_both_languages() -> None:
    told = explanations.another_day(EntryKind.REVERSAL, here=HERE, there=THERE)

    assert all(str(day) in text for day in (HERE, THERE) for text in (told.zh, told.en))
