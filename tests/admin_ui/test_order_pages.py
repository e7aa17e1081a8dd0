"""The list of orders, its filters in the address, and one order's timeline."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from admin_ui.reading.order_list import ROWS_PER_PAGE
from config import audit
from config.clock import frozen_at, now
from config.database import transaction
from partner.operators.roles import OperatorRole
from payments.notifications.models import InboxState
from payments.orders.models import OrderState
from submerchants.tenancy import acting_for
from tests.factories.console import make_entry
from tests.factories.payments import make_order
from tests.factories.people import make_operator, sign_in_operator
from tests.factories.submerchants import make_sub_merchant


@pytest.fixture
def console(client: FlaskClient) -> FlaskClient:
    sign_in_operator(client)
    return client


def shown(text: str) -> list[str]:
    """The ids of the orders a list links to, in order."""
    return list(dict.fromkeys(re.findall(r"/orders/(ord_\w+)", text)))


def test_the_newest_order_comes_first_and_every_order_comes_once(console: FlaskClient) -> None:
    here, start = make_sub_merchant(), now()
    moments = [start - timedelta(seconds=number // 3) for number in range(ROWS_PER_PAGE + 7)]
    made = [make_order(sub_merchant=here, created_at=moment) for moment in moments]
    newest_first = sorted(made, key=lambda order: (order.created_at, order.id), reverse=True)

    first = console.get("/admin/orders")
    more = re.search(r'hx-get="([^"]+)"', first.text)
    assert more
    second = console.get(more.group(1).replace("&amp;", "&"), headers={"HX-Target": "more"})

    assert shown(first.text) + shown(second.text) == [order.id for order in newest_first]
    assert "<html" not in second.text


def test_the_address_filters_by_state_sub_merchant_and_days(console: FlaskClient) -> None:
    here, there = make_sub_merchant(), make_sub_merchant()
    yesterday = now() - timedelta(days=1)
    paid = make_order(sub_merchant=here, state=OrderState.PAID)
    old = make_order(sub_merchant=here, state=OrderState.CLOSED, created_at=yesterday)
    other = make_order(sub_merchant=there, state=OrderState.PENDING)
    today, before = (f"{moment + timedelta(hours=8):%Y-%m-%d}" for moment in (now(), yesterday))

    answers = {
        address: set(shown(console.get(f"/admin/orders?{address}").text))
        for address in (
            "state=PAID",
            f"sub_merchant={there.id}",
            f"from={today}",
            f"to={before}",
            f"sub_merchant={here.id}&state=CLOSED",
            "state=NONSENSE&from=never",
        )
    }

    assert list(answers.values()) == [
        {paid.id},
        {other.id},
        {paid.id, other.id},
        {old.id},
        {old.id},
        {paid.id, old.id, other.id},
    ]


def test_any_whole_number_finds_its_order(console: FlaskClient) -> None:
    here = make_sub_merchant()
    order = make_order(sub_merchant=here, state=OrderState.PAID, merchant_order_no="Tea|2026*7")
    same = make_order(merchant_order_no="Tea|2026*7")
    make_order()

    found = {
        number: set(shown(console.get("/admin/orders", query_string={"q": number}).text))
        for number in (
            order.id,
            order.out_trade_no,
            str(order.transaction_id),
            f"  {order.out_trade_no} ",
            order.out_trade_no[:-1],
            "'; drop table orders",
        )
    }
    both = set(shown(console.get("/admin/orders", query_string={"q": "Tea|2026*7"}).text))

    assert list(found.values()) == [{order.id}] * 4 + [set(), set()]
    assert both == {order.id, same.id}


def test_an_order_tells_its_story(console: FlaskClient) -> None:
    here = make_sub_merchant()
    order = make_order(sub_merchant=here, state=OrderState.PAID, amount_fen=123_456)
    with acting_for(here.id), transaction():
        for action in ("order.created", "order.opened", "order.paid"):
            audit.record(action, object_kind="order", object_id=order.id, tenant_id=here.id)

    page = console.get(f"/admin/orders/{order.id}").text

    assert "¥1,234.56" in page
    story = [page.index(words) for words in ("订单已登记", "微信支付已受理", "<b>已支付</b>")]
    assert story == sorted(story)
    assert str(order.sp_openid) not in page
    assert str(order.sp_openid)[:4] in page


def test_what_happened_in_one_moment_is_told_from_the_beginning(console: FlaskClient) -> None:
    moment = now()
    order = make_order(state=OrderState.PAID, created_at=moment)
    with acting_for(order.sub_merchant_id), transaction(), frozen_at(moment):
        for action in ("order.created", "order.opened", "order.paid"):
            audit.record(action, object_kind="order", object_id=order.id)
    make_entry(order, InboxState.APPLIED, received_at=moment)

    page = console.get(f"/admin/orders/{order.id}").text

    told = ("订单已登记", "微信支付已受理", "收到微信支付通知", "<b>已支付</b>")
    places = [page.index(words) for words in told]
    assert places == sorted(places)


def test_what_a_merchant_wrote_is_text_and_not_markup(console: FlaskClient) -> None:
    order = make_order(description="<script>alert(1)</script>", attach='"><img src=x onerror=y>')

    pages = [console.get(path).text for path in ("/admin/orders", f"/admin/orders/{order.id}")]

    for page in pages:
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page
        assert "&lt;script&gt;" in page


def test_an_empty_console_teaches_the_first_call(console: FlaskClient) -> None:
    page = console.get("/admin/").text

    assert "curl -X POST https://pay.example.test/api/v1/orders" in page
    assert "还没有订单" in page


def test_only_those_who_may_export_see_the_button(client: FlaskClient) -> None:
    sign_in_operator(client, make_operator(role=OperatorRole.VIEWER))

    assert "orders.csv" not in client.get("/admin/orders").text
