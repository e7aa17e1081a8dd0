"""Webhooks changed by staff: asked again before a secret or an address, each deed done once."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from admin_ui.beijing_times import for_field
from config.clock import now
from config.database import release
from config.vault import Secret
from payments.webhooks.endpoints import NewSecret, get_endpoint, list_endpoints
from payments.webhooks.models import DeliveryState, EndpointState, WebhookEndpoint
from payments.webhooks.signing import event_body, signed_headers
from submerchants.staff.roles import StaffRole
from submerchants.tenancy import acting_for
from submerchants.tenants.models import SubMerchant, TenantState
from tests.factories.deliveries import let_fail, make_delivery
from tests.factories.people import PASSWORD, form_token, make_staff_member, sign_in_staff
from tests.factories.submerchants import make_sub_merchant
from tests.factories.webhooks import deliveries, endpoint_now, make_endpoint

URL = "https://shop.example.com/hooks/pay"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/]{43}=")


@pytest.fixture
def shop(client: FlaskClient) -> SubMerchant:
    """A sub-merchant whose owner is signed in."""
    made = make_sub_merchant()
    sign_in_staff(client, make_staff_member(sub_merchant=made))
    return made


def all_of(shop: SubMerchant) -> list[WebhookEndpoint]:
    with acting_for(shop.id):
        found = list(list_endpoints())
        release()  # the next look begins a transaction of its own
    return found


def filled_in(client: FlaskClient, **fields: Any) -> dict[str, Any]:
    """The form that adds an endpoint, filled in."""
    page = client.get("/dashboard/webhooks/new").text
    [key] = re.findall(r'name="key" value="(\w+)"', page)
    token = form_token(client, "/dashboard/webhooks/new")
    return {"csrf_token": token, "key": key, "url": URL, "proof": PASSWORD, **fields}


def post(client: FlaskClient, made: NewSecret, deed: str, **fields: Any) -> Any:
    here = f"/dashboard/webhooks/{made.endpoint.id}"
    return client.post(f"{here}/{deed}", data={"csrf_token": form_token(client, here), **fields})


def test_an_endpoint_is_added_and_its_secret_shown_once_and_never_again(
    client: FlaskClient, shop: SubMerchant
) -> None:
    form = filled_in(client, description="收银", event_types=["order.paid", "bill.ready"])

    answer = client.post("/dashboard/webhooks", data=form)

    [endpoint] = all_of(shop)
    [secret] = {*SECRET.findall(html.unescape(answer.text))}
    assert answer.status_code == 201
    assert endpoint.secret.reveal() == secret
    assert (endpoint.url, endpoint.description) == (URL, "收银")
    assert endpoint.event_types == '["order.paid", "bill.ready"]'
    for page in ("", "/new", f"/{endpoint.id}", "/events"):
        assert secret not in html.unescape(client.get(f"/dashboard/webhooks{page}").text)


def test_a_form_that_is_sent_twice_adds_one_endpoint(
    client: FlaskClient, shop: SubMerchant
) -> None:
    form = filled_in(client)
    client.post("/dashboard/webhooks", data=form)

    again = client.post("/dashboard/webhooks", data=form)

    [endpoint] = all_of(shop)
    assert again.headers["Location"] == f"/dashboard/webhooks/{endpoint.id}"
    assert not SECRET.search(html.unescape(again.text))


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"proof": "not the password"}, 401, "不匹配"),
        ({"proof": ""}, 401, "不匹配"),
        ({"url": "http://shop.example.com/"}, 422, "必须以 https:// 开头"),
        ({"url": "https://127.0.0.1/"}, 422, "不是公网地址"),
        ({"url": "javascript:alert(1)"}, 400, "请检查：地址"),
        ({"event_types": ["order.stolen"]}, 400, "接收哪些事件"),
        ({"description": "x" * 128}, 400, "说明"),
    ],
)
def test_what_cannot_be_added_is_told_and_the_form_stays_filled_in(
    client: FlaskClient, shop: SubMerchant, fields: dict[str, Any], status: int, told: str
) -> None:
    form = filled_in(client, **fields)

    answer = client.post("/dashboard/webhooks", data=form)

    assert answer.status_code == status
    assert told in answer.text
    assert html.escape(form["url"]) in answer.text
    assert all_of(shop) == []


def test_a_suspended_shop_adds_nothing(client: FlaskClient, app: Flask) -> None:
    shop = make_sub_merchant(state=TenantState.SUSPENDED)
    sign_in_staff(client, make_staff_member(sub_merchant=shop))

    answer = client.post("/dashboard/webhooks", data=filled_in(client))

    assert answer.status_code == 403
    assert "商户已暂停" in answer.text
    assert all_of(shop) == []


def test_what_it_hears_of_is_changed_without_the_password(
    client: FlaskClient, shop: SubMerchant
) -> None:
    made = make_endpoint(sub_merchant=shop, url=URL, event_types=["order.paid"])

    post(client, made, "change", description="<b>ERP</b>", event_types=["refund.closed"])

    page = client.get(f"/dashboard/webhooks/{made.endpoint.id}").text
    changed = endpoint_now(made)
    assert (changed.description, changed.event_types) == ("<b>ERP</b>", '["refund.closed"]')
    assert changed.url == URL
    assert "<b>ERP</b>" not in page


def test_the_address_changes_only_with_the_password(client: FlaskClient, shop: SubMerchant) -> None:
    made, new = make_endpoint(sub_merchant=shop, url=URL), "https://new.example.com/hooks"

    refused = post(client, made, "move", url=new, proof="guessed")
    before = endpoint_now(made).url
    post(client, made, "move", url=new, proof=PASSWORD)

    assert (refused.status_code, before) == (401, URL)
    assert endpoint_now(made).url == new


def test_a_secret_is_rolled_with_the_password_and_shown_once(
    client: FlaskClient, shop: SubMerchant
) -> None:
    made = make_endpoint(sub_merchant=shop, url=URL)

    refused = post(client, made, "roll", proof="")
    rolled = post(client, made, "roll", proof=PASSWORD)
    again = post(client, made, "roll", proof=PASSWORD)

    with acting_for(shop.id):
        endpoint = get_endpoint(made.endpoint.id)
        secret, former = endpoint.secret.reveal(), endpoint.previous_secret
    assert refused.status_code == 401
    assert secret in html.unescape(rolled.text)
    assert former is not None
    assert former.reveal() == made.secret.reveal()
    assert again.status_code == 409  # a reload of the page rolls nothing
    assert "仍在签名期内" in again.text
    assert not SECRET.search(html.unescape(again.text))


def test_an_endpoint_is_switched_off_and_on_and_the_gap_is_offered(
    client: FlaskClient, shop: SubMerchant
) -> None:
    made = make_endpoint(sub_merchant=shop, url=URL)
    let_fail(made.endpoint, hours=30)
    failing_since = endpoint_now(made).failing_since
    assert failing_since is not None

    post(client, made, "switch", to="DISABLED")
    state = endpoint_now(made).state
    answer = post(client, made, "switch", to="ENABLED")

    assert state is EndpointState.DISABLED
    assert endpoint_now(made).state is EndpointState.ENABLED
    page = client.get(answer.headers["Location"]).text
    assert f'name="from" value="{for_field(failing_since)}"' in page


def test_a_period_is_sent_again(client: FlaskClient, shop: SubMerchant) -> None:
    made = make_endpoint(sub_merchant=shop, url=URL)
    make_delivery(made.endpoint)
    make_delivery(made.endpoint, state=DeliveryState.GIVEN_UP)
    an_hour_ago = for_field(now() - timedelta(hours=1))

    nothing = post(client, made, "recover", **{"from": ""})
    post(client, made, "recover", **{"from": an_hour_ago, "to": ""})

    assert nothing.status_code == 422
    states = [delivery.state for delivery in deliveries()]
    assert sorted(states) == [DeliveryState.DELIVERED, DeliveryState.DUE]


def test_an_endpoint_is_deleted_with_the_password(client: FlaskClient, shop: SubMerchant) -> None:
    made = make_endpoint(sub_merchant=shop, url=URL)
    delivery = make_delivery(made.endpoint)

    refused = post(client, made, "delete", proof="guessed")
    there_still = len(all_of(shop))
    post(client, made, "delete", proof=PASSWORD)

    assert (refused.status_code, there_still) == (401, 1)
    assert all_of(shop) == []
    page = client.get(f"/dashboard/webhooks/events/{delivery.event_id}").text
    assert "已删除" in page  # where it went stays readable


def test_a_test_event_shows_what_came_of_it(client: FlaskClient, shop: SubMerchant) -> None:
    made = make_endpoint(sub_merchant=shop, url="https://nowhere.invalid/hooks")
    here = f"/dashboard/webhooks/{made.endpoint.id}"
    form = {"csrf_token": form_token(client, here)}

    part = client.post(f"{here}/test", data=form, headers={"HX-Request": "true"})
    whole = client.post(f"{here}/test", data=form)

    assert "测试未送达" in part.text
    assert "域名无法解析" in part.text
    assert "<html" not in part.text
    assert whole.headers["Location"] == here
    assert len(deliveries()) == 2


@pytest.mark.parametrize("role", [StaffRole.FINANCE, StaffRole.CLERK])
def test_those_who_may_not_change_see_no_form(
    client: FlaskClient, shop: SubMerchant, role: StaffRole
) -> None:
    made = make_endpoint(sub_merchant=shop, url=URL)
    sign_in_staff(client, make_staff_member(sub_merchant=shop, role=role))
    token = form_token(client, "/dashboard/")

    page = client.get(f"/dashboard/webhooks/{made.endpoint.id}")
    deeds = [
        client.post(
            f"/dashboard/webhooks/{made.endpoint.id}/{deed}",
            data={"csrf_token": token, "proof": PASSWORD, "url": "https://evil.example.com/"},
        ).status_code
        for deed in ("change", "move", "switch", "roll", "delete", "test", "recover")
    ]

    assert page.status_code == (200 if role is StaffRole.FINANCE else 403)
    assert "/roll" not in page.text
    assert set(deeds) == {403}
    assert endpoint_now(made).url == URL


def test_the_receiver_that_the_page_teaches_tells_genuine_from_forged(
    client: FlaskClient, shop: SubMerchant
) -> None:
    page = client.get("/dashboard/webhooks").text
    [lesson] = re.findall(r"<pre[^>]*><code>(import base64.*?)</code></pre>", page, re.DOTALL)
    made = make_endpoint(sub_merchant=shop, url=URL)
    taught: dict[str, Any] = {"__name__": "taught"}
    exec(html.unescape(lesson).replace("whsec_…", made.secret.reveal()), taught)
    receiver = taught["app"].test_client()
    body = event_body(event_id="evt_1", type="order.paid", created_at=now(), data='{"id": 1}')

    def answered(signer: Secret, sent: str, age: timedelta = timedelta()) -> int:
        headers = signed_headers(event_id="evt_1", body=body, signers=[signer], moment=now() - age)
        posted = receiver.post(
            "/hooks/pay", data=sent, headers=headers, content_type="application/json"
        )
        return int(posted.status_code)

    another = make_endpoint(sub_merchant=shop, url=f"{URL}/2").secret

    assert answered(made.secret, body) == 204
    assert answered(another, body) == 401
    assert answered(made.secret, body.replace("1", "2")) == 401
    assert answered(made.secret, body, timedelta(minutes=6)) == 401
