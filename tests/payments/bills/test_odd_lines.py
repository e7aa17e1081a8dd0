"""Lines of a good file that are not as they should be: made whole, set aside, or named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from config.clock import frozen_at
from config.database import db
from partner.models import Partner
from payments.bills.models import BillStray, DownloadState
from payments.bills.queries import stream_trade_csv
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.bills import Row, bill_bytes, fetched, payment_row

DAY = date(2031, 5, 6)
NEXT_MORNING = datetime(2031, 5, 7, 2, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _next_morning() -> Iterator[None]:
    with frozen_at(NEXT_MORNING):
        yield


def row(partner: Partner, tenant: SubMerchant, amount_fen: int, **fields: str) -> Row:
    mchids = {"sp_mchid": partner.sp_mchid, "sub_mchid": tenant.sub_mchid}
    return payment_row(day=DAY, amount_fen=amount_fen, **mchids, **fields)


def csv_of(tenant: SubMerchant) -> bytes:
    with acting_for(tenant.id):
        return b"".join(stream_trade_csv(DAY))


def test_a_line_that_free_text_broke_reaches_its_tenant_whole(
    provider: Partner, tea: SubMerchant, cake: SubMerchant
) -> None:
    broken = row(provider, tea, 200, 商品名称="茶\r\n大杯", 商户数据包="a,`b\r\n")
    of_cake = row(provider, cake, 77)

    download = fetched(provider, DAY, bill_bytes([broken, of_cake]))

    told = {"商品名称": r"茶\r\n大杯", "商户数据包": r"a,`b\r\n"}
    assert (download.row_count, download.stray_count) == (2, 0)
    assert csv_of(tea) == bill_bytes([broken | told])
    assert csv_of(cake) == bill_bytes([of_cake])


def test_a_line_with_an_empty_amount_is_set_aside_while_the_totals_agree(
    provider: Partner, tea: SubMerchant
) -> None:
    own, odd = row(provider, tea, 200), row(provider, tea, 300, 手续费="0.00000")
    content = bill_bytes([own, odd]).replace(b"`0.00000,`", b"`,`", 1)

    download = fetched(provider, DAY, content)

    stray = db.session.execute(select(BillStray.line_no, BillStray.reason)).one()
    assert (download.state, download.stray_count) == (DownloadState.DIVIDED, 1)
    assert tuple(stray) == (2, "UNREADABLE")
    assert csv_of(tea) == bill_bytes([own])


def test_a_refusal_names_the_line_that_cannot_be_read(provider: Partner, tea: SubMerchant) -> None:
    rows = [row(provider, tea, 200), row(provider, tea, 300, 手续费="0.12345")]
    content = bill_bytes(rows).replace(b"`0.12345,", b"`0.123456,")

    download = fetched(provider, DAY, content)

    assert download.state is DownloadState.REFUSED
    assert (download.refusal or "").endswith(
        "Lines that cannot be read: 1, the first is line 2 after the header."
    )
