"""What is signed is what is sent; connections are kept; nothing is taken from the environment."""

import sys
import threading
from types import FrameType
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partner.wechatpay.client import WeChatPayClient
from partner.wechatpay.sessions import new_session
from tests.partner.wechatpay.conftest import TransportMaker
from tests.partner.wechatpay.scripted_server import ScriptedServer, replies

THREADS = 4
CALLS = 25
SHARED_SERVER = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize(
    ("out_trade_no", "on_the_wire"),
    [
        ("T2026_03-01", "T2026_03-01"),
        ("A|B", "A%7CB"),
        ("A*B", "A%2AB"),
        ("A%7cB", "A%257cB"),
        ("A B+C", "A%20B%2BC"),
        ("A/B?c=d#e", "A%2FB%3Fc%3Dd%23e"),
        ("订单", "%E8%AE%A2%E5%8D%95"),
        ("..", ".."),
        ("~", "~"),
    ],
)
def test_a_number_travels_as_it_was_signed_whatever_letters_it_has(
    client: WeChatPayClient, server: ScriptedServer, out_trade_no: str, on_the_wire: str
) -> None:
    client.transactions.close(out_trade_no=out_trade_no, sub_mchid="1600000777")

    (request,) = server.requests
    assert request.target == f"/v3/pay/partner/transactions/out-trade-no/{on_the_wire}/close"
    assert request.is_rightly_signed


@pytest.mark.parametrize(
    "target",
    [
        "/file?token=a%2fb%2Fc",
        "/file?token=%7e~%41A",
        "/file?token=a|b*c&tartype=gzip",
        '/file?token={x}[y]^`"<>\\',
        "/a/../b/./c?x=/../y",
        "/file?",
        "/file?a=1&a=2&&b",
        "/file?token=%zz%",
    ],
)
def test_a_raw_target_is_sent_byte_for_byte(
    make_transport: TransportMaker, server: ScriptedServer, target: str
) -> None:
    make_transport().send("GET", target, repeatable=True, endpoint="raw")

    (request,) = server.requests
    assert request.target == target
    assert request.is_rightly_signed


@SHARED_SERVER
@given(number=st.text(min_size=1, max_size=32), value=st.text(max_size=64), body=st.binary())
def test_any_text_and_any_body_arrive_rightly_signed(
    make_transport: TransportMaker, server: ScriptedServer, number: str, value: str, body: bytes
) -> None:
    from_text = (
        number.encode("utf-8", "replace").decode(),
        value.encode("utf-8", "replace").decode(),
    )
    transport = make_transport()

    transport.send(
        "POST",
        "/v3/" + _escaped(from_text[0]),
        {"value": from_text[1]},
        body,
        repeatable=True,
        endpoint="any",
    )

    assert server.requests[-1].is_rightly_signed
    assert server.requests[-1].body == body


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX-Injected: 1", "/单", "v3/relative", ""])
def test_a_target_that_could_not_travel_unchanged_is_not_sent(
    make_transport: TransportMaker, server: ScriptedServer, target: str
) -> None:
    with pytest.raises(ValueError, match="target"):
        make_transport().send("GET", target, repeatable=True, endpoint="raw")

    assert server.requests == []


def test_one_connection_serves_call_after_call(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(*[replies(b"", status=204)] * CALLS)

    for _ in range(CALLS):
        client.transactions.close(out_trade_no="T1", sub_mchid="1600000777")

    assert len(server.requests) == CALLS
    assert server.connections == 1


def test_there_are_never_more_connections_than_threads(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    def close_often() -> None:
        for _ in range(CALLS):
            client.transactions.close(out_trade_no="T1", sub_mchid="1600000777")

    threads = [threading.Thread(target=close_often) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(server.requests) == THREADS * CALLS
    assert server.connections <= THREADS


def test_no_key_is_parsed_while_serving(
    client: WeChatPayClient, server: ScriptedServer, merchant_key: RSAPrivateKey
) -> None:
    pem = merchant_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    client.transactions.close(out_trade_no="warm-up", sub_mchid="1600000777")

    def serve() -> None:
        for _ in range(CALLS):
            client.transactions.close(out_trade_no="T1", sub_mchid="1600000777")
            client.pay_params("wxaaaa0000bbbb1111", "wx01")

    assert _key_loads(serve) == 0
    assert _key_loads(lambda: load_pem_private_key(pem, password=None)) == 1
    assert len(server.requests) == CALLS + 1


def test_nothing_in_the_environment_redirects_the_calls(
    client: WeChatPayClient, server: ScriptedServer, deaf_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, deaf_url)
    monkeypatch.delenv("NO_PROXY", raising=False)

    client.transactions.close(out_trade_no="T1", sub_mchid="1600000777")

    assert len(server.requests) == 1


def test_cookies_are_neither_kept_nor_sent(client: WeChatPayClient, server: ScriptedServer) -> None:
    server.plays(replies(b"", status=204, further={"Set-Cookie": "who=you; Path=/"}))

    client.transactions.close(out_trade_no="T1", sub_mchid="1600000777")
    client.transactions.close(out_trade_no="T1", sub_mchid="1600000777")

    assert "cookie" not in server.requests[1].headers


def test_a_session_can_be_served_without_a_network() -> None:
    class InProcess(requests.adapters.BaseAdapter):
        def send(self, *args: Any, **kwargs: Any) -> requests.Response:
            raise NotImplementedError

        def close(self) -> None:
            """There is nothing to close."""

    adapter = InProcess()

    with new_session(1, adapter) as session:
        assert session.get_adapter("https://api.mch.weixin.qq.com/v3") is adapter
        assert session.get_adapter("http://simulator.localhost/v3") is adapter
        assert session.trust_env is False


def _escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _key_loads(work: Any) -> int:
    """How often anything called a function of the cryptography library that parses a key."""
    count = 0

    def watch(_frame: FrameType, event: str, called: Any) -> None:
        nonlocal count
        count += event == "c_call" and called.__name__.startswith(("load_pem", "load_der"))

    sys.setprofile(watch)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count
