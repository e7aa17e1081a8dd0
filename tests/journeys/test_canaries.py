"""A day of use, good and bad, leaves no secret in answers, pages, exports, logs, trail or rows."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from config.clock import beijing_date, now
from config.database import db, release
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.checkout.links import pages_directory
from submerchants.tenants.models import SubMerchant
from tests.books import all_events, all_orders, all_refunds, inbox
from tests.factories.checkout import APP_SECRET, Phone, ready_for_checkout
from tests.factories.payments import OPENID
from tests.factories.people import (
    PASSWORD,
    KnownOperator,
    form_token,
    make_operator,
    make_staff_member,
)
from tests.genuine import envelope, notify, paid_content, post, signed_headers
from tests.journeys.canaries import Canary, Place, Watch, every_page
from tests.journeys.canaries import watch as watch
from tests.journeys.till import code, scan
from tests.payments.api.caller import Api, tea, with_key

WRONG_PASSWORD = "eight red kettles 7f3a"
CARD, CARDHOLDER = "6214830199887766", "欧阳七巧"
HOOK = "https://shop.example.com/hook"


@dataclass
class Day:
    """Who is about, and what was learnt on the way that must not be found again."""

    app: Flask
    simulator: Simulator
    shop: SubMerchant
    api: Api
    operator: KnownOperator
    webhook_secrets: list[str]
    auth_codes: list[str]
    links: list[dict[str, Any]]
    openids: list[str]


@pytest.fixture
def day(
    app: Flask, watch: Watch, simulator: Simulator, partner: Partner, sub_merchant: SubMerchant
) -> Day:
    simulator.register(payment_directories=[pages_directory()])
    ready_for_checkout(partner)
    api, operator = Api(app.test_client(), sub_merchant), make_operator()
    release()  # what this session read until now is not the day's
    return Day(app, simulator, sub_merchant, api, operator, [], [], [], [OPENID])


def news(day: Day) -> None:
    day.simulator.world.refund_life.settle_due()
    day.simulator.notifier.deliver_due()


def a_tenants_system(day: Day) -> None:
    """Orders that go well, are refused, go unanswered, or cannot even be read."""
    api, faults = day.api, day.simulator.faults
    hook = api.post("/webhook-endpoints", {"url": HOOK}, headers=with_key("hook-1")).json
    rolled = api.post(f"/webhook-endpoints/{hook['id']}/roll-secret").json
    day.webhook_secrets += [hook["secret"], rolled["secret"]]
    paid = api.post("/orders", tea(), headers=with_key("order-1")).json
    day.simulator.pay(paid["out_trade_no"])
    news(day)
    for kind in ("http_500", "bad_signature", "rate_limit", "lost_answer"):
        faults.add(kind, path="/v3/pay/partner/transactions/jsapi")
        api.post("/orders", tea())
    api.post("/orders", tea(payer={"sub_openid": "oNobodysOpenid0000000000007f3a"}))
    for behaviour in ("pay", "decline", "bank_error"):
        day.auth_codes.append(code(day.simulator, behaviour))
        api.post("/orders", scan(day.auth_codes[-1]), headers=with_key(behaviour))
    api.post("/orders", tea(auth_code=day.auth_codes[0], password=WRONG_PASSWORD))
    api.post("/orders", tea(auth_code=day.auth_codes[0][:-1] + "x", trade_type="MICROPAY"))
    api.post_raw("/orders", f'{{"auth_code": "{day.auth_codes[0]}'.encode(), "application/json")
    for path in ("/orders", "/refunds", "/events", "/webhook-endpoints", "/doctor"):
        api.get(path)
    api.get("/orders", api_key=key_of(api))


def key_of(api: Api) -> str:
    return api.headers["Authorization"].removeprefix("Bearer ")


def a_stranger(day: Day, client: FlaskClient) -> None:
    """Keys that are nearly right, and notifications that are not WeChat Pay's."""
    key = key_of(day.api)
    client.get("/api/v1/orders", headers={"Authorization": f"Bearer {key[:-1]}"})
    client.get("/api/v1/orders", headers={"Authorization": f"Basic {key}"})
    client.get(f"/api/v1/orders/{key}", headers=day.api.headers)
    order = all_orders()[-1]
    body = envelope(day.simulator, paid_content(order))
    post(client, day.simulator, body, {**signed_headers(day.simulator, body), "Host": "evil.test"})
    post(client, day.simulator, body + b" ", signed_headers(day.simulator, body))
    notify(client, day.simulator, paid_content(order, amount={"total": 1}))


def a_payer(day: Day) -> None:
    """A link is opened, signed in for, refused by WeChat, and paid."""
    for number in ("L-1", "L-2"):
        asked = {"merchant_order_no": number, "description": "Tea", "amount_fen": 2800}
        day.links.append(day.api.post("/checkout-links", asked, headers=with_key(number)).json)
    first, second = (Phone(day.app, day.simulator, person) for person in ("payer", "wang"))
    first.open(day.links[0]["url"])
    day.openids.append(first.openid(day.simulator.facts["sp_appid"]))
    words = {"kind": "bridge", "told": f"当前页面的URL未注册:{day.links[0]['url']}"}
    first.post("report", words)
    first.pay()
    news(day)
    first.state()
    for errcode in (40029, 40125, -1):
        day.simulator.faults.add("oauth_errcode", errcode=errcode)
        second.open(day.links[1]["url"])


def send(client: FlaskClient, path: str, form: str | None = None, **fields: str) -> Any:
    token = form_token(client, form or path)
    return client.post(path, data={**fields, "csrf_token": token})


def an_operator(day: Day, client: FlaskClient) -> None:
    """Wrong and right at the door, then every page and export there is."""
    known = day.operator
    door, email = "/admin/sign-in", known.operator.email
    send(client, door, email=email, password=WRONG_PASSWORD)
    send(client, door, email=email, password=PASSWORD)
    send(client, "/admin/second-factor", code="000000")
    send(client, "/admin/second-factor", code=known.code())
    statuses = every_page(day.app, client, "/admin", **ids(day))
    assert max(statuses) < 500, statuses
    assert statuses.count(200) > len(statuses) / 2, statuses
    send(client, "/admin/sign-out", "/admin/")


def a_member(day: Day, client: FlaskClient) -> None:
    """Signs in, gives money back, and sends what got stuck to the payer's card."""
    member = make_staff_member(sub_merchant=day.shop)
    send(client, "/dashboard/sign-in", email=member.email, password=WRONG_PASSWORD)
    send(client, "/dashboard/sign-in", email=member.email, password=PASSWORD)
    paid = next(order for order in all_orders() if order.state == "PAID")
    here = f"/dashboard/orders/{paid.id}"
    day.simulator.refund_outcomes.set("ABNORMAL")
    for proof in (WRONG_PASSWORD, PASSWORD):
        send(client, f"{here}/refunds", here, amount="1.00", proof=proof)
    news(day)
    (refund,) = all_refunds()
    there = f"/dashboard/refunds/{refund.id}"
    card = {"to": "card", "bank": "CMB", "account": CARD, "name": CARDHOLDER}
    send(client, f"{there}/another-way", there, **{**card, "bank": "NONE"}, proof=PASSWORD)
    send(client, f"{there}/another-way", there, **card, proof=WRONG_PASSWORD)
    day.simulator.faults.add("http_500", path="/v3/refund", method="POST")
    sent = [send(client, f"{there}/another-way", there, **card, proof=PASSWORD) for _ in range(2)]
    assert [answer.status_code for answer in sent] == [503, 303]
    news(day)
    statuses = every_page(day.app, client, "/dashboard", **ids(day), refund_id=refund.id)
    assert max(statuses) < 500, statuses
    assert statuses.count(200) > len(statuses) / 2, statuses


def ids(day: Day) -> dict[str, str]:
    return {
        "order_id": all_orders()[0].id,
        "entry_id": inbox()[0].id,
        "event_id": all_events()[0].id,
        "link_id": day.links[0]["id"],
        "endpoint_id": day.api.get("/webhook-endpoints").json["data"][0]["id"],
        "sub_merchant_id": day.shop.id,
        "day": beijing_date(now()).isoformat(),
    }


def the_background(day: Day, watch: Watch) -> None:
    """Every job once, some of them while WeChat Pay does not answer."""
    day.simulator.faults.add("http_502", times=3)
    for name in day.app.extensions["jobs"]:
        ran = day.app.test_cli_runner().invoke(args=["jobs", "run", name])
        watch.note(f"job {name}", ran.output)
    watch.note("jobs", day.app.test_cli_runner().invoke(args=["jobs", "list"]).output)


def a_crash(day: Day, client: FlaskClient) -> None:
    """Rows that our own code cannot read, met by an API call, a payer's page and a person's."""
    order = all_orders()[0].id
    release()
    with db.engine.begin() as connection:
        connection.execute(text("UPDATE orders SET last_refusal = '{'"))
        connection.execute(text("UPDATE checkout_links SET token_sealed = 'v1:gone:AAAA'"))
    address = f"{day.links[1]['url']}?code=oauth7f3acode"
    crashed = [
        day.api.get(f"/orders/{order}").status_code,
        Phone(day.app, day.simulator, "li").get(address).status_code,
        client.get(f"/dashboard/orders/{order}").status_code,
    ]
    assert crashed == [500, 500, 500]


def kept_secrets(day: Day) -> list[Canary]:
    """What belongs nowhere but in its envelope, its hash, or somebody's hand."""
    home, settings = day.simulator.home, day.app.config["SETTINGS"]
    return [
        Canary("private key", (home / "apiclient_key.pem").read_text().splitlines()[3]),
        Canary("API v3 key", (home / "api_v3_key").read_text()),
        Canary("master key", b64encode(next(iter(settings.master_keys.values()))).decode()),
        Canary("secret key", settings.secret_key.reveal()),
        Canary("API key", key_of(day.api)[16:]),
        Canary("app secret", APP_SECRET.reveal()),
        Canary("TOTP secret", day.operator.totp_secret),
        *(Canary("password", each) for each in (PASSWORD, WRONG_PASSWORD)),
        *(Canary("payment code", each) for each in day.auth_codes),
        Canary("bank card", CARD),
        Canary("cardholder", CARDHOLDER),
        Canary("OAuth code", "oauth7f3acode"),
    ]


def shown_secrets(day: Day, watch: Watch) -> list[Canary]:
    """What is shown to one person in one place, and stands nowhere else."""
    cookies = [
        re.split("[=;]", place.text)[1]
        for place in watch.heard
        if re.match("__Host-(operator|staff|checkout)=[^;]{20}", place.text)
    ]
    tokens = [link["url"].rpartition("/")[2] for link in day.links]
    return [
        *(Canary("session", each, _in_its_cookie) for each in cookies),
        *(Canary("webhook secret", each[6:], _where_it_is_made) for each in day.webhook_secrets),
        *(Canary("checkout token", each, _on_ways_to_the_page) for each in tokens),
        *(Canary("openid", each, _in_the_tenants_data) for each in day.openids),
    ]


def _in_its_cookie(place: Place) -> bool:
    return place.name.endswith(" Set-Cookie")


def _where_it_is_made(place: Place) -> bool:
    return (
        re.fullmatch(r"POST /api/v1/webhook-endpoints\S* application/json", place.name) is not None
    )


def _on_ways_to_the_page(place: Place) -> bool:
    ways = r"\w+ (/checkout/|/dashboard/checkout|/api/v1/checkout-links)"
    return re.match(ways, place.name) is not None


def _in_the_tenants_data(place: Place) -> bool:
    """A payer's openid belongs to the tenant: in its rows, its answers, and its events as sent."""
    rows = ("orders", "checkout_attempts", "checkout_visits", "webhook_events")
    answers = r"\w+ /api/v1/\S+ application/json"
    kept = (*rows, "idempotency_records")  # the answers, to be given out again
    return re.fullmatch(answers, place.name) is not None or place.name in {
        f"row {each}" for each in kept
    }


def test_a_day_of_use_leaves_no_secret_where_it_does_not_belong(
    app: Flask, day: Day, watch: Watch
) -> None:
    operator, member, stranger = (app.test_client() for _ in range(3))

    a_tenants_system(day)
    a_stranger(day, stranger)
    a_payer(day)
    an_operator(day, operator)
    a_member(day, member)
    the_background(day, watch)
    a_crash(day, member)

    shown = shown_secrets(day, watch)
    left = sorted(set(watch.finds(*kept_secrets(day), *shown)))
    assert not left, "; ".join(left)
    assert {each.name for each in shown if watch.was_used(each)} == {each.name for each in shown}
    assert watch.log.getvalue().count('"unexpected error"') == 3


@pytest.mark.sqlite_only
@pytest.mark.parametrize("where", ["answer", "log", "row"])
def test_the_search_finds_a_secret_wherever_it_is_left(
    app: Flask, day: Day, watch: Watch, where: str
) -> None:
    canary = Canary("canary", "canary 7f3a/Zz")
    if where == "answer":
        app.test_client().get("/readyz", headers={"X-Request-ID": "canary-7f3a-Zz"})
        canary = Canary("canary", "canary-7f3a-Zz")
    elif where == "log":
        watch.log.write('{"event": "canary%207f3a%2FZz"}')
    else:
        with db.engine.begin() as connection:
            connection.execute(
                text("UPDATE sub_merchants SET name = :name"), {"name": canary.value}
            )

    assert len(watch.finds(canary)) == 1
