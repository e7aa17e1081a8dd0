"""Bill days to measure with: orders written straight into the tables, and the bill's file beside.

A day has `rows` payments spread evenly over `tenants`. One order in a few thousand is missing on
one side or the other, or differs by a fen, so that the answers can be compared as well as the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from config.database import db, transaction
from config.identifiers import new_id
from partner.models import Partner
from payments.money import format_yuan
from submerchants.tenants.models import SubMerchant, TenantState
from tests.benchmarks.bill_day import DAY, PAID_AT, BillDay
from tests.factories.bills import HEADERS, SUMMARY
from tests.factories.partner import make_partner

ODD_EVERY = 5_000

_COLUMNS = (
    "id,sub_merchant_id,merchant_order_no,out_trade_no,transaction_id,partner_id,sp_mchid,"
    "sub_mchid,sp_appid,trade_type,state,trade_state,description,amount_fen,currency,"
    "payer_total_fen,refunded_fen,request_hash,place_body,expires_at,paid_at,created_at,checks"
)


def make_day(
    folder: Path, database_url: str, variables: dict[str, str], *, rows: int, tenants: int
) -> BillDay:
    """Fill the current application's database with a day, and write the file of its bill."""
    partner = make_partner()
    subs = _make_tenants(partner, tenants)
    path = folder / f"{partner.sp_mchid}.csv"
    day = BillDay(database_url, str(path), partner.id, partner.sp_mchid, rows, tenants, variables)
    _write_orders(day, subs)
    _write_file(day, subs, path)
    return day


def _make_tenants(partner: Partner, count: int) -> list[tuple[str, str]]:
    made = [(new_id("sub"), f"{partner.sp_mchid[-4:]}{number:06}") for number in range(count)]
    rows = [
        {
            "id": tenant,
            "partner_id": partner.id,
            "sub_mchid": sub_mchid,
            "name": sub_mchid,
            "state": TenantState.ACTIVE,
            "created_at": PAID_AT,
        }
        for tenant, sub_mchid in made
    ]
    with transaction():
        db.session.execute(insert(SubMerchant), rows)
    return made


def _orders(day: BillDay, subs: list[tuple[str, str]]) -> Iterator[tuple[Any, ...]]:
    moment: Any = PAID_AT if day.is_postgresql else PAID_AT.replace(tzinfo=None).isoformat(" ")
    for number in range(day.rows):
        if number % ODD_EVERY == 1:
            continue  # on the bill only
        tenant, sub_mchid = subs[number % day.tenants]
        yield (
            f"ord_{day.sp_mchid}{number:012}",
            tenant,
            f"A{number}",
            *_numbers(day, number),
            day.partner_id,
            day.sp_mchid,
            sub_mchid,
            "wx0000000000000001",
            "JSAPI",
            "PAID",
            "SUCCESS",
            "Tea",
            _amount(number),
            "CNY",
            _amount(number),
            0,
            "0" * 64,
            '{"description":"Tea","amount":{"total":1800,"currency":"CNY"}}',
            moment,
            moment,
            moment,
            0,
        )


def _write_orders(day: BillDay, subs: list[tuple[str, str]]) -> None:
    connection = day.connect()
    if day.is_postgresql:
        with connection.cursor().copy(f"COPY orders ({_COLUMNS}) FROM STDIN") as copy:
            for order in _orders(day, subs):
                copy.write_row(order)
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE orders")
    else:
        marks = ",".join("?" * len(_COLUMNS.split(",")))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            f"INSERT INTO orders ({_COLUMNS}) VALUES ({marks})", _orders(day, subs)
        )
        connection.execute("COMMIT")
        connection.execute("ANALYZE")
    connection.close()


def _write_file(day: BillDay, subs: list[tuple[str, str]], path: Path) -> None:
    count = total = 0
    with path.open("wb") as file:
        file.write(b"\xef\xbb\xbf" + f"{HEADERS['ALL']}\r\n".encode())
        for number in range(day.rows):
            if number % ODD_EVERY == 2:
                continue  # in the books only
            amount = _amount(number) + (number % ODD_EVERY == 3)
            count += 1
            total += amount
            file.write(_line(day, subs[number % day.tenants][1], number, amount))
        yuan = format_yuan(total)
        figures = f"`{count},`{yuan},`0.00,`0.00,`{format_yuan(0)}000,`{yuan},`0.00"
        file.write(f"{SUMMARY['ALL']}\r\n{figures}\r\n".encode())


def _line(day: BillDay, sub_mchid: str, number: int, amount: int) -> bytes:
    out_trade_no, transaction_id = _numbers(day, number)
    yuan = format_yuan(amount)
    seconds = number % 86_400
    time = f"{DAY} {seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return (
        f"`{time},`wx0000000000000001,`{day.sp_mchid},`{sub_mchid},`,`{transaction_id},"
        f"`{out_trade_no},`oUpF8uMuAJO_M2pxb1Q9zNjWeS6o,`JSAPI,`SUCCESS,`OTHERS,`CNY,`{yuan},"
        f"`0.00,`0,`0,`0.00,`0.00,`,`,`示例商品,`,`0.00000,`0.60%,`{yuan},`0.00,`\r\n"
    ).encode()


def _numbers(day: BillDay, number: int) -> tuple[str, str]:
    # As real ones are: they begin with their time, and within a stretch of time they are random.
    stretch, within = divmod(number, 65_536)
    spread = f"{stretch:06}{within * 40_503 % 65_536:05}"
    return f"T{day.sp_mchid}{spread}{number:08}", f"42{day.sp_mchid[-4:]}{spread}{number:011}"


def _amount(number: int) -> int:
    return 1 + number * 7_919 % 99_991
