"""The audit trail at both doors: a tenant sees its own part of it, operators all of it."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from admin_ui.reading.trail import ROWS_PER_PAGE, Asked, trail
from config import audit
from config.audit import Actor, AuditEntry, acting_as, seal_entries
from config.clock import frozen_at, now
from config.database import changed_rows, db, transaction
from payments.orders.models import OrderState
from payments.webhooks.endpoints import delete_endpoint
from submerchants.staff.roles import StaffRole
from submerchants.tenancy import NoTenant, acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.payments import make_order
from tests.factories.people import (
    form_token,
    make_operator,
    make_staff_member,
    sign_in_operator,
    sign_in_staff,
)
from tests.factories.refunds import make_refund
from tests.factories.submerchants import make_sub_merchant
from tests.factories.webhooks import make_endpoint

OPERATOR = Actor("operator", "opr_1", "lin@provider.example", "203.0.113.9")
STAFF = Actor("staff", "stf_1", "owner@shop.example", "198.51.100.4")
KEY = Actor("api_key", "key_1", "收银系统", "198.51.100.20")
PAYER = Actor("payer", "cl_1", "", "192.0.2.77")
MOMENT = "2026-01-01T00:00:00+00:00"
COMMAND = Actor("command", "deploy", "", "terminal")


@pytest.fixture
def shop(app: object) -> SubMerchant:
    return make_sub_merchant(name="山茶咖啡")


@pytest.fixture
def staff(client: FlaskClient, shop: SubMerchant) -> FlaskClient:
    sign_in_staff(client, make_staff_member(sub_merchant=shop))
    return client


@pytest.fixture
def console(client: FlaskClient) -> FlaskClient:
    sign_in_operator(client)
    return client


def happened(
    action: str,
    *,
    to: str,
    shop: SubMerchant | None = None,
    by: Actor = audit.SYSTEM,
    result: str = "done",
    kind: str | None = None,
    **detail: object,
) -> None:
    """One entry of the trail."""
    with transaction(), acting_as(by):
        audit.record(
            action,
            object_kind=kind or action.partition(".")[0],
            object_id=to,
            tenant_id=shop.id if shop else None,
            result=result,
            **detail,
        )


def shown(page: str) -> list[str]:
    """The ids of the things on the page, in its order."""
    return re.findall(r"<code>(\w+_shown_\d+)</code>", page)


def test_staff_see_what_concerns_their_tenant_and_nothing_else(
    staff: FlaskClient, shop: SubMerchant
) -> None:
    other = make_sub_merchant(name="Elsewhere")
    happened("order.created", to="ord_shown_1", shop=shop, by=KEY)
    happened("order.created", to="ord_shown_2", shop=other, by=KEY)
    happened("partner.key_rotated", to="par_shown_3", by=OPERATOR, sp_mchid="1900000001")
    happened("refund.requested", to="re_shown_4", shop=other, by=OPERATOR)

    pages = [
        staff.get(f"/dashboard/activity{asked}").text
        for asked in (
            "",
            "?by=OWN",
            f"?sub_merchant={other.id}",
            f"?sub_merchant={other.id}&by=OWN",
            "?about=ORDERS",
        )
    ]
    by_name = [
        staff.get(f"/dashboard/activity?object={name}").text
        for name in ("ord_shown_2", "par_shown_3", "re_shown_4")
    ]
    by_group = staff.get("/dashboard/activity?about=PROVIDER").text

    assert [shown(page) for page in pages] == [["ord_shown_1"]] * len(pages)
    assert [shown(page) for page in [*by_name, by_group]] == [[]] * 4
    assert "Elsewhere" not in "".join([*pages, *by_name, by_group])


def test_the_trail_is_read_in_a_scope_or_not_at_all(shop: SubMerchant) -> None:
    happened("order.created", to="ord_shown_1", shop=shop)

    with pytest.raises(NoTenant):
        trail(Asked())
    with acting_for(make_sub_merchant().id):
        assert "ord_shown_1" not in [row.entry.object_id for row in trail(Asked()).rows]


def test_an_operators_deed_stands_there_with_their_name_and_not_their_address(
    staff: FlaskClient, shop: SubMerchant
) -> None:
    happened("refund.requested", to="re_1", shop=shop, by=OPERATOR, amount_fen=1_880)
    happened("sub_merchant.suspended", to=shop.id, shop=shop, by=COMMAND)
    happened("checkout_link.turn_taken", to="cl_1", shop=shop, by=PAYER, turn=2)
    happened("webhook_endpoint.added", to="whe_1", shop=shop, by=STAFF)

    page = staff.get("/dashboard/activity").text

    for words in ("申请退款", "¥18.80", "lin@provider.example", "服务商员工", "服务商（命令行）"):
        assert words in page
    assert "198.51.100.4" in page
    for address in (OPERATOR.origin, PAYER.origin, "deploy"):
        assert address not in page


def test_each_side_can_be_looked_at_alone(staff: FlaskClient, shop: SubMerchant) -> None:
    for number, actor in enumerate((OPERATOR, COMMAND, STAFF, KEY, PAYER, audit.WECHATPAY)):
        happened("order.created", to=f"ord_shown_{number}", shop=shop, by=actor)
    happened("order.closed", to="ord_shown_6", shop=shop)

    seen = {
        side: shown(staff.get(f"/dashboard/activity?by={side}").text)
        for side in ("PROVIDER", "OWN", "SYSTEM", "NOBODY")
    }

    assert seen["PROVIDER"] == ["ord_shown_1", "ord_shown_0"]
    assert seen["OWN"] == ["ord_shown_3", "ord_shown_2"]
    assert seen["SYSTEM"] == ["ord_shown_6", "ord_shown_5", "ord_shown_4"]
    assert len(seen["NOBODY"]) == 7


def test_days_are_beijings_and_go_by_when_it_happened(
    staff: FlaskClient, shop: SubMerchant
) -> None:
    late = datetime(2026, 10, 1, 15, 59, 59, tzinfo=UTC)  # 23:59:59 in Beijing
    for number, moment in enumerate((late + timedelta(seconds=1), late)):
        with frozen_at(moment):
            happened("order.created", to=f"ord_shown_{number}", shop=shop)

    first, both = (
        shown(staff.get(f"/dashboard/activity?from=2026-10-01&to={last}").text)
        for last in ("2026-10-01", "2026-10-02")
    )

    assert first == ["ord_shown_1"]
    assert both == ["ord_shown_0", "ord_shown_1"]  # newest first, whatever was written first


def test_pages_follow_one_another_without_gap_or_repeat(
    staff: FlaskClient, shop: SubMerchant
) -> None:
    actors = (KEY, STAFF, audit.WECHATPAY, OPERATOR)
    moment = now()
    for number in range(ROWS_PER_PAGE * 2 + 5):
        with frozen_at(moment + timedelta(seconds=number // 10)):  # ten in the same moment
            happened("order.paid", to=f"ord_shown_{number}", shop=shop, by=actors[number % 4])

    seen: list[str] = []
    address = "/dashboard/activity?from=2026-01-01"
    while address:
        page = staff.get(address, headers={"HX-Target": "more"} if seen else {}).text
        seen += shown(page)
        following = re.search(r'hx-get="([^"]+)"', page)
        address = following.group(1).replace("&amp;", "&") if following else ""

    assert seen == [f"ord_shown_{number}" for number in reversed(range(ROWS_PER_PAGE * 2 + 5))]


@pytest.mark.parametrize(
    "said", ["", "2026", f"{MOMENT}|ord_1", f"{MOMENT}|aud_x", f"{MOMENT}|aud_{'9' * 30}"]
)
def test_a_cursor_that_is_not_ours_is_refused(staff: FlaskClient, said: str) -> None:
    cursor = base64.urlsafe_b64encode(said.encode()).decode().rstrip("=") or "x"

    assert staff.get(f"/dashboard/activity?cursor={cursor}").status_code == 400


def test_things_with_a_page_are_linked_and_others_are_not(
    staff: FlaskClient, shop: SubMerchant
) -> None:
    order = make_order(sub_merchant=shop, state=OrderState.PAID)
    refund = make_refund(order=order, amount_fen=10)
    kept, gone = (
        make_endpoint(sub_merchant=shop, url=f"https://shop.example.com/{rest}").endpoint
        for rest in ("a", "b")
    )
    with acting_for(shop.id):
        delete_endpoint(gone)
    happened("order.paid", to=order.id, shop=shop)
    happened("refund.requested", to=refund.id, shop=shop)
    happened("notification.quarantined", to="ntf_1", shop=shop, result="refused")

    page = staff.get("/dashboard/activity").text
    links = set(re.findall(r'<a href="([^"]+)"><code>', page))

    assert links == {
        f"/dashboard/orders/{order.id}",
        f"/dashboard/refunds/{refund.id}",
        f"/dashboard/webhooks/{kept.id}",
    }
    assert [staff.get(link).status_code for link in links] == [200] * 3
    assert "被拒绝" in page


def test_an_empty_list_teaches_what_will_stand_there(staff: FlaskClient) -> None:
    filtered = staff.get("/dashboard/activity?by=PROVIDER").text
    nothing = staff.get("/dashboard/activity?to=2020-01-01").text

    assert "服务商员工没有操作过本店" in filtered
    assert "没有符合条件的记录" in nothing
    assert "新签发的接口密钥" in nothing


def test_secrets_and_markup_in_a_detail_reach_no_page(
    staff: FlaskClient, shop: SubMerchant
) -> None:
    happened(
        "webhook_endpoint.changed",
        to="whe_1",
        shop=shop,
        by=STAFF,
        url="https://u:hunter2@shop.example.com/?token=canary1",
        description="<script>alert(1)</script>",
        secret="canary2",
    )

    page = staff.get("/dashboard/activity").text

    for secret in ("hunter2", "canary1", "canary2", "<script>alert"):
        assert secret not in page


@pytest.mark.parametrize(
    ("role", "status"), [(StaffRole.OWNER, 200), (StaffRole.FINANCE, 200), (StaffRole.CLERK, 403)]
)
def test_clerks_do_not_see_what_others_do(
    client: FlaskClient, shop: SubMerchant, role: StaffRole, status: int
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=shop, role=role))

    assert client.get("/dashboard/activity").status_code == status
    assert ("/dashboard/activity" in client.get("/dashboard/").text) is (status == 200)


def test_operators_see_all_of_it_and_narrow_it(console: FlaskClient, shop: SubMerchant) -> None:
    other = make_sub_merchant()
    happened("order.created", to="ord_shown_1", shop=shop, by=KEY)
    happened("refund.requested", to="re_shown_2", shop=other, by=OPERATOR)
    happened("partner.key_rotated", to="par_shown_3", by=COMMAND)

    seen = {
        asked: shown(console.get(f"/admin/audit?{asked}").text)
        for asked in (
            f"from={now():%Y}-01-01",
            f"sub_merchant={shop.id}",
            "by=PROVIDER",
            "about=PROVIDER",
            "about=REFUNDS&by=PROVIDER",
            "about=REFUNDS&by=OWN",
            f"about=REFUNDS&sub_merchant={shop.id}",
            "object=ord_shown_1",
        )
    }

    assert list(seen.values()) == [
        ["par_shown_3", "re_shown_2", "ord_shown_1"],
        ["ord_shown_1"],
        ["par_shown_3", "re_shown_2"],
        ["par_shown_3"],
        ["re_shown_2"],
        [],
        [],
        ["ord_shown_1"],
    ]


def test_the_console_names_the_person_at_the_command_line(
    console: FlaskClient, shop: SubMerchant
) -> None:
    happened("partner.key_rotated", to="par_1", by=COMMAND, serial_no="51")

    page = console.get("/admin/audit").text

    assert "deploy" in page
    assert "命令行 · terminal" in page
    assert "服务商商户 API 私钥已更换" in page


def test_the_end_of_the_chain_is_told_and_a_cut_off_tail_seen(console: FlaskClient) -> None:
    happened("vault.rekeyed", to="k1", moved=3)
    waiting = console.get("/admin/audit").text
    seal_entries()
    closed = console.get("/admin/audit").text
    last = audit.chain_end()
    with transaction():
        changed_rows(
            update(AuditEntry).where(AuditEntry.position == last.position).values(position=None)
        )
    db.session.expire_all()

    assert "条待入链" in waiting
    assert f"记录已成链至第 {last.position} 条" in closed
    assert last.entry_hash in closed
    assert last.waiting == 0
    assert "链的末端缺失或被改动" in console.get("/admin/audit").text


def test_a_deed_in_the_console_is_seen_by_the_tenant(
    client: FlaskClient, shop: SubMerchant
) -> None:
    order = make_order(sub_merchant=shop, state=OrderState.PAID, amount_fen=1_880)
    known = sign_in_operator(client, make_operator(email="mei@provider.example"))
    address = f"/admin/orders/{order.id}"
    form = {"csrf_token": form_token(client, address), "amount": "1.00", "proof": known.code()}
    client.post(f"{address}/refunds", data=form)
    sign_in_staff(client, make_staff_member(sub_merchant=shop))

    page = client.get("/dashboard/activity?by=PROVIDER").text

    assert "申请退款" in page
    assert "mei@provider.example" in page
