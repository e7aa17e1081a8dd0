"""Money to the fen, and nothing that could lose one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.money import InexactMoney, format_decimal, format_yuan, parse_decimal, parse_yuan


@given(st.integers(min_value=-(10**13), max_value=10**13))
def test_an_amount_survives_being_written_and_read(amount: int) -> None:
    text = format_yuan(amount)

    assert parse_yuan(text) == amount


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_a_fee_survives_with_its_five_decimals(units: int) -> None:
    text = format_decimal(units, 5)

    assert parse_decimal(text, 5) == units


@pytest.mark.parametrize(
    ("text", "fen"), [("45.0", 4500), ("0.08", 8), ("0.60000", 60), ("7", 700), ("-0.01", -1)]
)
def test_every_exact_way_of_writing_an_amount_is_read(text: str, fen: int) -> None:
    assert parse_yuan(text) == fen


@pytest.mark.parametrize(
    "text",
    [
        *("0.005", "1e3", "１.００", "1,000.00", " 1.00", "1.00 ", "1_0", "+1", "", ".5", "1."),
        *("NaN", "--1", "1" * 13, "0x10", "1.0.0", "Infinity", "1.00\n"),
    ],
)
def test_what_could_lose_a_fen_is_refused(text: str) -> None:
    with pytest.raises(InexactMoney):
        parse_yuan(text)
