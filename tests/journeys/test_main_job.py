"""The main job, end to end, the way an operator and a tenant's system meet it.

Everything goes through the commands and over HTTP; the simulator plays WeChat Pay and the payers.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config.clock import beijing_date, now
from partner.simulator.simulator import Simulator
from tests.factories.payments import OPENID
from tests.factories.submerchants import bearer

Command = Callable[..., Any]
UNTIL_THE_BILL_IS_THERE = timedelta(days=1, hours=11)


@pytest.fixture
def command(app: Flask) -> Command:
    """Run `flask …` with --json and read what it prints."""

    def run(*words: str) -> Any:
        result = app.test_cli_runner().invoke(args=[*words, "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return run


@pytest.fixture
def keys(command: Command, simulator: Simulator) -> dict[str, str]:
    """The provider and two sub-merchants, registered by command; an API key for each."""
    facts, home = simulator.facts, simulator.home
    command(
        *("partner", "add", "--sp-mchid", facts["sp_mchid"], "--name", "演示服务商"),
        *("--sp-appid", facts["sp_appid"]),
        *("--private-key", str(home / "apiclient_key.pem")),
        *("--certificate", str(home / "apiclient_cert.pem")),
        *("--api-v3-key-file", str(home / "api_v3_key")),
        *("--wechatpay-public-key", str(home / "wechatpay_public_key.pem")),
        *("--wechatpay-public-key-id", facts["wechatpay_public_key_id"]),
    )
    made = {}
    for sub in facts["sub_merchants"][:2]:
        command(
            *("submerchant", "add", "--sp-mchid", facts["sp_mchid"]),
            *("--sub-mchid", sub["sub_mchid"], "--name", sub["name"]),
            *("--sub-appid", sub["sub_appid"]),
        )
        made[sub["sub_mchid"]] = command("apikey", "issue", sub["sub_mchid"])["key"]
    return made


def place(client: FlaskClient, key: str, number: str, amount_fen: int) -> dict[str, Any]:
    answer = client.post(
        "/api/v1/orders",
        headers=bearer(key),
        json={
            "merchant_order_no": number,
            "description": "茶馆–龙井",
            "amount_fen": amount_fen,
            "payer": {"sub_openid": OPENID},
        },
    )
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return dict(answer.get_json())


def read(client: FlaskClient, key: str, path: str) -> Any:
    answer = client.get(f"/api/v1{path}", headers=bearer(key))
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()


def test_from_an_order_to_a_reconciled_day(
    client: FlaskClient, command: Command, keys: dict[str, str], simulator: Simulator
) -> None:
    (first, first_key), (second, second_key) = keys.items()
    today = str(beijing_date(simulator.clock.now()))
    paid = place(client, first_key, "A-1", 1880)
    lost = place(client, first_key, "A-2", 20)
    other = place(client, second_key, "A-1", 999)
    unpaid = place(client, second_key, "A-2", 5)
    assert set(paid["pay_params"]) == {
        *("appId", "timeStamp", "nonceStr", "package", "signType", "paySign")
    }

    simulator.pay(paid["out_trade_no"])
    simulator.pay(other["out_trade_no"])
    simulator.notifier.deliver_due()
    simulator.faults.add("notification_missing")
    simulator.pay(lost["out_trade_no"])

    assert read(client, first_key, f"/orders/{paid['id']}")["state"] == "PAID"
    assert read(client, second_key, f"/orders/{other['id']}")["state"] == "PAID"
    assert read(client, first_key, f"/orders/{lost['id']}")["state"] == "PENDING"
    assert command("orders", "sync", lost["id"])["state"] == "PAID"
    assert command("notifications", "list", "--state", "QUARANTINED") == []

    simulator.clock.advance(UNTIL_THE_BILL_IS_THERE.total_seconds())
    days = {row["sub_mchid"]: row for row in command("reconcile", "--date", today)}

    assert (days[first]["state"], days[first]["matched"]) == ("MATCHED", 2)
    assert days[first]["ours"] == days[first]["theirs"] == {"count": 2, "amount_fen": 1900}
    assert days[second]["ours"] == days[second]["theirs"] == {"count": 1, "amount_fen": 999}
    assert all(row["discrepancies"] == [] for row in days.values())
    (shown,) = read(client, first_key, f"/reconciliations?date={today}")["data"]
    assert (shown["state"], shown["matched"]) == ("MATCHED", 2)
    file = client.get(f"/api/v1/bills/{today}/trade.csv", headers=bearer(first_key))
    text = file.get_data(as_text=True)
    assert paid["out_trade_no"] in text
    assert lost["out_trade_no"] in text
    assert other["out_trade_no"] not in text
    assert len(list(csv.reader(io.StringIO(text)))) == 5
    assert unpaid["out_trade_no"] not in text
    assert command("audit", "verify")["faults"] == []


def test_a_fen_that_does_not_agree_is_explained_with_both_sides(
    client: FlaskClient, command: Command, keys: dict[str, str], simulator: Simulator
) -> None:
    (first, first_key), _ = keys.items()
    today = str(beijing_date(simulator.clock.now()))
    paid = place(client, first_key, "A-1", 1880)
    simulator.pay(paid["out_trade_no"])
    simulator.notifier.deliver_due()
    simulator.faults.add("bill_wrong_amount", out_trade_no=paid["out_trade_no"], delta_fen=1)
    simulator.clock.advance(UNTIL_THE_BILL_IS_THERE.total_seconds())

    (day,) = command("reconcile", "--date", today, "--sub-mchid", first)

    (found,) = day["discrepancies"]
    assert found["kind"] == "AMOUNT_DIFFERS"
    assert found["out_trade_no"] == paid["out_trade_no"]
    assert found["ours"]["amount_fen"] == 1880
    assert found["theirs"]["amount_fen"] == 1881
    assert found["explanation"]


def test_a_bill_that_is_not_ready_and_a_day_without_trade_are_states(
    command: Command, keys: dict[str, str], simulator: Simulator
) -> None:
    today = str(beijing_date(now()))
    early = {row["state"] for row in command("reconcile", "--date", today)}

    simulator.clock.advance(UNTIL_THE_BILL_IS_THERE.total_seconds())
    later = [(row["state"], row["matched"]) for row in command("reconcile", "--date", today)]

    assert early == {"WAITING_FOR_BILL"}
    assert later == [("MATCHED", 0)] * 2


def test_one_tenant_sees_nothing_of_another(client: FlaskClient, keys: dict[str, str]) -> None:
    (_, first_key), (_, second_key) = keys.items()
    order = place(client, first_key, "A-1", 1880)

    answers = {
        client.open(
            f"/api/v1/orders/{order['id']}{action}", method=method, headers=bearer(second_key)
        ).status_code
        for method, action in [
            ("GET", ""),
            ("POST", "/sync"),
            ("POST", "/close"),
            ("POST", "/pay-params"),
        ]
    }

    assert answers == {404}
    assert read(client, second_key, "/orders")["data"] == []
    assert read(client, first_key, f"/orders/{order['id']}")["state"] == "PENDING"
