"""Webhooks to look at: health, tries, events; and one sent again by those who may."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from config.audit import AuditEntry
from config.database import db
from partner.operators.roles import OperatorRole
from payments.webhooks.models import DeliveryState
from payments.webhooks.record import FAILED_TOO_LONG
from submerchants.staff.roles import StaffRole
from submerchants.tenants.models import SubMerchant
from tests.factories.deliveries import let_fail, make_delivery
from tests.factories.people import (
    form_token,
    make_operator,
    make_staff_member,
    sign_in_operator,
    sign_in_staff,
)
from tests.factories.submerchants import make_sub_merchant
from tests.factories.webhooks import deliveries, make_endpoint

URL = "https://shop.example.com/hooks/pay"
OTHER_URL = "https://else.example.com/hooks"


@pytest.fixture
def shop(app: object) -> SubMerchant:
    return make_sub_merchant(name="山茶咖啡")


def owner(client: FlaskClient, shop: SubMerchant, role: StaffRole = StaffRole.OWNER) -> FlaskClient:
    sign_in_staff(client, make_staff_member(sub_merchant=shop, role=role))
    return client


def ticks(page: str) -> list[str]:
    """The tones of the strip, from old to new, without its empty places."""
    return re.findall(r'class="tick tone-(\w+)"', page)


def test_health_is_a_strip_from_old_to_new_and_a_word(
    client: FlaskClient, shop: SubMerchant
) -> None:
    endpoint = make_endpoint(sub_merchant=shop, url=URL).endpoint
    for state in (DeliveryState.DELIVERED, DeliveryState.GIVEN_UP, DeliveryState.DUE):
        make_delivery(endpoint, state=state)
    let_fail(endpoint, hours=3)

    page = owner(client, shop).get("/dashboard/webhooks").text

    assert ticks(page) == ["good", "bad", "warn"]
    assert "投递失败中" in page
    assert "最近 3 次投递，送达 1 次" in page


def test_each_endpoint_has_its_own_newest_ticks(client: FlaskClient, shop: SubMerchant) -> None:
    busy, calm = (make_endpoint(sub_merchant=shop, url=url).endpoint for url in (URL, OTHER_URL))
    for _ in range(32):
        make_delivery(busy, state=DeliveryState.GIVEN_UP)
    make_delivery(calm)

    page = owner(client, shop).get("/dashboard/webhooks").text

    assert ticks(page) == ["bad"] * 30 + ["good"]


def test_why_it_was_disabled_is_told_in_chinese(client: FlaskClient, shop: SubMerchant) -> None:
    endpoint = make_endpoint(sub_merchant=shop, url=URL).endpoint
    let_fail(endpoint, hours=121, reason=f"{FAILED_TOO_LONG}Answered 502; any 2xx is receipt.")

    page = owner(client, shop).get("/dashboard/webhooks").text

    assert "连续 5 天未能送达；最后一次的问题：应答 502；只有 2xx 才算收到。" in page


def test_every_try_shows_with_what_was_answered_as_plain_text(
    client: FlaskClient, shop: SubMerchant
) -> None:
    endpoint = make_endpoint(sub_merchant=shop, url=URL).endpoint
    make_delivery(
        endpoint,
        state=DeliveryState.DUE,
        status=500,
        took_ms=1532,
        problem="Answered 500; any 2xx is receipt.",
        reply="<script>alert(1)</script>",
    )

    page = owner(client, shop).get(f"/dashboard/webhooks/{endpoint.id}").text

    assert "1,532 ms" in page
    assert "应答 500" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page


def test_deliveries_are_narrowed_by_state(client: FlaskClient, shop: SubMerchant) -> None:
    endpoint = make_endpoint(sub_merchant=shop, url=URL).endpoint
    arrived = make_delivery(endpoint)
    lost = make_delivery(endpoint, state=DeliveryState.GIVEN_UP)

    page = owner(client, shop).get(f"/dashboard/webhooks/{endpoint.id}?state=GIVEN_UP").text

    assert lost.event_id in page
    assert arrived.event_id not in page


def test_an_event_shows_what_receivers_read(client: FlaskClient, shop: SubMerchant) -> None:
    delivery = make_delivery(make_endpoint(sub_merchant=shop, url=URL).endpoint)
    owner(client, shop)

    listed = client.get("/dashboard/webhooks/events?type=order.paid").text
    page = client.get(f"/dashboard/webhooks/events/{delivery.event_id}").text

    assert f"/dashboard/webhooks/events/{delivery.event_id}" in listed
    assert "&#34;description&#34;: &#34;街角茶铺&#34;" in page
    assert URL in page


def test_an_event_is_sent_once_more_under_its_id(client: FlaskClient, shop: SubMerchant) -> None:
    delivery = make_delivery(make_endpoint(sub_merchant=shop, url=URL).endpoint)
    owner(client, shop)
    here = f"/dashboard/webhooks/events/{delivery.event_id}"
    token = form_token(client, here)

    answer = client.post(f"{here}/resend", data={"csrf_token": token})

    assert answer.headers["Location"] == here
    [again] = deliveries()
    assert (again.id, again.state, again.tries) == (delivery.id, DeliveryState.DUE, 0)


def test_nobody_to_tell_is_said_and_nothing_is_sent(client: FlaskClient, shop: SubMerchant) -> None:
    made = make_endpoint(sub_merchant=shop, url=URL)
    delivery = make_delivery(made.endpoint)
    let_fail(made.endpoint, hours=121, reason="Disabled on request.")
    owner(client, shop)
    here = f"/dashboard/webhooks/events/{delivery.event_id}"

    answer = client.post(
        f"{here}/resend", data={"csrf_token": form_token(client, here), "endpoint": ""}
    )

    assert answer.status_code == 409
    assert "没有启用中的回调地址接收此类事件" in answer.text
    assert deliveries()[0].state is DeliveryState.DELIVERED


def test_an_operator_sees_every_tenants_and_sends_again_in_their_own_name(
    client: FlaskClient, shop: SubMerchant
) -> None:
    other = make_sub_merchant(name="别家")
    delivery = make_delivery(make_endpoint(sub_merchant=shop, url=URL).endpoint)
    failing = make_endpoint(sub_merchant=other, url=OTHER_URL).endpoint
    let_fail(failing, hours=3)
    known = sign_in_operator(client, make_operator(role=OperatorRole.SUPPORT))
    here = f"/admin/webhooks/events/{delivery.event_id}"
    token = form_token(client, here)

    everybody = client.get("/admin/webhooks").text
    one_tenant = client.get(f"/admin/webhooks/events?sub_merchant={shop.id}").text
    narrowed = client.get("/admin/webhooks?state=FAILING").text
    client.post(f"{here}/resend", data={"csrf_token": token})

    assert URL in everybody
    assert OTHER_URL in everybody
    assert (OTHER_URL in narrowed, URL in narrowed) == (True, False)
    assert delivery.event_id in one_tenant
    [entry] = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "event.resent"))
    assert (entry.actor_name, entry.tenant_id) == (known.operator.email, shop.id)
    sign_in_staff(client, make_staff_member(sub_merchant=shop))
    page = client.get(f"/dashboard/webhooks/events/{delivery.event_id}").text
    assert known.operator.email in page  # the tenant sees who acted for it


def test_a_viewer_reads_and_sends_nothing(client: FlaskClient, shop: SubMerchant) -> None:
    delivery = make_delivery(make_endpoint(sub_merchant=shop, url=URL).endpoint)
    sign_in_operator(client, make_operator(role=OperatorRole.VIEWER))
    here = f"/admin/webhooks/events/{delivery.event_id}"
    page = client.get(here)

    answer = client.post(f"{here}/resend", data={"csrf_token": form_token(client, here)})

    assert page.status_code == 200
    assert "/resend" not in page.text
    assert answer.status_code == 403
    assert deliveries()[0].state is DeliveryState.DELIVERED


def test_what_needs_a_person_is_on_the_overview(client: FlaskClient, shop: SubMerchant) -> None:
    brief, long, ended, by_hand = (
        make_endpoint(sub_merchant=shop, url=f"{URL}/{number}").endpoint for number in range(4)
    )
    let_fail(brief, hours=0)
    let_fail(long, hours=2)
    let_fail(ended, hours=121, reason=f"{FAILED_TOO_LONG}The connection was refused.")
    let_fail(by_hand, hours=3, reason="Disabled on request.")
    sign_in_operator(client)

    page = client.get("/admin/").text

    assert "1 个回调地址投递失败中" in page
    assert "1 个回调地址因持续失败被停用" in page


def test_another_tenants_are_not_there(client: FlaskClient, shop: SubMerchant) -> None:
    theirs = make_sub_merchant()
    endpoint = make_endpoint(sub_merchant=theirs, url=OTHER_URL).endpoint
    delivery = make_delivery(endpoint)
    owner(client, shop)
    token = form_token(client, "/dashboard/")

    pages = [client.get(f"/dashboard/webhooks{rest}").text for rest in ("", "/events")]
    absent = [
        client.get(f"/dashboard/webhooks/{endpoint.id}").status_code,
        client.get(f"/dashboard/webhooks/events/{delivery.event_id}").status_code,
        *(
            client.post(
                f"/dashboard/webhooks/{endpoint.id}/{deed}", data={"csrf_token": token}
            ).status_code
            for deed in ("change", "move", "switch", "roll", "delete", "test", "recover")
        ),
        client.post(
            f"/dashboard/webhooks/events/{delivery.event_id}/resend", data={"csrf_token": token}
        ).status_code,
    ]

    assert all(OTHER_URL not in page and delivery.event_id not in page for page in pages)
    assert set(absent) == {404}
