"""Refunds and reversals in trade bills: their day, their signs, their place in the sums."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
import requests

from partner.simulator import Simulator
from partner.simulator.bill_file import COLUMNS, SUMMARY_COLUMNS
from tests.partner.simulator.conftest import Merchant
from tests.partner.simulator.test_bills import applied, downloaded, fields
from tests.partner.simulator.test_codepay import code, read, reverse
from tests.partner.simulator.test_refunds import apply

BEIJING = timezone(timedelta(hours=8))
DAY = date(2026, 3, 1)


@pytest.fixture
def traded(merchant: Merchant, sim: Simulator) -> Merchant:
    """Paid the day before; on the day a third given back in the first second and a held part at
    noon, the rest the day after; and a second payment on the day, with a coupon, half returned."""
    sim.clock.set(datetime(2026, 2, 28, 20, 0, 0, tzinfo=BEIJING))
    merchant.place(out_trade_no="YESTERDAY")
    sim.pay("YESTERDAY")
    sim.clock.set(datetime(2026, 3, 1, 0, 0, 1, tzinfo=BEIJING))
    apply(merchant, 600, out_trade_no="YESTERDAY", out_refund_no="R-EARLY")
    sim.notifier.deliver_due()
    sim.clock.set(datetime(2026, 3, 1, 12, 0, 0, tzinfo=BEIJING))
    merchant.place(out_trade_no="WITH-COUPON")
    sim.pay("WITH-COUPON", coupon_fen=80)
    apply(merchant, 940, out_trade_no="WITH-COUPON", out_refund_no="R-COUPON")
    sim.notifier.deliver_due()
    sim.refund_outcomes.set("HOLD")
    apply(merchant, 80, out_trade_no="YESTERDAY", out_refund_no="R-HELD")
    sim.clock.set(datetime(2026, 3, 2, 0, 0, 1, tzinfo=BEIJING))
    apply(merchant, 1200, out_trade_no="YESTERDAY", out_refund_no="R-LATE")
    sim.clock.set(datetime(2026, 3, 2, 10, 5, tzinfo=BEIJING))
    return merchant


def bill(merchant: Merchant, kind: str = "ALL") -> tuple[list[dict[str, str]], dict[str, str]]:
    """Rows and summary, by column name."""
    answer = applied(merchant, f"bill_date={DAY}&bill_type={kind}")
    content = downloaded(merchant, answer).content.decode("utf-8-sig")
    header, *rows, _, summary = content.split("\r\n")[:-1]
    assert header.split(",") == list(COLUMNS[kind])
    names = ("总交易单数", *SUMMARY_COLUMNS[kind])
    return (
        [dict(zip(COLUMNS[kind], fields(row), strict=True)) for row in rows],
        dict(zip(names, fields(summary), strict=True)),
    )


def test_a_refund_belongs_to_the_day_it_was_accepted_on(traded: Merchant) -> None:
    rows, summary = bill(traded)

    kinds = [(row["商户订单号"], row["交易状态"], row["商户退款单号"]) for row in rows]
    assert kinds == [
        ("WITH-COUPON", "SUCCESS", "0"),
        ("YESTERDAY", "REFUND", "R-EARLY"),
        ("WITH-COUPON", "REFUND", "R-COUPON"),
        ("YESTERDAY", "REFUND", "R-HELD"),
    ]
    assert summary == {
        "总交易单数": "4",
        "应结订单总金额": "18.00",
        "退款总金额": "15.80",
        "充值券退款总金额": "0.00",
        "手续费总金额": "0.01000",
        "订单总金额": "18.80",
        "申请退款总金额": "16.20",
    }


def test_a_refund_row_says_what_went_back_and_what_the_fee_gave_back(
    traded: Merchant, sim: Simulator
) -> None:
    rows, _ = bill(traded)

    coupon = rows[2]
    refund = sim.refunds.find(traded.mchid, "R-COUPON")
    assert refund is not None
    assert coupon["交易时间"] == "2026-03-01 12:00:00"
    assert coupon["微信退款单号"] == refund.refund_id
    assert coupon["微信订单号"] == refund.transaction_id
    assert (coupon["退款类型"], coupon["退款状态"]) == ("ORIGINAL", "SUCCESS")
    assert (coupon["申请退款金额"], coupon["退款金额"]) == ("9.40", "9.00")
    assert (coupon["订单金额"], coupon["应结订单金额"], coupon["代金券金额"]) == ("0.00",) * 3
    assert (coupon["手续费"], coupon["费率"]) == ("-0.06000", "0.60%")


def test_a_bill_of_refunds_has_their_two_times(traded: Merchant) -> None:
    rows, summary = bill(traded, "REFUND")

    early, _, held = rows
    assert len(COLUMNS["REFUND"]) == 29
    assert early["退款申请时间"] == "2026-03-01 00:00:01"
    assert early["退款成功时间"] == "2026-03-01 00:00:01"
    assert (held["退款状态"], held["退款成功时间"]) == ("PROCESSING", "")
    assert (summary["总交易单数"], summary["订单总金额"]) == ("3", "0.00")
    assert summary["申请退款总金额"] == "16.20"


def test_a_bill_of_payments_has_no_refunds(traded: Merchant) -> None:
    rows, summary = bill(traded, "SUCCESS")

    assert [row["商户订单号"] for row in rows] == ["WITH-COUPON"]
    assert summary["订单总金额"] == "18.80"


def test_a_bill_never_learns_what_became_of_a_refund(traded: Merchant, sim: Simulator) -> None:
    before, _ = bill(traded)
    sim.settle_refund("R-HELD")

    after, _ = bill(traded)

    assert before == after
    assert after[3]["退款状态"] == "PROCESSING"


def test_coupons_that_were_paid_for_go_back_as_coupons(merchant: Merchant, sim: Simulator) -> None:
    sim.clock.set(datetime(2026, 3, 1, 9, 0, 0, tzinfo=BEIJING))
    merchant.place(out_trade_no="CASH-COUPON")
    [order] = sim.ledger.with_number("CASH-COUPON")
    sim.world.payers.pay(order, coupon_fen=80, coupon_type="CASH")
    apply(merchant, 940, out_trade_no="CASH-COUPON", out_refund_no="R-CASH")
    sim.clock.set(datetime(2026, 3, 2, 10, 5, tzinfo=BEIJING))

    [_, row], _ = bill(merchant)

    assert (row["申请退款金额"], row["退款金额"]) == ("9.40", "9.40")
    assert row["充值券退款金额"] == "0.40"


def test_a_full_refund_in_pieces_gives_the_whole_fee_back(
    merchant: Merchant, sim: Simulator
) -> None:
    sim.clock.set(datetime(2026, 3, 1, 9, 0, 0, tzinfo=BEIJING))
    merchant.place(out_trade_no="IN-PIECES")
    sim.pay("IN-PIECES", coupon_fen=77)
    for number, fen in enumerate((1, 626, 627, 626)):
        apply(merchant, fen, out_trade_no="IN-PIECES", out_refund_no=f"R-{number}")
        sim.clock.advance(61)
    sim.clock.set(datetime(2026, 3, 2, 10, 5, tzinfo=BEIJING))

    rows, summary = bill(merchant)

    assert len(rows) == 5
    assert summary["手续费总金额"] == "0.00000"
    assert summary["退款总金额"] == summary["应结订单总金额"] == "18.03"


@pytest.mark.parametrize(
    ("kind", "expected_rows", "expected_fen"),
    [
        ("bill_extra_row", 5, None),
        ("bill_missing_row", 3, 1620 - 940),
        ("bill_wrong_amount", 4, 1620 + 7),
        ("bill_foreign_sub_mchid", 4, 1620),
    ],
)
def test_a_fault_can_mean_a_refund_row(
    traded: Merchant, sim: Simulator, kind: str, expected_rows: int, expected_fen: int | None
) -> None:
    named = {} if kind == "bill_extra_row" else {"out_refund_no": "R-COUPON"}
    sim.faults.add(kind, row="refund", delta_fen=7, **named)

    rows, summary = bill(traded)

    foreign = [row["商户退款单号"] for row in rows if row["特约商户号"] == "1699999999"]
    invented = [row for row in rows if row["商户退款单号"].startswith("UNKNOWN-")]
    payments = [row for row in rows if row["交易状态"] == "SUCCESS"]
    assert len(rows) == int(summary["总交易单数"]) == expected_rows
    assert len(payments) == 1
    assert len(invented) == (kind == "bill_extra_row")
    assert foreign == (["R-COUPON"] if kind == "bill_foreign_sub_mchid" else [])
    if expected_fen is not None:
        assert summary["申请退款总金额"] == f"{expected_fen / 100:.2f}"


def test_a_fault_of_a_whole_bill_still_means_a_payment_among_refunds(
    traded: Merchant, sim: Simulator
) -> None:
    sim.faults.add("bill_extra_row")
    extra, _ = bill(traded)
    sim.faults.add("bill_wrong_amount", delta_fen=5)

    wrong, summary = bill(traded)

    assert [row["交易状态"] for row in extra].count("SUCCESS") == 2
    assert len(wrong) == 4
    assert (summary["订单总金额"], summary["申请退款总金额"]) == ("18.85", "16.20")


def test_a_fault_in_a_bill_of_refunds_means_a_refund(traded: Merchant, sim: Simulator) -> None:
    sim.faults.add("bill_missing_row")

    rows, _ = bill(traded, "REFUND")

    assert [row["商户退款单号"] for row in rows] == ["R-COUPON", "R-HELD"]


def test_a_reversed_payment_has_a_row_of_its_own_kind(
    merchant: Merchant, web: requests.Session, sim: Simulator
) -> None:
    sim.clock.set(datetime(2026, 3, 1, 9, 0, 0, tzinfo=BEIJING))
    read(merchant, code(web))
    reverse(merchant)
    sim.clock.set(datetime(2026, 3, 2, 10, 5, tzinfo=BEIJING))

    [payment, reversal], summary = bill(merchant)

    assert (payment["交易状态"], reversal["交易状态"]) == ("SUCCESS", "REVOKED")
    assert payment["交易类型"] == reversal["交易类型"] == "MICROPAY"
    assert reversal["微信订单号"] == payment["微信订单号"]
    assert (reversal["微信退款单号"], reversal["商户退款单号"]) == ("0", "0")
    assert (reversal["订单金额"], reversal["申请退款金额"]) == ("0.00", "18.80")
    assert summary["手续费总金额"] == "0.00000"
