"""Downloading platform certificates: the first time, at a rotation, and from somebody else."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from partner.wechatpay.client import WeChatPayClient
from partner.wechatpay.errors import OutcomeUnknown, Refused, Undecryptable, UnknownReason
from partner.wechatpay.verification import Verifier
from tests.partner.wechatpay.conftest import API_V3_KEY, PLATFORM_SERIAL, TransportMaker
from tests.partner.wechatpay.scripted_server import ScriptedServer, replies, replies_unsigned
from tests.partner.wechatpay.sealing import sealed


def certificate_pem(key: RSAPrivateKey, serial_no: str = PLATFORM_SERIAL) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com Root CA")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), int(serial_no, 16), start, start + timedelta(days=1825)
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def entry(pem: bytes, serial_no: str = PLATFORM_SERIAL, **changes: Any) -> dict[str, Any]:
    return {
        "serial_no": serial_no,
        "effective_time": "2026-01-01T08:00:00+08:00",
        "expire_time": "2030-12-31T08:00:00+08:00",
        "encrypt_certificate": sealed(pem, associated_data="certificate"),
    } | changes


@pytest.fixture
def newcomer(make_transport: TransportMaker) -> WeChatPayClient:
    """A client that does not know a single key of WeChat Pay's yet."""
    return WeChatPayClient(make_transport(verifier_source=lambda: Verifier({})), [API_V3_KEY])


def test_the_first_download_is_verified_with_what_it_delivers(
    newcomer: WeChatPayClient, server: ScriptedServer, platform_key: RSAPrivateKey
) -> None:
    pem = certificate_pem(platform_key)
    server.plays(replies({"data": [entry(pem)]}))

    (certificate,) = newcomer.certificates.download()

    assert certificate.serial_no == PLATFORM_SERIAL
    assert certificate.pem == pem
    assert certificate.public_key == platform_key.public_key()
    assert certificate.effective_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert certificate.expires_at == datetime(2030, 12, 31, tzinfo=UTC)
    assert server.requests[0].target == "/v3/certificates"


def test_a_first_download_signed_by_a_key_it_does_not_deliver_is_not_believed(
    newcomer: WeChatPayClient,
    server: ScriptedServer,
    platform_key: RSAPrivateKey,
    strange_key: RSAPrivateKey,
) -> None:
    server.plays(*[replies({"data": [entry(certificate_pem(platform_key))]}, key=strange_key)] * 3)

    with pytest.raises(OutcomeUnknown) as raised:
        newcomer.certificates.download()

    assert raised.value.reason is UnknownReason.REPLY_UNTRUSTED


def test_a_delivered_certificate_cannot_take_the_place_of_a_known_one(
    client: WeChatPayClient, server: ScriptedServer, strange_key: RSAPrivateKey
) -> None:
    forged = replies({"data": [entry(certificate_pem(strange_key))]}, key=strange_key)
    server.plays(*[forged] * 3)

    with pytest.raises(OutcomeUnknown) as raised:
        client.certificates.download()

    assert raised.value.reason is UnknownReason.REPLY_UNTRUSTED


def test_a_rotation_brings_both_certificates(
    client: WeChatPayClient,
    server: ScriptedServer,
    platform_key: RSAPrivateKey,
    strange_key: RSAPrivateKey,
) -> None:
    coming = "0A57F09EFDC096DE15EBE81A47057A7232F1B8E2"
    both = [
        entry(certificate_pem(platform_key)),
        entry(certificate_pem(strange_key, coming), coming),
    ]
    server.plays(replies({"data": both}))

    downloaded = client.certificates.download()

    assert [each.serial_no for each in downloaded] == [PLATFORM_SERIAL, coming]


@pytest.mark.parametrize(
    "effective_time", ["2026-01-01T08:00:00+08:00  ", "2026-01-01T08:00:00", "2026-01-01T00:00:00Z"]
)
def test_times_are_read_as_leniently_as_samples_print_them(
    newcomer: WeChatPayClient,
    server: ScriptedServer,
    platform_key: RSAPrivateKey,
    effective_time: str,
) -> None:
    pem = certificate_pem(platform_key)
    server.plays(replies({"data": [entry(pem, effective_time=effective_time)]}))

    (certificate,) = newcomer.certificates.download()

    assert certificate.effective_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_another_api_v3_key_is_said_plainly(
    make_transport: TransportMaker, server: ScriptedServer, platform_key: RSAPrivateKey
) -> None:
    server.plays(replies({"data": [entry(certificate_pem(platform_key))]}))
    client = WeChatPayClient(make_transport(), [b"another-key-another-key-another!"])

    with pytest.raises(Undecryptable):
        client.certificates.download()


def test_a_merchant_number_with_a_public_key_only_is_a_refusal_not_an_outage(
    newcomer: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies_unsigned(404, b'{"code":"RESOURCE_NOT_EXISTS","message":"none"}'))

    with pytest.raises(Refused) as raised:
        newcomer.certificates.download()

    assert (raised.value.status, raised.value.code) == (404, "RESOURCE_NOT_EXISTS")


def test_lists_of_the_wrong_shape_are_unknown(
    client: WeChatPayClient, server: ScriptedServer, platform_key: RSAPrivateKey
) -> None:
    pem = certificate_pem(platform_key)
    wrong: list[object] = [
        {"data": []},
        {"data": None},
        {"data": [7]},
        {"data": [entry(pem)] * 17},
        {"data": [entry(pem, serial_no="5157F09EFDC096DE15EBE81A47057A7232F1B8E2")]},
        {"data": [entry(pem, effective_time=1)]},
        {"data": [entry(pem, expire_time="never")]},
        {"data": [entry(pem, encrypt_certificate={"algorithm": "ROT13"})]},
        {"data": [entry(b"not a certificate")]},
    ]

    for message in wrong:
        server.plays(replies(message))
        with pytest.raises(OutcomeUnknown) as raised:
            client.certificates.download()
        assert raised.value.reason is UnknownReason.REPLY_MALFORMED
