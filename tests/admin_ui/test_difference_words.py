"""Why two books differ, said in the reader's language."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from admin_ui.difference_words import explained

RECORDED = (
    "The bill has this number in more than one row. One row was counted; this is a further one.",
    "The bill has a reversal of no order here.",
    "The order was reversed here on 2026-11-27, on the bill of 2026-11-28. Nothing is missing.",
    "WeChat Pay books this refund under this sub-merchant, but the order is not one of its orders "
    "here. The service provider has been told.",
    "The bill has this payment; no order here has its number. It may have been taken by another "
    "system under the same sub_mchid.",
    "The order is over 1880 fen, the bill says 1780.",
    "The bill has this payment; the order here is PENDING. WeChat Pay is being asked again, and "
    "the day will be compared once more.",
    "The bill has a refund of this order; the order here is CLOSED. WeChat Pay is being asked "
    "again, and the day will be compared once more.",
    "The bill has this refund; here it is PROCESSING. WeChat Pay is being asked again, and the day "
    "will be compared once more.",
    "The refund is booked here on 2026-11-27, on the bill of 2026-11-28. Nothing is missing.",
    "The order was paid near midnight and stands on the bill of 2026-11-28. Nothing is missing.",
    "The refund is accepted here and is not on the bill of this day. It was accepted near "
    "midnight; the bill of 2026-11-28 will be looked at.",
    "The order is paid here; WeChat Pay's bill books its number under another sub_mchid. The "
    "service provider has been told.",
)


@pytest.mark.parametrize("recorded", RECORDED)
def test_an_explanation_is_told_in_chinese(app: Flask, recorded: str) -> None:
    with app.test_request_context("/"):
        told = explained(recorded)

    assert re.search(r"[\u4e00-\u9fff]", told)
    assert not re.search(r"[A-Za-z]{3}", told)


def test_amounts_and_days_stay_in_it(app: Flask) -> None:
    with app.test_request_context("/"):
        told = [explained(RECORDED[5]), explained(RECORDED[2])]

    assert told[0] == "我方金额 ¥18.80，账单金额 ¥17.80。"
    assert "2026-11-27" in told[1]
    assert "2026-11-28" in told[1]


def test_what_has_no_words_stands_as_it_was_recorded(app: Flask) -> None:
    with app.test_request_context("/"):
        told = explained("The bill has another amount. Nothing is missing.")

    assert told == "The bill has another amount. Nothing is missing."
