"""Webhook endpoints and events as a tenant's system handles them."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from standardwebhooks.webhooks import Webhook

from config.audit import AuditEntry
from config.clock import frozen_at, now, rfc3339
from config.database import Base, db
from payments.webhooks.courier import Courier
from payments.webhooks.endpoints import MOST_ENDPOINTS
from payments.webhooks.outbound import Outbound
from submerchants.permissions import Permission
from submerchants.tenants.models import SubMerchant
from tests.factories.webhooks import deliveries, make_endpoint, make_event
from tests.payments.api.caller import Api, with_key
from tests.payments.webhooks.receivers import Receivers

pytestmark = pytest.mark.usefixtures("loopback")


@pytest.fixture
def api(client: FlaskClient, sub_merchant: SubMerchant) -> Api:
    return Api(client, sub_merchant)


@pytest.fixture
def other_api(client: FlaskClient, other_sub_merchant: SubMerchant) -> Api:
    return Api(client, other_sub_merchant)


def added(api: Api, url: str, **fields: Any) -> dict[str, Any]:
    answer = api.post("/webhook-endpoints", {"url": url, **fields})
    assert answer.status_code == 201, answer.data.decode()
    made: dict[str, Any] = answer.json
    return made


def test_an_endpoint_is_added_and_its_secret_shown_this_once(api: Api, receivers: Receivers):
    made = added(api, receivers.url("/ok"), event_types=["order.paid"], description="shop")

    shown = api.get(f"/webhook-endpoints/{made['id']}").json
    [listed] = api.get("/webhook-endpoints").json["data"]
    assert made["secret"].startswith("whsec_")
    assert shown == listed == {name: made[name] for name in made if name != "secret"}
    assert (shown["event_types"], shown["state"]) == (["order.paid"], "ENABLED")


def test_endpoints_are_listed_in_stretches(api: Api, receivers: Receivers):
    made = [added(api, receivers.url(path))["id"] for path in ("/one", "/two", "/three")]

    first = api.get("/webhook-endpoints?limit=2").json
    second = api.get(f"/webhook-endpoints?limit=2&cursor={first['next_cursor']}").json
    lost = api.get("/webhook-endpoints?cursor=elsewhere")

    assert [each["id"] for each in (*first["data"], *second["data"])] == made
    assert second["next_cursor"] is None
    assert (lost.status_code, lost.json["detail"]["field"]) == (400, "cursor")


def test_a_secret_is_nowhere_in_the_open(
    app: Flask, api: Api, receivers: Receivers, outbound: Outbound, caplog: Any
):
    caplog.set_level(logging.DEBUG)
    made = api.post("/webhook-endpoints", {"url": receivers.url("/ok")}, headers=with_key("k"))
    secret = made.json["secret"]
    rolled = api.post(f"/webhook-endpoints/{made.json['id']}/roll-secret").json["secret"]
    Courier(app, outbound).deliver_due()

    stored = json.dumps(
        [
            [str(value) for value in row]
            for table in Base.metadata.sorted_tables
            for row in db.session.connection().execute(select(table))
        ]
    )

    assert secret[6:] not in stored
    assert rolled[6:] not in stored
    assert secret[6:] not in caplog.text


def test_a_repeat_under_the_same_key_gets_the_same_answer(api: Api, receivers: Receivers):
    first = api.post("/webhook-endpoints", {"url": receivers.url("/ok")}, headers=with_key("k"))

    again = api.post("/webhook-endpoints", {"url": receivers.url("/ok")}, headers=with_key("k"))

    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(api.get("/webhook-endpoints").json["data"]) == 1


def test_what_an_endpoint_is_may_be_changed(api: Api, receivers: Receivers):
    made = added(api, receivers.url("/ok"))
    path = f"/webhook-endpoints/{made['id']}"

    changed = patch(api, path, {"event_types": ["bill.ready"], "state": "DISABLED"})

    assert changed["event_types"] == ["bill.ready"]
    assert (changed["state"], changed["url"]) == ("DISABLED", made["url"])
    assert changed["disabled_reason"] == "Disabled on request."
    enabled = patch(api, path, {"state": "ENABLED"})
    assert (enabled["disabled_reason"], enabled["disabled_at"]) == (None, None)


def test_a_deleted_endpoint_is_gone_and_hears_nothing(
    app: Flask, api: Api, sub_merchant: SubMerchant, receivers: Receivers, outbound: Outbound
):
    made = added(api, receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)

    answer = delete(api, f"/webhook-endpoints/{made['id']}")
    Courier(app, outbound).deliver_due()

    assert answer == {"id": made["id"], "object": "webhook_endpoint", "deleted": True}
    assert api.get(f"/webhook-endpoints/{made['id']}").status_code == 404
    assert receivers.arrivals == []


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.5/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:10.0.0.5]/",
        "https://user:word@hooks.example.com/",
        "https://2130706433/",
        "http://1.1.1.1/",
    ],
)
def test_an_address_that_will_not_do_is_refused_at_once(api: Api, url: str):
    answer = api.post("/webhook-endpoints", {"url": url})

    assert (answer.status_code, answer.code) == (422, "webhook_url_refused")
    assert answer.json["detail"]["field"] == "url"


def test_a_tenant_has_so_many_endpoints_and_no_more(api: Api, receivers: Receivers):
    for number in range(MOST_ENDPOINTS):
        added(api, receivers.url(f"/ok/{number}"))

    answer = api.post("/webhook-endpoints", {"url": receivers.url("/ok/more")})

    assert (answer.status_code, answer.code) == (409, "too_many_webhook_endpoints")


def test_while_a_secret_rolls_the_old_and_the_new_one_sign(
    app: Flask, api: Api, sub_merchant: SubMerchant, receivers: Receivers, outbound: Outbound
):
    made = added(api, receivers.url("/ok"))
    rolled = api.post(f"/webhook-endpoints/{made['id']}/roll-secret")
    make_event(sub_merchant=sub_merchant)

    Courier(app, outbound).deliver_due()

    [arrival] = receivers.arrivals
    for secret in (made["secret"], rolled.json["secret"]):
        Webhook(secret).verify(arrival.body, arrival.headers)
    assert len(arrival.headers["webhook-signature"].split(" ")) == 2
    assert made["secret"] != rolled.json["secret"]
    again = api.post(f"/webhook-endpoints/{made['id']}/roll-secret")
    assert (again.status_code, again.code) == (409, "webhook_secret_is_rolling")


def test_after_a_day_only_the_new_secret_signs(
    app: Flask, api: Api, sub_merchant: SubMerchant, receivers: Receivers, outbound: Outbound
):
    made = added(api, receivers.url("/ok"))
    with frozen_at(now() - timedelta(hours=25)):
        api.post(f"/webhook-endpoints/{made['id']}/roll-secret")
    make_event(sub_merchant=sub_merchant)

    Courier(app, outbound).deliver_due()

    [arrival] = receivers.arrivals
    assert len(arrival.headers["webhook-signature"].split(" ")) == 1
    assert api.post(f"/webhook-endpoints/{made['id']}/roll-secret").status_code == 200


def test_a_test_event_is_sent_now_and_its_outcome_answered(api: Api, receivers: Receivers):
    made = added(api, receivers.url("/status/200"), event_types=["order.paid"])

    tested = api.post(f"/webhook-endpoints/{made['id']}/test").json

    [arrival] = receivers.arrivals
    Webhook(made["secret"]).verify(arrival.body, arrival.headers)
    assert arrival.event["type"] == tested["event_type"] == "webhook.test"
    assert (tested["state"], tested["event_id"]) == ("DELIVERED", arrival.event_id)
    assert tested["attempts"][0]["status"] == 200
    [logged] = api.get(f"/webhook-endpoints/{made['id']}/deliveries").json["data"]
    assert logged == tested


def test_a_test_that_fails_is_not_repeated_and_holds_nothing_against_the_endpoint(
    app: Flask, api: Api, receivers: Receivers, outbound: Outbound
):
    made = added(api, receivers.url("/status/500"))

    tested = api.post(f"/webhook-endpoints/{made['id']}/test").json
    with frozen_at(now() + timedelta(days=1)):
        Courier(app, outbound).deliver_due()

    assert (tested["state"], tested["next_try_at"]) == ("GIVEN_UP", None)
    assert tested["attempts"][0]["problem"] == "Answered 500; any 2xx is receipt."
    assert tested["attempts"][0]["reply"] == "as it was told to answer"
    assert len(receivers.arrivals) == 1
    assert api.get(f"/webhook-endpoints/{made['id']}").json["failing_since"] is None


def test_events_are_listed_newest_first_and_filtered(api: Api, sub_merchant: SubMerchant):
    moment = now()
    for minutes, kind in ((3, "order.paid"), (2, "order.closed"), (1, "order.paid")):
        with frozen_at(moment - timedelta(minutes=minutes)):
            make_event(sub_merchant=sub_merchant, type=kind)

    def listed(**query: str) -> list[str]:
        return [event["type"] for event in api.get("/events", **query).json["data"]]

    assert listed() == ["order.paid", "order.closed", "order.paid"]
    assert listed(type="order.closed") == ["order.closed"]
    assert listed(created_after=rfc3339(moment - timedelta(seconds=90))) == ["order.paid"]
    assert len(listed(created_before=rfc3339(moment - timedelta(seconds=90)))) == 2
    first = api.get("/events", limit="2").json
    rest = api.get("/events", limit="2", cursor=first["next_cursor"]).json
    assert (len(first["data"]), len(rest["data"]), rest["next_cursor"]) == (2, 1, None)


def test_an_event_tells_where_it_went(
    app: Flask, api: Api, sub_merchant: SubMerchant, receivers: Receivers, outbound: Outbound
):
    made = added(api, receivers.url("/status/200"))
    object_id = make_event(sub_merchant=sub_merchant)
    Courier(app, outbound).deliver_due()
    [listed] = api.get("/events").json["data"]

    shown = api.get(f"/events/{listed['id']}").json

    [delivery] = shown.pop("deliveries")
    assert shown == listed
    assert (shown["object_id"], shown["data"]["id"]) == (object_id, object_id)
    assert (delivery["endpoint_id"], delivery["state"]) == (made["id"], "DELIVERED")


def test_an_event_is_sent_again_under_its_id(
    app: Flask, api: Api, sub_merchant: SubMerchant, receivers: Receivers, outbound: Outbound
):
    one = added(api, receivers.url("/ok/one"))
    added(api, receivers.url("/ok/two"))
    make_event(sub_merchant=sub_merchant)
    Courier(app, outbound).deliver_due()
    event_id = receivers.arrivals[0].event_id

    answer = api.post(f"/events/{event_id}/resend", {"endpoint_id": one["id"]})
    Courier(app, outbound).deliver_due()
    everywhere = api.post(f"/events/{event_id}/resend")
    Courier(app, outbound).deliver_due()

    assert (answer.status_code, everywhere.status_code) == (202, 202)
    assert receivers.counts == {"/ok/one": 3, "/ok/two": 2}
    assert {arrival.event_id for arrival in receivers.arrivals} == {event_id}
    assert [
        len(each["attempts"]) for each in api.get(f"/events/{event_id}").json["deliveries"]
    ] in (
        [3, 2],
        [2, 3],
    )


def test_an_event_nobody_wants_is_not_sent_again(api: Api, sub_merchant: SubMerchant):
    make_event(sub_merchant=sub_merchant)
    [event] = api.get("/events").json["data"]

    answer = api.post(f"/events/{event['id']}/resend")

    assert (answer.status_code, answer.code) == (409, "no_webhook_endpoint")


def test_what_an_endpoint_missed_is_recovered(
    app: Flask, api: Api, sub_merchant: SubMerchant, receivers: Receivers, outbound: Outbound
):
    made = added(api, receivers.url("/ok"), event_types=["order.paid"])
    make_event(sub_merchant=sub_merchant)
    Courier(app, outbound).deliver_due()
    path = f"/webhook-endpoints/{made['id']}"
    patch(api, path, {"state": "DISABLED"})
    missed = [make_event(sub_merchant=sub_merchant) for _ in range(3)]
    make_event(sub_merchant=sub_merchant, type="order.closed")
    Courier(app, outbound).deliver_due()
    period = {"from": rfc3339(now() - timedelta(hours=1))}

    refused = api.post(f"{path}/recover", period)
    patch(api, path, {"state": "ENABLED"})
    recovered = api.post(f"{path}/recover", period).json
    Courier(app, outbound).deliver_due()

    assert (refused.status_code, refused.code) == (409, "webhook_endpoint_disabled")
    assert recovered == {"object": "webhook_recovery", "events": 3, "next_from": None}
    assert {each.event["data"]["id"] for each in receivers.arrivals[1:]} == set(missed)
    everything = api.post(f"{path}/recover", {**period, "include_delivered": True}).json
    assert everything["events"] == 4


def test_nobody_sees_or_moves_what_is_anothers(
    app: Flask,
    api: Api,
    other_api: Api,
    sub_merchant: SubMerchant,
    receivers: Receivers,
    outbound: Outbound,
):
    made = added(api, receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)
    Courier(app, outbound).deliver_due()
    [event] = api.get("/events").json["data"]
    path = f"/webhook-endpoints/{made['id']}"

    answers = [
        other_api.get(path),
        other_api.get(f"{path}/deliveries"),
        other_api.post(f"{path}/roll-secret"),
        other_api.post(f"{path}/test"),
        other_api.post(f"{path}/recover", {"from": "2026-01-01T00:00:00Z"}),
        other_api.get(f"/events/{event['id']}"),
        other_api.post(f"/events/{event['id']}/resend"),
        other_api.get("/events", cursor=event["id"]),
    ]

    assert [answer.status_code for answer in answers] == [404] * 7 + [400]
    assert other_api.get("/events").json["data"] == []
    assert other_api.get("/webhook-endpoints").json["data"] == []
    assert len(receivers.arrivals) == 1


def test_an_event_is_not_sent_to_another_tenants_endpoint(
    api: Api, sub_merchant: SubMerchant, other_sub_merchant: SubMerchant, receivers: Receivers
):
    theirs = make_endpoint(sub_merchant=other_sub_merchant, url=receivers.url("/ok"))
    make_event(sub_merchant=sub_merchant)
    [event] = api.get("/events").json["data"]

    answer = api.post(f"/events/{event['id']}/resend", {"endpoint_id": theirs.endpoint.id})

    assert answer.status_code == 404
    assert deliveries() == []


def test_reading_and_writing_need_their_scopes(
    client: FlaskClient, sub_merchant: SubMerchant, receivers: Receivers
):
    reader = Api(client, sub_merchant, Permission.WEBHOOKS_READ, Permission.EVENTS_READ)
    stranger = Api(client, sub_merchant, Permission.ORDERS_READ)

    written = reader.post("/webhook-endpoints", {"url": receivers.url("/ok")})

    assert (written.status_code, written.code) == (403, "scope_missing")
    assert reader.get("/webhook-endpoints").status_code == 200
    assert stranger.get("/webhook-endpoints").status_code == 403
    assert stranger.get("/events").status_code == 403


def test_every_change_is_in_the_trail(api: Api, sub_merchant: SubMerchant, receivers: Receivers):
    made = added(api, receivers.url("/ok"))
    path = f"/webhook-endpoints/{made['id']}"
    patch(api, path, {"description": "till"})
    api.post(f"{path}/roll-secret")
    delete(api, path)

    mine = select(AuditEntry.action).where(AuditEntry.object_id == made["id"])
    actions = db.session.scalars(mine.order_by(AuditEntry.id)).all()

    assert actions == [
        "webhook_endpoint.added",
        "webhook_endpoint.changed",
        "webhook_endpoint.secret_rolled",
        "webhook_endpoint.deleted",
    ]


def patch(api: Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api._client.patch(f"/api/v1{path}", json=body, headers=api.headers)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = json.loads(answer.data)
    return changed


def delete(api: Api, path: str) -> dict[str, Any]:
    answer = api._client.delete(f"/api/v1{path}", headers=api.headers)
    assert answer.status_code == 200, answer.text
    gone: dict[str, Any] = json.loads(answer.data)
    return gone
