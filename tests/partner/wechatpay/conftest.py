"""Real keys, made once, and a client wired to scripted servers on loopback."""

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from partner.wechatpay.client import WeChatPayClient
from partner.wechatpay.sessions import new_session
from partner.wechatpay.signing import Signer
from partner.wechatpay.transport import Transport
from partner.wechatpay.verification import Verifier
from tests.partner.wechatpay.scripted_server import ScriptedServer

SP_MCHID = "1600000001"
SERIAL_NO = "408B07E79B8269FEC3D5D3E6AB8ED163A6A380DB"
PLATFORM_SERIAL = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
API_V3_KEY = b"0123456789abcdefghijklmnopqrstuv"

TransportMaker = Callable[..., Transport]


@pytest.fixture(scope="session")
def merchant_key() -> RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def platform_key() -> RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def strange_key() -> RSAPrivateKey:
    """A key nobody of ours knows."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def verifier(platform_key: RSAPrivateKey) -> Verifier:
    return Verifier({PLATFORM_SERIAL: platform_key.public_key()})


@pytest.fixture
def server(platform_key: RSAPrivateKey, merchant_key: RSAPrivateKey) -> Iterator[ScriptedServer]:
    with ScriptedServer(platform_key, PLATFORM_SERIAL, merchant_key.public_key()) as running:
        yield running


@pytest.fixture
def backup(platform_key: RSAPrivateKey, merchant_key: RSAPrivateKey) -> Iterator[ScriptedServer]:
    with ScriptedServer(platform_key, PLATFORM_SERIAL, merchant_key.public_key()) as running:
        yield running


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with new_session(pool_size=8) as opened:
        yield opened


@pytest.fixture
def make_transport(
    session: requests.Session,
    server: ScriptedServer,
    merchant_key: RSAPrivateKey,
    verifier: Verifier,
) -> TransportMaker:
    def made(**changes: Any) -> Transport:
        settings: dict[str, Any] = {
            "session": session,
            "signer": Signer(SP_MCHID, SERIAL_NO, merchant_key),
            "verifier_source": lambda: verifier,
            "base_url": server.url,
            "fallback_base_url": None,
            "user_agent": "partner-platform/1 (tests)",
            "connect_timeout": 0.5,
            "read_timeout": 0.3,
            "deadline_s": 5.0,
        }
        return Transport(**(settings | changes))

    return made


@pytest.fixture
def client(make_transport: TransportMaker) -> WeChatPayClient:
    return WeChatPayClient(make_transport(), [API_V3_KEY])


@pytest.fixture
def deaf_url() -> Iterator[str]:
    """Where nobody listens: the port is taken, so that no other test can, and never answers."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"
