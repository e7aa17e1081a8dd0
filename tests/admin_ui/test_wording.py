"""Recorded details in the reader's words."""

from __future__ import annotations

from flask import Flask

from admin_ui.wording import fact_value
from payments.bills.entries import ROW_KINDS


def test_a_refusal_of_wechat_pays_names_its_request() -> None:
    said = {"code": "NOT_ENOUGH", "message": "余额不足", "request_id": "08E7-1", "status": 403}

    told = fact_value("wechatpay", said)

    assert told == "NOT_ENOUGH · 余额不足 · Request-ID 08E7-1"


def test_every_kind_of_row_of_a_bill_has_words(app: Flask) -> None:
    with app.test_request_context("/"):
        told = [str(fact_value("row", kind)) for kind in ROW_KINDS]

    assert told == ["支付", "退款", "撤销"]
