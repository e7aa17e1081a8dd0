"""The connection itself: encrypted, and only to who the certificate says it is."""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from partner.wechatpay.errors import OutcomeUnknown, UnknownReason
from tests.partner.wechatpay.conftest import PLATFORM_SERIAL, TransportMaker
from tests.partner.wechatpay.scripted_server import ScriptedServer, drips

TARGET = "/v3/file?token=a%2fb|*~%7E"
CALLS = 10


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, strange_key: RSAPrivateKey) -> Path:
    """Key and self-signed certificate of 127.0.0.1 in one file."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, strange_key.public_key(), 7, now - timedelta(days=1), now + timedelta(days=1)
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = builder.add_extension(address, critical=False).sign(strange_key, SHA256())
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        strange_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    return path


@pytest.fixture
def secured(
    bundle: Path, platform_key: RSAPrivateKey, merchant_key: RSAPrivateKey
) -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    server = ScriptedServer(platform_key, PLATFORM_SERIAL, merchant_key.public_key(), context)
    with server as running:
        yield running


def test_calls_over_tls_are_exact_and_share_one_connection(
    make_transport: TransportMaker, session: requests.Session, secured: ScriptedServer, bundle: Path
) -> None:
    session.verify = str(bundle)
    transport = make_transport(base_url=secured.url)

    for _ in range(CALLS):
        transport.send("GET", TARGET, repeatable=True, endpoint="raw")

    assert {request.target for request in secured.requests} == {TARGET}
    assert all(request.is_rightly_signed for request in secured.requests)
    assert (len(secured.requests), secured.connections) == (CALLS, 1)


@pytest.mark.parametrize("verify", [True, False])
def test_nothing_is_sent_to_a_stranger_even_when_told_not_to_check(
    make_transport: TransportMaker,
    session: requests.Session,
    secured: ScriptedServer,
    verify: bool,
) -> None:
    session.verify = verify
    transport = make_transport(base_url=secured.url)

    with pytest.raises(OutcomeUnknown) as raised:
        transport.send("GET", TARGET, repeatable=True, endpoint="raw")

    assert raised.value.reason is UnknownReason.NO_CONNECTION
    assert not raised.value.was_sent
    assert secured.requests == []


def test_dripping_over_tls_ends_at_the_deadline(
    make_transport: TransportMaker, session: requests.Session, secured: ScriptedServer, bundle: Path
) -> None:
    session.verify = str(bundle)
    secured.plays(drips(b"HTTP/1.1 200 OK\r\nX-Never-Ending: "))

    with pytest.raises(OutcomeUnknown) as raised:
        make_transport(base_url=secured.url, deadline_s=0.5).send(
            "GET", TARGET, repeatable=False, endpoint="raw"
        )

    assert raised.value.reason is UnknownReason.TIMED_OUT
