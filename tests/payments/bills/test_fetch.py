"""Fetching and dividing: one download a day, each tenant's rows to that tenant only."""

from __future__ import annotations

import contextvars
import threading
from datetime import UTC, date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import delete, func, select, update

from config.clock import frozen_at, now
from config.database import changed_rows, db, release, transaction
from partner.models import BillScope, MerchantKey, Partner
from partner.simulator.simulator import Simulator
from partner.wechatpay.errors import (
    BillDigestMismatch,
    OutcomeUnknown,
    Refused,
    UnknownReason,
)
from payments.bills.claims import claim_download, ensure_download
from payments.bills.day import (
    CATCH_UP_DAYS,
    BillDateRefused,
    due_days,
    fetch_day,
    fetch_due_bills,
    scopes_of,
)
from payments.bills.fetch import fetch_bill
from payments.bills.models import (
    BillDownload,
    BillDownloadPart,
    BillStray,
    DownloadState,
    TradeBill,
    TradeBillPart,
    TradeBillState,
)
from payments.bills.originals import read_original
from payments.bills.queries import (
    BillChanged,
    NoBillYet,
    list_bills,
    stream_trade_csv,
    waiting_bill,
)
from payments.webhooks.models import WebhookEvent
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.bills import (
    PreparedBills,
    bill_bytes,
    fetched,
    payment_row,
    refund_row,
)
from tests.factories.partner import make_partner, make_partner_of
from tests.factories.submerchants import make_sub_merchant

DAY = date(2031, 5, 6)
NEXT_MORNING = datetime(2031, 5, 7, 2, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _next_morning() -> object:
    with frozen_at(NEXT_MORNING):
        yield


def row(
    partner: Partner, tenant: SubMerchant, amount_fen: int = 100, **fields: str
) -> dict[str, str]:
    return payment_row(
        sp_mchid=partner.sp_mchid,
        sub_mchid=tenant.sub_mchid,
        day=DAY,
        amount_fen=amount_fen,
        **fields,
    )


def csv_of(tenant: SubMerchant) -> bytes:
    with acting_for(tenant.id):
        return b"".join(stream_trade_csv(DAY))


def bill_of(tenant: SubMerchant) -> TradeBill:
    with acting_for(tenant.id):
        return list_bills(DAY).rows[0]


def test_each_tenant_gets_its_rows_in_wechat_pays_own_format(
    provider: Partner, tea: SubMerchant, cake: SubMerchant
) -> None:
    refunded = refund_row(
        sp_mchid=provider.sp_mchid, sub_mchid=tea.sub_mchid, day=DAY, amount_fen=40
    )
    of_tea = [row(provider, tea, 1800), refunded, row(provider, tea, 1)]
    of_cake = [row(provider, cake, 77)]

    download = fetched(provider, DAY, bill_bytes([of_tea[0], of_cake[0], *of_tea[1:]]))

    assert (download.state, download.row_count) == (DownloadState.DIVIDED, 4)
    assert csv_of(tea) == bill_bytes(of_tea)
    assert csv_of(cake) == bill_bytes(of_cake)


def test_the_original_is_kept_byte_for_byte(provider: Partner, tea: SubMerchant) -> None:
    content = bill_bytes([row(provider, tea, 商品名称="\udcff茶") for _ in range(300)])

    download = fetched(provider, DAY, content)

    assert b"".join(read_original(download)) == content
    assert download.byte_count == len(content)


def test_a_share_of_several_parts_comes_back_whole(provider: Partner, tea: SubMerchant) -> None:
    rows = [row(provider, tea, number, 商户数据包="x" * 300) for number in range(1, 2_500)]

    fetched(provider, DAY, bill_bytes(rows))

    with across_tenants("a test looks"):
        assert (db.session.scalar(select(func.count()).select_from(TradeBillPart)) or 0) > 1
    assert csv_of(tea) == bill_bytes(rows)


def test_a_file_that_loses_rows_while_it_is_read_breaks_off_before_its_summary(
    provider: Partner, tea: SubMerchant
) -> None:
    fetched(provider, DAY, bill_bytes([row(provider, tea)]))
    with across_tenants("a division of another process"), transaction():
        changed_rows(delete(TradeBillPart))

    with pytest.raises(BillChanged):
        csv_of(tea)


def test_a_tenant_without_rows_has_an_empty_day(
    provider: Partner, tea: SubMerchant, cake: SubMerchant
) -> None:
    fetched(provider, DAY, bill_bytes([row(provider, tea)]))

    assert bill_of(cake).state is TradeBillState.EMPTY
    with pytest.raises(NoBillYet):
        csv_of(cake)


def test_rows_of_nobody_here_are_set_aside_and_no_tenant_sees_them(
    provider: Partner, tea: SubMerchant
) -> None:
    stranger = payment_row(sp_mchid=provider.sp_mchid, sub_mchid="1699999999", day=DAY)
    own = row(provider, tea)
    late = row(provider, tea, 交易时间="2031-05-07 00:00:01")

    download = fetched(provider, DAY, bill_bytes([stranger, own, late]))

    strays = db.session.execute(
        select(BillStray.line_no, BillStray.reason, BillStray.number).order_by(BillStray.line_no)
    ).all()
    assert download.stray_count == 2
    assert [tuple(stray) for stray in strays] == [
        (1, "UNKNOWN_SUB_MERCHANT", stranger["商户订单号"]),
        (3, "OTHER_DAY", late["商户订单号"]),
    ]
    assert csv_of(tea) == bill_bytes([own])


def test_a_tenant_that_came_later_gets_its_rows_out_of_the_kept_original(
    provider: Partner, tea: SubMerchant
) -> None:
    early = payment_row(sp_mchid=provider.sp_mchid, sub_mchid="1699999998", day=DAY)
    download = fetched(provider, DAY, bill_bytes([row(provider, tea), early]))
    newcomer = make_sub_merchant(partner=provider, sub_mchid="1699999998")

    desk = PreparedBills({})
    fetch_bill(download=download, partner=provider, bills=desk, forced=True)

    assert csv_of(newcomer) == bill_bytes([early])
    assert desk.applied == []


def test_a_file_that_disagrees_with_its_summary_by_a_fen_is_refused_as_a_whole(
    provider: Partner, tea: SubMerchant
) -> None:
    content = bill_bytes([row(provider, tea, 200)]).replace(b"`1,`2.00", b"`1,`2.01")

    download = fetched(provider, DAY, content)

    assert download.state is DownloadState.REFUSED
    assert "summary says 201, the lines 200" in (download.refusal or "")
    assert b"".join(read_original(download)) == content
    with acting_for(tea.id):
        assert list_bills(DAY).rows == []


def test_an_unreadable_line_is_never_guessed_at(provider: Partner, tea: SubMerchant) -> None:
    content = bill_bytes([row(provider, tea, 200)]).replace(b"`CNY,", b"")

    download = fetched(provider, DAY, content)

    assert download.state is DownloadState.REFUSED


def test_an_empty_day_is_a_state(provider: Partner, tea: SubMerchant) -> None:
    download = fetched(provider, DAY, Refused(status=400, code="NO_STATEMENT_EXIST"))

    assert download.state is DownloadState.EMPTY
    assert bill_of(tea).state is TradeBillState.EMPTY


def test_a_bill_not_yet_written_is_asked_for_again_half_an_hour_later(
    provider: Partner, tea: SubMerchant
) -> None:
    creating = Refused(status=400, code="STATEMENT_CREATING")
    download = fetched(provider, DAY, creating)

    too_early = PreparedBills({DAY: bill_bytes([row(provider, tea)])})
    fetch_bill(download=download, partner=provider, bills=too_early)
    waiting = waiting_bill(tea, DAY)
    with frozen_at(NEXT_MORNING + timedelta(minutes=31)):
        later = fetch_bill(download=download, partner=provider, bills=too_early)

    assert waiting is not None
    assert waiting.state is TradeBillState.NOT_READY
    assert len(too_early.applied) == 1
    assert later.state is DownloadState.DIVIDED


@pytest.mark.parametrize(
    ("trouble", "state", "is_asked_again"),
    [
        (OutcomeUnknown(UnknownReason.TIMED_OUT), DownloadState.WAITING, True),
        (Refused(status=429, code="FREQUENCY_LIMITED"), DownloadState.WAITING, True),
        (Refused(status=401, code="SIGN_ERROR"), DownloadState.WAITING, True),
        (Refused(status=403, code="NO_AUTH"), DownloadState.FAILED, False),
    ],
)
def test_trouble_is_told_apart_by_what_can_be_done_about_it(
    provider: Partner, trouble: Exception, state: DownloadState, is_asked_again: bool
) -> None:
    download = fetched(provider, DAY, trouble)

    assert download.state is state
    assert (download.next_try_at is not None) == is_asked_again
    assert download.refusal


def test_a_link_that_dies_is_applied_for_again_and_leaves_nothing_behind(
    provider: Partner, tea: SubMerchant
) -> None:
    content = bill_bytes([row(provider, tea)])
    calls = iter([content, BillDigestMismatch("cut"), content, content])
    desk = PreparedBills({DAY: lambda: next(calls)})
    download = ensure_download(partner_id=provider.id, scope="", bill_date=DAY)

    done = fetch_bill(download=download, partner=provider, bills=desk)

    tokens = db.session.scalars(select(BillDownloadPart.token).distinct()).all()
    assert done.state is DownloadState.DIVIDED
    assert tokens == [done.parts_token]
    assert len(desk.applied) == 2


def test_a_bill_that_is_here_is_not_asked_for_again(provider: Partner, tea: SubMerchant) -> None:
    download = fetched(provider, DAY, bill_bytes([row(provider, tea)]))
    desk = PreparedBills({})

    fetch_bill(download=download, partner=provider, bills=desk)
    fetch_bill(download=download, partner=provider, bills=desk, forced=True)

    assert desk.applied == []


def test_any_number_of_processes_fetch_a_day_once(app: Flask, provider: Partner) -> None:
    tenant = make_sub_merchant(partner=provider)
    desk = PreparedBills({DAY: bill_bytes([row(provider, tenant)])})
    download = ensure_download(partner_id=provider.id, scope="", bill_date=DAY)
    together = threading.Barrier(4)

    def work() -> None:
        with app.app_context():
            mine = db.session.get_one(BillDownload, download.id)
            together.wait()
            fetch_bill(download=mine, partner=provider, bills=desk)

    threads = [threading.Thread(target=contextvars.Context().run, args=(work,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    release()  # this session's view is from before

    assert len(desk.applied) == 1
    assert bill_of(tenant).state is TradeBillState.READY


def test_a_claim_somebody_died_with_runs_out(provider: Partner) -> None:
    download = ensure_download(partner_id=provider.id, scope="", bill_date=DAY)
    assert claim_download(download.id) is not None

    at_once = claim_download(download.id)
    with frozen_at(now() + timedelta(minutes=16)):
        later = claim_download(download.id)

    assert at_once is None
    assert later is not None


def test_tenants_are_told_once_that_their_bill_is_ready(
    provider: Partner, tea: SubMerchant, cake: SubMerchant
) -> None:
    stranger = payment_row(sp_mchid=provider.sp_mchid, sub_mchid="1699999999", day=DAY)
    download = fetched(provider, DAY, bill_bytes([row(provider, tea), stranger]))

    fetch_bill(download=download, partner=provider, bills=PreparedBills({}), forced=True)

    with across_tenants("a test looks"):
        events = db.session.execute(select(WebhookEvent.sub_merchant_id, WebhookEvent.type)).all()
    assert [tuple(event) for event in events] == [(tea.id, "bill.ready")]


def test_a_provider_may_have_a_bill_for_each_sub_merchant(app: Flask) -> None:
    provider = make_partner(bill_scope=BillScope.SUB_MERCHANT)
    tea, cake = make_sub_merchant(partner=provider), make_sub_merchant(partner=provider)
    own, foreign = row(provider, tea), row(provider, cake)

    download = fetched(provider, DAY, bill_bytes([own, foreign]), scope=tea.sub_mchid)

    assert sorted(scopes_of(provider)) == sorted([tea.sub_mchid, cake.sub_mchid])
    assert download.stray_count == 1
    assert csv_of(tea) == bill_bytes([own])
    with acting_for(cake.id):
        assert list_bills(DAY).rows == []


def test_missed_days_are_due_from_ten_in_the_morning() -> None:
    before_ten = due_days(datetime(2031, 5, 7, 1, 59, tzinfo=UTC))
    at_ten = due_days(datetime(2031, 5, 7, 2, 0, tzinfo=UTC))

    assert before_ten[-1] == date(2031, 5, 5)
    assert at_ten[-1] == date(2031, 5, 6)
    assert len(at_ten) == 7


def test_a_day_longer_ago_than_three_months_has_no_bill(provider: Partner) -> None:
    with pytest.raises(BillDateRefused):
        fetch_day(partner=provider, bill_date=date(2031, 1, 1))


def test_whether_a_day_is_over_is_wechat_pay_s_to_say(partner: Partner) -> None:
    (today,) = fetch_day(partner=partner, bill_date=date(2031, 5, 7))

    assert today.state is DownloadState.NOT_READY


def test_a_provider_whose_key_cannot_be_opened_does_not_keep_the_others_from_their_bills(
    app: Flask, simulator: Simulator
) -> None:
    broken = make_partner()
    with transaction():
        here = update(MerchantKey).where(MerchantKey.partner_id == broken.id)
        changed_rows(here.values(private_key_sealed="not what the vault sealed"))
    sound = make_partner_of(simulator)

    figures = fetch_due_bills()

    asked_for = select(func.count()).where(BillDownload.partner_id == sound.id)
    assert figures["fault"] == 1
    assert db.session.scalar(asked_for) == CATCH_UP_DAYS
