"""CSV that is exactly the list, and harmless."""

from __future__ import annotations

import csv
import io

import pytest
from flask.testing import FlaskClient

from admin_ui.exports import Number, safe_cell
from payments.orders.models import OrderState
from tests.factories.payments import make_order
from tests.factories.people import sign_in_operator
from tests.factories.submerchants import make_sub_merchant


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠x", "  =1"],
)
def test_what_a_spreadsheet_would_evaluate_is_made_harmless(text: str) -> None:
    assert safe_cell(text).startswith("\"'")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("tea", '"tea"'),
        ('say "hi", twice', '"say ""hi"", twice"'),
        (Number("-12.30"), '"-12.30"'),
        (-5, '"-5"'),
        (None, '""'),
    ],
)
def test_everything_is_quoted_and_numbers_stay_numbers(value: str | int | None, cell: str) -> None:
    assert safe_cell(value) == cell


def test_the_export_is_what_the_filter_shows(client: FlaskClient) -> None:
    here = make_sub_merchant()
    paid = make_order(
        sub_merchant=here, state=OrderState.PAID, amount_fen=123_456, description="=cmd|'/c x'!A1"
    )
    make_order(sub_merchant=here, state=OrderState.CLOSED)
    make_order(state=OrderState.PAID)
    sign_in_operator(client)

    answer = client.get(f"/admin/orders.csv?state=PAID&sub_merchant={here.id}")

    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert [row["out_trade_no"] for row in rows] == [paid.out_trade_no]
    assert rows[0]["amount"] == "1234.56"
    assert rows[0]["description"].startswith("'=")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_long_export_streams_every_row(client: FlaskClient) -> None:
    here = make_sub_merchant()
    numbers = {make_order(sub_merchant=here).out_trade_no for _ in range(230)}
    sign_in_operator(client)

    answer = client.get("/admin/orders.csv")

    rows = csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert {row["out_trade_no"] for row in rows} == numbers
