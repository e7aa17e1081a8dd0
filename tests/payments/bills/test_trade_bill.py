"""Reading bill files: every layout, any way the bytes arrive, and nothing guessed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.bills.entries import read_entry
from payments.bills.faults import BillFault, Fault, StrayReason
from payments.bills.totals import Totals, check_totals
from payments.bills.trade_bill import MAX_LINE_BYTES, BillFile, Row, line_reader
from tests.factories.bills import (
    HEADERS,
    SUMMARY,
    bill_bytes,
    legacy_header,
    payment_row,
    refund_row,
)

DAY = date(2031, 5, 6)
SP, SUB = "1900000901", "1900000911"
VECTOR = Path(__file__).parents[2] / "vectors" / "trade_bill_all.csv"


def read(content: bytes, *, mchid: str = SP, day: date = DAY, piece: int = 64) -> list[Row]:
    """Every line of a file whose totals agree."""
    file = BillFile(_pieces(content, piece))
    reader = line_reader(file.layout, mchid=mchid, day=day.isoformat(), currency="CNY")
    rows, totals = [], Totals()
    for batch in file.batches():
        for line in batch:
            rows.append(reader(line))
            totals.count(rows[-1][3])
    check_totals(file.summary, totals)
    return rows


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def payment(amount_fen: int = 100, **fields: str) -> dict[str, str]:
    return payment_row(sp_mchid=SP, sub_mchid=SUB, day=DAY, amount_fen=amount_fen, **fields)


def refund(amount_fen: int = 40, **fields: str) -> dict[str, str]:
    return refund_row(sp_mchid=SP, sub_mchid=SUB, day=DAY, amount_fen=amount_fen, **fields)


@pytest.mark.parametrize("piece", [1, 7, 100, 10_000])
def test_the_recorded_bill_reads_the_same_however_its_bytes_arrive(piece: int) -> None:
    content = VECTOR.read_bytes()
    announced = "dcd7ceb3d382a1181798368bb15d8437de46c00f"

    rows = read(content, mchid="1601959334", day=date(2021, 1, 28), piece=piece)

    assert hashlib.sha1(content, usedforsecurity=False).hexdigest() == announced
    assert [row[0] for row in rows] == ["0", "0", "0"]
    assert [row[2] for row in rows] == [None, None, None]
    assert [read_entry(row[1]).amount_fen for row in rows] == [1, 1, 1]
    assert read_entry(rows[0][1]).wechat_no == "4200000925202101284997714292"


def test_the_published_example_has_the_digest_and_the_sums_it_should() -> None:
    rows = [
        payment(10_000, 商户订单号="DEMO-A-0001", 手续费="0.60000"),
        payment(1_800, 特约商户号="1900000912", 手续费="0.11000"),
        refund(4_000, 商户订单号="DEMO-A-0001"),
    ]

    read_rows = read(bill_bytes(rows))

    assert [row[0] for row in read_rows] == [SUB, "1900000912", SUB]
    assert sum(row[3][4] for row in read_rows) == 11_800
    assert sum(row[3][3] for row in read_rows) == 47_000
    assert read_entry(read_rows[2][1]).out_trade_no == "DEMO-A-0001"


@pytest.mark.parametrize(
    ("header", "summary", "width"),
    [
        (HEADERS["ALL"], SUMMARY["ALL"], 27),
        (HEADERS["SUCCESS"], SUMMARY["SUCCESS"], 20),
        (HEADERS["SUCCESS"], SUMMARY["ALL"], 20),
        (HEADERS["REFUND"], SUMMARY["ALL"], 29),
        (legacy_header("ALL"), SUMMARY["LEGACY"], 24),
        (legacy_header("SUCCESS"), "总交易单数,总交易额,手续费总金额", 18),
        (legacy_header("REFUND"), SUMMARY["LEGACY"], 26),
    ],
)
def test_every_layout_is_read_by_the_names_of_its_columns(
    header: str, summary: str, width: int
) -> None:
    rows = [payment(1234), payment(1)]

    found = read(bill_bytes(rows, header=header, summary=summary))

    assert len(header.split(",")) == width
    assert [read_entry(row[1]).amount_fen for row in found] == [1234, 1]


def test_a_refund_is_known_by_its_own_numbers_in_old_and_new_layouts() -> None:
    row = refund(40)

    new = read(bill_bytes([row]))
    old = read(bill_bytes([row], header=legacy_header("ALL"), summary=SUMMARY["LEGACY"]))

    for found in (new, old):
        entry = read_entry(found[0][1])
        assert (entry.number, entry.wechat_no) == (row["商户退款单号"], row["微信退款单号"])
        assert (entry.amount_fen, entry.transaction_id) == (40, row["微信订单号"])


def test_columns_in_another_order_and_new_ones_change_nothing() -> None:
    titles = HEADERS["ALL"].split(",")
    moved = ",".join([*titles[20:], "将来的列", *titles[:20]])
    row = payment(77) | {"将来的列": "x"}

    found = read(bill_bytes([row], header=moved))

    assert read_entry(found[0][1]).amount_fen == 77


def test_free_text_that_holds_the_separator_does_not_move_an_amount() -> None:
    row = payment(900, 商品名称="茶,`0.01,`9999.99", 商户数据包=",`,`")

    found = read(bill_bytes([row]))

    assert found[0][3] == (900, 0, 0, 60_000, 900, 0)


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
@pytest.mark.parametrize("piece", [1, 7, 64, 100_000])
@pytest.mark.parametrize(
    "text", ["茶\r\n大杯", "茶\n大杯", '"茶\n', "\r\n\r\n茶,`", "\n,`a,`b\n,`"]
)
def test_free_text_may_break_the_line(text: str, piece: int, newline: str) -> None:
    written = [payment(900, 商品名称=text), payment(7, 商户数据包=text), refund(2, 商品名称=text)]

    found = read(bill_bytes(written, newline=newline), piece=piece)

    entries = [read_entry(row[1]) for row in found]
    assert [entry.amount_fen for entry in entries] == [900, 7, 2]
    assert [entry.out_trade_no for entry in entries] == [row["商户订单号"] for row in written]


def test_a_broken_line_comes_back_as_one() -> None:
    file = BillFile([bill_bytes([payment(商品名称="茶\r\n大杯\n冰")])])

    records = [record for batch in file.batches() for record in batch]

    assert len(records) == 1
    assert r",`茶\r\n大杯\n冰,`" in records[0]


@pytest.mark.parametrize("text", ["茶\r\n`大杯", "茶\r\n`" + ",`".join("x" * 30)])
def test_free_text_that_looks_like_a_record_of_its_own_is_never_taken_for_less(text: str) -> None:
    content = bill_bytes([payment(900, 商品名称=text), payment(7)])

    with pytest.raises(BillFault) as refused:
        read(content)

    assert refused.value.fault is Fault.TOTALS_DISAGREE


@pytest.mark.parametrize("piece", [64, 1_000_000])
def test_a_record_that_does_not_end_is_refused(piece: int) -> None:
    endless = payment(商品名称="茶\r\n" * MAX_LINE_BYTES)

    with pytest.raises(BillFault) as refused:
        read(bill_bytes([endless]), piece=piece)

    assert refused.value.fault is Fault.LINE_TOO_LONG


@pytest.mark.parametrize("absent", ["商品名称", "商户数据包"])
def test_the_only_free_text_of_a_layout_may_hold_the_separator(absent: str) -> None:
    header = HEADERS["ALL"].replace(f",{absent}", "")

    found = read(bill_bytes([payment(900, 商品名称="a,`b", 商户数据包=",`,`c")], header=header))

    assert found[0][3] == (900, 0, 0, 60_000, 900, 0)


def test_free_text_on_both_sides_of_another_column_is_not_guessed_at() -> None:
    header = HEADERS["ALL"].replace("商品名称,商户数据包,手续费", "商品名称,手续费,商户数据包")

    with pytest.raises(BillFault) as refused:
        read(bill_bytes([payment(900, 商品名称="a,`b")], header=header))

    assert refused.value.fault is Fault.TOTALS_DISAGREE


def test_bytes_that_are_no_text_stay_in_free_text() -> None:
    row = payment(5, 商品名称="\udcff\udc80")

    found = read(bill_bytes([row]))

    assert read_entry(found[0][1]).amount_fen == 5


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"交易时间": "2031-05-07 00:00:00"}, StrayReason.OTHER_DAY),
        ({"商户号": "1900000999"}, StrayReason.OTHER_PROVIDER),
        ({"货币种类": "HKD"}, StrayReason.OTHER_CURRENCY),
        ({"交易状态": "GIFT"}, StrayReason.UNKNOWN_ROW_KIND),
        ({"商户订单号": "a\tb"}, StrayReason.UNUSABLE_NUMBER),
        ({"商户订单号": "a\\b"}, StrayReason.UNUSABLE_NUMBER),
        ({"商户订单号": ""}, StrayReason.UNUSABLE_NUMBER),
        ({"交易时间": "2031-05-06 24:00:00"}, StrayReason.UNUSABLE_NUMBER),
        ({"交易类型": "１２"}, StrayReason.UNUSABLE_NUMBER),
    ],
)
def test_a_line_that_is_nobodys_is_named_and_still_counted(
    fields: dict[str, str], reason: StrayReason
) -> None:
    found = read(bill_bytes([payment(3, **fields)]))

    assert [row[2] for row in found] == [reason]


@pytest.mark.parametrize("amount", ["0.005", "1e2", "-1.00", "", "１.00", "0x1", "1,000.00"])
def test_an_amount_that_is_not_exact_makes_the_line_unreadable(amount: str) -> None:
    file = BillFile([bill_bytes([payment()]).replace(b"`1.00,`0.00,`0,", _settled(amount))])
    reader = line_reader(file.layout, mchid=SP, day=DAY.isoformat(), currency="CNY")

    lines = [line for batch in file.batches() for line in batch]

    assert reader(lines[0]) == (SUB, "", StrayReason.UNREADABLE, (0, 0, 0, 60_000, 100, 0))


def _settled(amount: str) -> bytes:
    return f"`{amount},`0.00,`0,".encode()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", Fault.TRUNCATED),
        (bill_bytes([payment()])[:-60].rsplit(b"\r\n", 2)[0], Fault.TRUNCATED),
        (bill_bytes([payment()]).replace("订单号".encode(), b"?"), Fault.UNKNOWN_LAYOUT),
        (bill_bytes([payment()]) + b"more\r\n", Fault.BAD_SUMMARY),
        (bill_bytes([payment()]) + b"x" * 70_000, Fault.BAD_SUMMARY),
        (b"\xef\xbb\xbf" + b"x" * 100_000, Fault.LINE_TOO_LONG),
        (bill_bytes([payment()]).replace(b"`1,`", b"`1.5,`"), Fault.BAD_SUMMARY),
        (bill_bytes([payment(200)]).replace(b"`2.00,`0.00\r", b"`2.01,`0.00\r"), None),
    ],
)
def test_a_file_that_is_not_whole_is_refused_with_its_reason(
    content: bytes, fault: Fault | None
) -> None:
    with pytest.raises(BillFault) as refused:
        read(content)

    assert refused.value.fault is (fault or Fault.TOTALS_DISAGREE)


def test_a_summary_written_like_fractions_is_read_exactly() -> None:
    content = bill_bytes([payment(4500)]).replace(b"`1,`45.00", b"`1.0,`45.0")

    assert len(read(content)) == 1


def test_a_bill_without_lines_is_a_bill() -> None:
    assert read(bill_bytes([])) == []


texts = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=20).filter(
    lambda text: not text.endswith(",")
)
numbers = st.text("ABCabc019_-*", min_size=1, max_size=32)
rows = st.builds(
    lambda amount, number, name, attach, is_refund: (refund if is_refund else payment)(
        amount, 商户订单号=number, 商品名称=name, 商户数据包=attach
    ),
    st.integers(0, 10**11),
    numbers,
    texts,
    texts,
    st.booleans(),
)


@given(
    st.lists(rows, max_size=8), st.integers(1, 400), st.booleans(), st.sampled_from(["\r\n", "\n"])
)
def test_what_is_written_is_read(
    written: list[dict[str, str]], piece: int, bom: bool, newline: str
) -> None:
    content = bill_bytes(written, newline=newline, bom=bom)

    found = [read_entry(row[1]) for row in read(content, piece=piece)]

    assert [entry.out_trade_no for entry in found] == [row["商户订单号"] for row in written]
    assert [entry.transaction_id for entry in found] == [row["微信订单号"] for row in written]


@given(st.data())
def test_a_mutated_bill_is_refused_or_read_but_never_crashes(data: st.DataObject) -> None:
    content = bytearray(bill_bytes([payment(1), refund(2), payment(3)]))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(content) - 1))
        end = min(len(content), start + data.draw(st.integers(0, 40)))
        content[start:end] = data.draw(st.binary(max_size=12) | st.sampled_from([b",`", b"\r\n"]))

    try:
        found = read(bytes(content), piece=data.draw(st.integers(1, 500)))
    except BillFault:
        return

    assert all(len(row[3]) == 6 for row in found)
