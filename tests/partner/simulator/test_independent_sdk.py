"""The simulator driven by `wechatpayv3`, an SDK by other people that knows nothing of it.

What that SDK signs, verifies and opens is the judge here: if it can trade a whole day, so can
others.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3 import core as sdk_core
from werkzeug.serving import make_server

from partner.simulator import Simulator
from partner.simulator.notifier import delivery_session
from tests.partner.simulator.conftest import PAYER

BEIJING = timezone(timedelta(hours=8))


@pytest.fixture
def world(home: Path) -> Iterator[tuple[Simulator, str]]:
    """A simulator behind a socket, whose notifications travel over sockets too."""
    session = delivery_session()
    simulator = Simulator(home, persistent=False, deliver_session=session)
    server = make_server("127.0.0.1", 0, simulator.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield simulator, f"http://127.0.0.1:{server.port}"
    server.shutdown()
    server.server_close()
    thread.join()
    simulator.close()
    session.close()


class _PointedCore(sdk_core.Core):  # type: ignore[misc]
    """The SDK's core, pointed at the simulator: its gateway is fixed in its constructor."""

    gateway = ""

    @property
    def _gate_way(self) -> str:
        return self.gateway

    @_gate_way.setter
    def _gate_way(self, _official: str) -> None: ...


def sdk(home: Path, base_url: str, notify_url: str, mode: str) -> Any:
    facts = json.loads((home / "simulator.json").read_text())
    keys = {}
    if mode == "public key":
        keys = {
            "public_key": (home / "wechatpay_public_key.pem").read_text(),
            "public_key_id": facts["wechatpay_public_key_id"],
        }
    client = WeChatPay.__new__(WeChatPay)
    client._mchid = facts["sp_mchid"]
    client._appid = facts["sp_appid"]
    client._notify_url = notify_url
    client._type = WeChatPayType.JSAPI
    client._partner_mode = True
    core = type("Core", (_PointedCore,), {"gateway": base_url})
    client._core = core(
        mchid=facts["sp_mchid"],
        cert_serial_no=facts["serial_no"],
        private_key=(home / "apiclient_key.pem").read_text(),
        apiv3_key=(home / "api_v3_key").read_text(),
        timeout=5,
        **keys,
    )
    return client


@pytest.mark.parametrize("mode", ["certificate", "public key"])
def test_a_strangers_sdk_trades_a_whole_day(
    world: tuple[Simulator, str], home: Path, httpserver: HTTPServer, mode: str
) -> None:
    simulator, base_url = world
    httpserver.expect_request("/notify").respond_with_data(status=204)
    client = sdk(home, base_url, httpserver.url_for("/notify"), mode)
    sub = simulator.facts["sub_merchants"][0]["sub_mchid"]

    def place(number: str) -> int:
        code, _ = client.pay(
            description="山茶咖啡-拿铁",
            out_trade_no=number,
            amount={"total": 1880, "currency": "CNY"},
            payer={"sp_openid": PAYER},
            sub_mchid=sub,
        )
        return int(code)

    def state(number: str) -> str:
        code, message = client.query(out_trade_no=number, sub_mchid=sub)
        assert code == 200
        return str(json.loads(message)["trade_state"])

    assert (place("SDK-PAID"), place("SDK-CLOSED")) == (200, 200)
    assert state("SDK-PAID") == "NOTPAY"
    assert client.close("SDK-CLOSED", sub_mchid=sub)[0] == 204
    simulator.pay("SDK-PAID")
    simulator.notifier.deliver_due()

    [(request, _)] = httpserver.log
    opened = client.callback(dict(request.headers), request.get_data())
    assert opened["event_type"] == "TRANSACTION.SUCCESS"
    assert opened["resource"]["out_trade_no"] == "SDK-PAID"
    assert opened["resource"]["amount"]["total"] == 1880
    assert (state("SDK-PAID"), state("SDK-CLOSED")) == ("SUCCESS", "CLOSED")

    today = simulator.clock.now().astimezone(BEIJING)
    ready = (today + timedelta(days=1)).replace(hour=10, minute=5)
    simulator.clock.set(ready)
    code, message = client.trade_bill(f"{today:%Y-%m-%d}", sub_mchid=sub)
    ticket = json.loads(message)
    assert code == 200
    code, packed = client.download_bill(ticket["download_url"])
    bill = gzip.decompress(packed)
    assert code == 200
    assert hashlib.sha1(bill).hexdigest() == ticket["hash_value"]
    assert b"`SDK-PAID,`" in bill
    assert b"SDK-CLOSED" not in bill


# The SDK compares certificates by naive times when it seals a field; that is its own affair.
@pytest.mark.filterwarnings("ignore:Properties that return a na")
@pytest.mark.parametrize("mode", ["certificate", "public key"])
def test_a_strangers_sdk_gives_money_back(
    world: tuple[Simulator, str], home: Path, httpserver: HTTPServer, mode: str
) -> None:
    simulator, base_url = world
    httpserver.expect_request("/notify").respond_with_data(status=204)
    client = sdk(home, base_url, httpserver.url_for("/notify"), mode)
    sub = simulator.facts["sub_merchants"][0]["sub_mchid"]
    client.pay(
        description="山茶咖啡-拿铁",
        out_trade_no="SDK-REFUNDED",
        amount={"total": 1880, "currency": "CNY"},
        payer={"sp_openid": PAYER},
        sub_mchid=sub,
    )
    paid = simulator.pay("SDK-REFUNDED")
    simulator.notifier.deliver_due()

    code, message = client.refund(
        out_refund_no="SDK-R-1",
        transaction_id=paid.transaction_id,
        amount={"refund": 500, "total": 1880, "currency": "CNY"},
        reason="退一杯",
        sub_mchid=sub,
    )
    refund = json.loads(message)
    assert (code, refund["status"]) == (200, "PROCESSING")
    simulator.settle_refund("SDK-R-1", "ABNORMAL")
    code, message = client.abnormal_refund(
        refund_id=refund["refund_id"],
        out_refund_no="SDK-R-1",
        type="USER_BANK_CARD",
        bank_type="CMB_DEBIT",
        bank_account="6225880200001234",
        real_name="张三",
        sub_mchid=sub,
    )
    assert (code, json.loads(message)["status"]) == (200, "PROCESSING")
    simulator.notifier.deliver_due()

    told = [
        client.callback(dict(request.headers), request.get_data()) for request, _ in httpserver.log
    ]
    assert [one["event_type"] for one in told] == [
        "TRANSACTION.SUCCESS",
        "REFUND.ABNORMAL",
        "REFUND.SUCCESS",
    ]
    assert told[2]["resource"]["refund_status"] == "SUCCESS"
    assert told[2]["resource"]["amount"]["refund"] == 500
    code, message = client.query_refund("SDK-R-1", sub_mchid=sub)
    assert (code, json.loads(message)["status"]) == (200, "SUCCESS")


def test_a_strangers_sdk_places_a_native_order(
    world: tuple[Simulator, str], home: Path, httpserver: HTTPServer
) -> None:
    simulator, base_url = world
    client = sdk(home, base_url, httpserver.url_for("/notify"), "public key")
    sub = simulator.facts["sub_merchants"][0]["sub_mchid"]

    code, message = client.pay(
        description="山茶咖啡-拿铁",
        out_trade_no="SDK-NATIVE",
        amount={"total": 1880},
        sub_mchid=sub,
        pay_type=WeChatPayType.NATIVE,
    )
    simulator.pay("SDK-NATIVE")
    _, told = client.query(out_trade_no="SDK-NATIVE", sub_mchid=sub)

    assert code == 200
    assert json.loads(message)["code_url"].startswith("weixin://wxpay/bizpayurl/")
    assert json.loads(told)["trade_type"] == "NATIVE"


def test_the_sdk_refuses_a_probe_and_opens_the_repeat(
    world: tuple[Simulator, str], home: Path, httpserver: HTTPServer
) -> None:
    simulator, base_url = world
    httpserver.expect_ordered_request("/notify").respond_with_data(status=401)
    httpserver.expect_ordered_request("/notify").respond_with_data(status=204)
    client = sdk(home, base_url, httpserver.url_for("/notify"), "certificate")
    client.pay(
        description="拿铁",
        out_trade_no="SDK-PROBED",
        amount={"total": 1},
        payer={"sp_openid": PAYER},
        sub_mchid=simulator.facts["sub_merchants"][0]["sub_mchid"],
    )
    simulator.faults.add("notification_probe")

    simulator.pay("SDK-PROBED")
    simulator.notifier.deliver_due()
    simulator.clock.advance(16)
    simulator.notifier.deliver_due()

    (probe, _), (genuine, _) = httpserver.log
    assert probe.headers["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
    try:
        accepted = client.callback(dict(probe.headers), probe.get_data())
    except ValueError:  # the SDK's decoder stumbles over what is not Base64: refused all the same
        accepted = None
    assert not accepted
    assert client.callback(dict(genuine.headers), genuine.get_data())["resource"]["trade_state"]


def test_a_day_without_trade_has_no_bill(world: tuple[Simulator, str], home: Path) -> None:
    simulator, base_url = world
    simulator.clock.set(datetime(2026, 3, 2, 10, 5, tzinfo=BEIJING))
    client = sdk(home, base_url, "http://127.0.0.1/notify", "public key")

    code, message = client.trade_bill("2026-03-01")

    assert (code, json.loads(message)["code"]) == (400, "NO_STATEMENT_EXIST")
