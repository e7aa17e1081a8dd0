"""Trade bills: when they exist, whose they are, and every byte of them."""

from __future__ import annotations

import gzip
import hashlib
from datetime import date, datetime, timedelta, timezone

import pytest
import requests

from partner.simulator import Simulator
from partner.simulator.bill_file import COLUMNS, BillRow, fee_fen, lines
from tests.partner.simulator.conftest import BASE, Merchant

BEIJING = timezone(timedelta(hours=8))
DAY = date(2026, 3, 1)
PAID_AT = datetime(2026, 3, 1, 9, 15, 2, tzinfo=BEIJING)


@pytest.fixture
def traded(merchant: Merchant, sim: Simulator) -> Merchant:
    """Three payments on the day, one a second before it and one a second after; the next day,
    10:05."""
    sim.clock.set(PAID_AT - timedelta(days=1))
    times = {
        "BEFORE-DAY": datetime(2026, 2, 28, 23, 59, 59, tzinfo=BEIJING),
        "FIRST-SECOND": datetime(2026, 3, 1, 0, 0, 0, tzinfo=BEIJING),
        "BREAKFAST": PAID_AT,
        "LAST-SECOND": datetime(2026, 3, 1, 23, 59, 59, tzinfo=BEIJING),
        "AFTER-DAY": datetime(2026, 3, 2, 0, 0, 0, tzinfo=BEIJING),
    }
    for number, at in times.items():
        sub = "1900000912" if number == "LAST-SECOND" else merchant.order["sub_mchid"]
        merchant.place(out_trade_no=number, sub_mchid=sub, description="拿铁,大杯\n加冰")
        sim.pay(number, at=at, coupon_fen=80 if number == "BREAKFAST" else 0)
    sim.clock.set(datetime(2026, 3, 2, 10, 5, tzinfo=BEIJING))
    return merchant


def applied(merchant: Merchant, query: str = f"bill_date={DAY}") -> requests.Response:
    return merchant.call("GET", f"/v3/bill/tradebill?{query}")


def downloaded(merchant: Merchant, answer: requests.Response) -> requests.Response:
    return merchant.call("GET", answer.json()["download_url"].removeprefix(BASE))


def fields(line: str) -> list[str]:
    return line.removeprefix("`").split(",`")


def test_the_digest_is_of_the_uncompressed_bytes(traded: Merchant) -> None:
    plain, packed = applied(traded), applied(traded, f"bill_date={DAY}&tar_type=GZIP")

    plain_file, packed_file = downloaded(traded, plain), downloaded(traded, packed)

    assert traded.is_genuine(plain)
    assert plain_file.headers["Content-Type"] == "text/plain"
    assert packed_file.headers["Content-Type"] == "application/x-gzip"
    assert packed_file.content[:2] == b"\x1f\x8b"
    assert gzip.decompress(packed_file.content) == plain_file.content
    for answer in (plain, packed):
        assert answer.json()["hash_type"] == "SHA1"
        assert answer.json()["hash_value"] == hashlib.sha1(plain_file.content).hexdigest()


def test_the_file_itself_is_not_signed(traded: Merchant) -> None:
    file = downloaded(traded, applied(traded))

    assert not [name for name in file.headers if name.lower().startswith("wechatpay-")]


def test_the_file_holds_the_beijing_day_and_adds_up(traded: Merchant) -> None:
    content = downloaded(traded, applied(traded)).content

    assert content.startswith(b"\xef\xbb\xbf")
    assert content.endswith(b"\r\n")
    header, *rows, summary_header, summary = content[3:].decode().split("\r\n")[:-1]
    assert header.split(",") == list(COLUMNS["ALL"])
    assert len(COLUMNS["ALL"]) == 27
    named = [dict(zip(COLUMNS["ALL"], fields(row), strict=True)) for row in rows]
    assert [row["商户订单号"] for row in named] == ["FIRST-SECOND", "BREAKFAST", "LAST-SECOND"]
    breakfast = named[1]
    assert breakfast["交易时间"] == "2026-03-01 09:15:02"
    assert breakfast["商品名称"] == "拿铁,大杯\\n加冰"
    assert (breakfast["订单金额"], breakfast["应结订单金额"]) == ("18.80", "18.00")
    assert (breakfast["代金券金额"], breakfast["手续费"]) == ("0.80", "0.11000")
    assert (breakfast["微信退款单号"], breakfast["退款类型"]) == ("0", "")
    assert summary_header.startswith("总交易单数,应结订单总金额,退款总金额")
    assert fields(summary) == ["3", "55.60", "0.00", "0.00", "0.33000", "56.40", "0.00"]


def test_the_layout_reproduces_the_published_example_to_the_byte() -> None:
    def row(
        time: str, sub: str, number: str, more: dict[str, str], money: dict[str, int]
    ) -> BillRow:
        texts = {"交易时间": time, "公众账号ID": "wx0000000000000a01", "商户号": "1900000901"}
        texts |= {"特约商户号": sub, "微信订单号": f"420000990120310506000000000{number}"}
        return BillRow(texts | {"货币种类": "CNY", "费率": "0.60%"} | more, money)

    coffee = {"商户订单号": "DEMO-A-0001", "用户标识": "oDEMOuser0001", "交易类型": "JSAPI"}
    coffee |= {"付款银行": "OTHERS", "商品名称": "示例商品,大杯", "商户数据包": "tenant=7"}
    ticket = {"商户订单号": "DEMO-B-0001", "用户标识": "oDEMOuser0002", "交易类型": "NATIVE"}
    ticket |= {"付款银行": "CMB_DEBIT", "商品名称": "示例门票"}
    paid = {"交易状态": "SUCCESS", "微信退款单号": "0", "商户退款单号": "0"}
    back = {"交易状态": "REFUND", "微信退款单号": "5030009901203105060000000001"}
    back |= {"商户退款单号": "DEMO-A-0001-R1", "退款类型": "ORIGINAL", "退款状态": "PROCESSING"}
    rows = [
        row("2031-05-06 09:15:02", "1900000911", "1", coffee | paid,
            {"应结订单金额": 10000, "手续费": 60, "订单金额": 10000}),
        row("2031-05-06 09:40:31", "1900000912", "2", ticket | paid,
            {"应结订单金额": 1800, "手续费": fee_fen(1800, 6000), "订单金额": 1800}),
        row("2031-05-06 11:02:47", "1900000911", "1", coffee | back,
            {"退款金额": 4000, "手续费": -24, "申请退款金额": 4000}),
    ]  # fmt: skip

    content = b"".join(lines(rows, "ALL"))

    assert len(content) == 1381
    assert hashlib.sha1(content).hexdigest() == "0e8a765e1508e4d03f7b5771164840def00c85c2"


def test_one_sub_merchants_bill_holds_its_own_rows_only(traded: Merchant) -> None:
    answer = applied(traded, f"bill_date={DAY}&sub_mchid=1900000912&bill_type=SUCCESS")

    text = downloaded(traded, answer).content.decode("utf-8-sig")

    header, row, summary_header, summary = text.split("\r\n")[:-1]
    assert len(header.split(",")) == len(fields(row)) == 20
    assert "LAST-SECOND" in row
    assert summary_header == "总交易单数,应结订单总金额,手续费总金额,订单总金额"
    assert fields(summary) == ["1", "18.80", "0.11000", "18.80"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("bill_date=2026-02-25", 400, "NO_STATEMENT_EXIST"),
        (f"bill_date={DAY}&sub_mchid=1900000913", 400, "NO_STATEMENT_EXIST"),
        (f"bill_date={DAY}&bill_type=REFUND", 400, "NO_STATEMENT_EXIST"),
        ("bill_date=2026-03-02", 400, "INVALID_REQUEST"),
        ("bill_date=2026-03-03", 400, "INVALID_REQUEST"),
        ("bill_date=2026-02-30", 400, "INVALID_REQUEST"),
        ("bill_date=2025-11-01", 400, "INVALID_REQUEST"),
        ("bill_date=20260301", 400, "PARAM_ERROR"),
        ("bill_type=ALL", 400, "PARAM_ERROR"),
        (f"bill_date={DAY}&bill_type=RECHARGE", 400, "PARAM_ERROR"),
        (f"bill_date={DAY}&tar_type=ZIP", 400, "PARAM_ERROR"),
        (f"bill_date={DAY}&sub_mchid=abc", 400, "INVALID_REQUEST"),
        (f"bill_date={DAY}&sub_mchid=1900000999", 403, "NO_AUTH"),
    ],
)
def test_a_bill_that_cannot_be_had_is_refused_with_its_reason(
    traded: Merchant, query: str, status: int, code: str
) -> None:
    answer = applied(traded, query)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"bill_date={DAY}", "NO_STATEMENT_EXIST"),
        (f"bill_date={DAY}&account_type=FEES&tar_type=GZIP", "NO_STATEMENT_EXIST"),
        (f"bill_date={DAY}&account_type=BASE", "PARAM_ERROR"),
        (f"bill_date={DAY}&tar_type=ZIP", "PARAM_ERROR"),
        ("bill_date=20260301", "PARAM_ERROR"),
        ("bill_date=2026-03-02", "INVALID_REQUEST"),
    ],
)
def test_the_providers_own_accounts_have_no_movements(
    traded: Merchant, query: str, code: str
) -> None:
    answer = traded.call("GET", f"/v3/bill/fundflowbill?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_yesterdays_bill_is_being_made_until_ten(traded: Merchant, sim: Simulator) -> None:
    sim.clock.set(datetime(2026, 3, 2, 9, 59, 50, tzinfo=BEIJING))
    early = applied(traded)
    sim.clock.advance(11)

    in_time = applied(traded)

    assert (early.status_code, early.json()["code"]) == (400, "STATEMENT_CREATING")
    assert in_time.status_code == 200


def test_a_link_needs_a_signed_request_from_its_applicant(
    traded: Merchant, other: Merchant, web: requests.Session
) -> None:
    link = applied(traded).json()["download_url"]

    unsigned = web.get(link, headers={"Accept": "*/*", "User-Agent": "x"})
    foreign = other.call("GET", link.removeprefix(BASE))
    forged = traded.call("GET", "/v3/billdownload/file?token=made-up")

    assert unsigned.status_code == 401
    assert (foreign.status_code, foreign.json()["code"]) == (403, "NO_AUTH")
    assert (forged.status_code, forged.json()["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bill_extra_row", 4),
        ("bill_missing_row", 2),
        ("bill_wrong_amount", 3),
        ("bill_foreign_sub_mchid", 3),
    ],
)
def test_a_tampered_bill_is_consistent_in_itself(
    traded: Merchant, sim: Simulator, kind: str, expected: int
) -> None:
    sim.faults.add(kind)

    answer = applied(traded)

    content = downloaded(traded, answer).content
    _, *rows, _, summary = content.decode("utf-8-sig").split("\r\n")[:-1]
    named = [dict(zip(COLUMNS["ALL"], fields(row), strict=True)) for row in rows]
    cents = sum(round(float(row["订单金额"]) * 100) for row in named)
    assert fields(summary)[0] == str(len(rows)) == str(expected)
    assert fields(summary)[5] == f"{cents / 100:.2f}"
    assert answer.json()["hash_value"] == hashlib.sha1(content).hexdigest()
    foreign = [row for row in named if row["特约商户号"] == "1699999999"]
    assert len(foreign) == (kind == "bill_foreign_sub_mchid")


def test_a_bill_can_have_a_wrong_digest_or_no_end(traded: Merchant, sim: Simulator) -> None:
    sim.faults.add("bill_bad_digest")
    wrong = applied(traded)
    sim.faults.add("bill_truncated")
    short = applied(traded)

    wrong_file, short_file = downloaded(traded, wrong), downloaded(traded, short)

    assert wrong.json()["hash_value"] != hashlib.sha1(wrong_file.content).hexdigest()
    assert short.json()["hash_value"] == hashlib.sha1(short_file.content).hexdigest()
    assert "总交易单数" not in short_file.content.decode("utf-8", "ignore")
