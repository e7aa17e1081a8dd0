"""The control paths: the truth, the clock, the merchants, and paying by a test's word."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import requests

from partner.simulator import Simulator
from tests.partner.simulator.conftest import BASE, PAYER, Merchant

CONTROL = f"{BASE}/_simulator"


def pay(web: requests.Session, number: str, body: Any = None) -> requests.Response:
    return web.post(f"{CONTROL}/orders/{number}/pay", json=body)


def test_paying_without_a_body_answers_the_paid_order(
    merchant: Merchant, web: requests.Session
) -> None:
    prepay_id = merchant.place().json()["prepay_id"]

    answer = web.post(f"{CONTROL}/orders/T20260301-000042/pay")

    paid = answer.json()
    assert answer.status_code == 200
    assert paid["trade_state"] == "SUCCESS"
    assert paid["payer"] == {"sp_openid": PAYER}
    assert (paid["amount"], paid["currency"]) == (1880, "CNY")
    assert web.get(f"{CONTROL}/orders").json()["data"] == [paid]
    assert paid["prepay_id"] == prepay_id


def test_what_cannot_be_paid_says_why(merchant: Merchant, web: requests.Session) -> None:
    merchant.place(out_trade_no="PAID-TWICE")
    merchant.place(out_trade_no="CLOSED-ONE")
    merchant.close("CLOSED-ONE")
    merchant.place(out_trade_no="SOMEBODY-ELSE")
    pay(web, "PAID-TWICE")

    answers = {
        "unknown": pay(web, "NO-SUCH-ORDER"),
        "paid": pay(web, "PAID-TWICE"),
        "closed": pay(web, "CLOSED-ONE"),
        "payer": pay(web, "SOMEBODY-ELSE", {"openid": "oAnotherPerson001"}),
    }

    assert {name: one.status_code for name, one in answers.items()} == {
        "unknown": 404,
        "paid": 409,
        "closed": 409,
        "payer": 409,
    }
    assert "already paid" in answers["paid"].json()["message"]
    assert "closed" in answers["closed"].json()["message"]
    assert "another openid" in answers["payer"].json()["message"]


def test_an_expired_order_cannot_be_paid(
    merchant: Merchant, sim: Simulator, web: requests.Session
) -> None:
    merchant.place()
    sim.clock.advance(8 * 86400)

    answer = pay(web, "T20260301-000042")

    assert answer.status_code == 409
    assert merchant.query("T20260301-000042").json()["trade_state"] == "CLOSED"


def test_a_payment_may_be_dated_and_discounted(merchant: Merchant, web: requests.Session) -> None:
    merchant.place()

    paid = pay(
        web, "T20260301-000042", {"at": "2026-03-01T08:00:00+08:00", "coupon_fen": 80}
    ).json()

    assert paid["success_time"] == "2026-03-01T08:00:00+08:00"
    assert (paid["amount"], paid["payer_total"]) == (1880, 1800)


@pytest.mark.parametrize(
    "body",
    [
        {"coupon_fen": "80"},
        {"coupon_fen": True},
        {"at": "yesterday"},
        {"openid": 7},
        {"coupon_type": "GIFT"},
        {"amount": 1},
        [],
    ],
)
def test_nonsense_in_a_payment_is_400(merchant: Merchant, web: requests.Session, body: Any) -> None:
    merchant.place()

    answer = pay(web, "T20260301-000042", body)

    assert answer.status_code == 400
    assert answer.json()["message"]
    assert web.get(f"{CONTROL}/orders").json()["data"][0]["trade_state"] == "NOTPAY"


def test_lists_are_newest_last_and_can_be_narrowed(
    merchant: Merchant, web: requests.Session
) -> None:
    for n in range(5):
        merchant.place(out_trade_no=f"LISTED-{n}", sub_mchid=f"190000091{1 + n % 2}")

    def numbers(query: str) -> list[str]:
        data = web.get(f"{CONTROL}/orders?{query}").json()["data"]
        return [order["out_trade_no"][-1] for order in data]

    assert numbers("") == ["0", "1", "2", "3", "4"]
    assert numbers("limit=2") == ["3", "4"]
    assert numbers("limit=2&offset=1") == ["2", "3"]
    assert numbers("sub_mchid=1900000912") == ["1", "3"]
    assert numbers("out_trade_no=LISTED-2") == ["2"]
    assert web.get(f"{CONTROL}/orders?limit=many").status_code == 400
    assert web.get(f"{CONTROL}/refunds").json() == {"data": []}


def test_requests_are_remembered_without_anything_private(
    merchant: Merchant, web: requests.Session
) -> None:
    merchant.place()
    merchant.query("NOSUCHORDER")

    placed, asked = web.get(f"{CONTROL}/requests").json()["data"]

    assert (placed["method"], placed["status"], placed["mchid"]) == ("POST", 200, merchant.mchid)
    assert asked["status"] == 404
    assert asked["request_id"].endswith("-268512771")
    assert set(placed) == {"at", "method", "path", "status", "mchid", "request_id"}
    assert "?" not in asked["path"]


def test_the_clock_is_read_set_and_advanced(web: requests.Session, sim: Simulator) -> None:
    web.post(f"{CONTROL}/clock", json={"now": "2026-03-02T10:05:00+08:00"})

    told = web.post(f"{CONTROL}/clock", json={"advance_seconds": 3600}).json()

    assert told["now"].startswith("2026-03-02T11:05:0")
    assert web.get(f"{CONTROL}/clock").json()["offset_seconds"] == told["offset_seconds"]
    assert sim.clock.now().date().isoformat() == "2026-03-02"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"now": "soon"},
        {"now": "9999-12-31T23:59:59Z"},
        {"now": "0001-01-01T00:00:00+14:00"},
        {"advance_seconds": "1"},
        {"advance_seconds": 1e12},
        {"x": 1},
    ],
)
def test_a_clock_cannot_be_set_to_nonsense(
    web: requests.Session, sim: Simulator, body: dict[str, Any]
) -> None:
    answer = web.post(f"{CONTROL}/clock", json=body)

    assert answer.status_code == 400
    assert sim.clock.offset_s == 0


def test_a_clock_is_not_moved_by_what_is_no_number(web: requests.Session, sim: Simulator) -> None:
    answer = web.post(f"{CONTROL}/clock", data=b'{"advance_seconds": NaN}')

    assert answer.status_code == 400
    assert sim.clock.offset_s == 0


def registration(sim: Simulator) -> dict[str, Any]:
    return {
        "sp_mchid": "1900000801",
        "sp_appid": "wx7a51c0ffee000801",
        "serial_no": "ABCDEF0123456789",
        "certificate_pem": (sim.home / "apiclient_cert.pem").read_text(),
        "api_v3_key": "k" * 32,
        "sub_merchants": [{"sub_mchid": "1900000811", "name": "乙店"}],
    }


def test_a_further_provider_is_registered_and_updated(
    web: requests.Session, sim: Simulator
) -> None:
    made = web.post(f"{CONTROL}/merchants", json=registration(sim))
    again = web.post(
        f"{CONTROL}/merchants",
        json={
            "sp_mchid": "1900000801",
            "sub_merchants": [{"sub_mchid": "1900000812", "permissions": ["JSAPI"]}],
        },
    )

    listed = web.get(f"{CONTROL}/merchants")

    assert (made.status_code, again.status_code) == (201, 200)
    subs = {sub["sub_mchid"]: sub for sub in listed.json()["data"][-1]["sub_merchants"]}
    assert subs["1900000811"]["name"] == "乙店"
    assert subs["1900000812"]["permissions"] == ["JSAPI"]
    assert "k" * 32 not in listed.text


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"api_v3_key": "short"}, "api_v3_key"),
        ({"sp_mchid": "abc"}, "sp_mchid"),
        ({"serial_no": "x y"}, "serial_no"),
        ({"certificate_pem": "no"}, "certificate_pem"),
        ({"sub_merchants": [{}]}, "sub_mchid"),
        ({"sub_merchants": [{"sub_mchid": "1900000811", "permissions": ["FLY"]}]}, "permissions"),
        ({"key_mode": "none"}, "key_mode"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_registration_that_cannot_be_understood_names_the_field(
    web: requests.Session, sim: Simulator, change: dict[str, Any], field: str
) -> None:
    answer = web.post(f"{CONTROL}/merchants", json=registration(sim) | change)

    assert answer.status_code == 400
    assert field in answer.json()["message"]
    assert sim.merchants.find("1900000801") is None


def test_two_providers_may_use_the_same_number(
    merchant: Merchant, other: Merchant, web: requests.Session
) -> None:
    merchant.place()
    placed = other.place()

    which = pay(web, "T20260301-000042")
    paid = pay(web, "T20260301-000042", {"sp_mchid": "1900000801"})

    assert placed.status_code == 200
    assert which.status_code == 409
    assert paid.json()["sp_mchid"] == "1900000801"
    assert merchant.query("T20260301-000042").json()["trade_state"] == "NOTPAY"


def test_another_sites_page_cannot_pull_a_lever(web: requests.Session, sim: Simulator) -> None:
    answer = web.post(
        f"{CONTROL}/clock",
        json={"advance_seconds": 60},
        headers={"Origin": "https://elsewhere.example.com"},
    )

    assert answer.status_code == 403
    assert sim.clock.offset_s == 0


def test_a_home_from_before_the_newer_settings_opens_as_it_was(tmp_path: Path) -> None:
    Simulator(tmp_path).close()
    newer = ("payment_directories", "oauth_scopes", "h5_domains", "codepay_enabled")
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as ledger:
        [(text,)] = ledger.execute("SELECT document FROM merchants").fetchall()
        document = {name: one for name, one in json.loads(text).items() if name not in newer}
        for sub in document["sub_merchants"]:
            del sub["payment_directories"]
        ledger.execute("UPDATE merchants SET document = ?", (json.dumps(document),))

    simulator = Simulator(tmp_path)

    [provider] = simulator.merchants.all()
    simulator.close()
    assert provider.codepay_enabled
    assert provider.payment_directories is None
    assert len(provider.sub_merchants) == 3
