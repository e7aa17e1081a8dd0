"""The published notification at the address that takes real ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient

from payments.notifications.models import InboxState
from tests.books import inbox
from tests.factories.partner import make_partner

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors" / "public_vectors.json").read_text(encoding="utf-8")
)
PUBLISHED = [each for each in VECTORS["vectors"] if each["kind"] == "notification"]


@pytest.fixture(params=PUBLISHED, ids=lambda vector: vector["id"])
def vector(request: pytest.FixtureRequest) -> dict[str, Any]:
    published: dict[str, Any] = request.param
    return published


@pytest.fixture
def address(app: Flask, vector: dict[str, Any]) -> str:
    """Where a provider with the sample's keys takes notifications."""
    certificate = x509.load_pem_x509_certificate(
        VECTORS["keys"][vector["certificate"]]["pem"].encode()
    )
    pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    partner = make_partner(
        api_v3_key=vector["apiv3_key"],
        wechatpay_keys={vector["headers"]["Wechatpay-Serial"]: pem.decode()},
    )
    return f"/notify/wechatpay/{partner.sp_mchid}"


def sent(client: FlaskClient, address: str, vector: dict[str, Any], body: bytes) -> int:
    # The freshness of a signature is counted by the machine's own clock and by no other.
    with time_machine.travel(float(vector["now"])):
        return client.post(address, data=body, headers=vector["headers"]).status_code


def test_a_published_notification_is_proven_opened_and_receipted(
    client: FlaskClient, address: str, vector: dict[str, Any]
) -> None:
    body = vector["body"].encode()

    status = sent(client, address, vector, body)

    assert status == 204
    [entry] = inbox()
    assert entry.body.encode() == body
    assert entry.event_type == json.loads(body)["event_type"]
    assert entry.state is InboxState.IGNORED  # it opened, and is of no kind that is used here


def test_a_published_notification_admits_no_change(
    client: FlaskClient, address: str, vector: dict[str, Any]
) -> None:
    body = vector["body"].replace("签约成功", "签约失败").encode()

    status = sent(client, address, vector, body)

    assert status == 401
    assert inbox() == []
