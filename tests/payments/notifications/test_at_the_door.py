"""The notification address itself: exact bytes, no trace of what is turned away, none ever lost."""

from __future__ import annotations

import base64
import io
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from config.clock import frozen_at, now
from config.database import db, release
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.notifications.models import InboxState
from payments.notifications.replay import replay_kept
from payments.orders.models import Order, OrderState
from submerchants.tenants.models import SubMerchant
from tests.books import everything, inbox, order_now
from tests.factories.partner import make_partner
from tests.factories.payments import place_order
from tests.genuine import envelope, notify, paid_content, post, signed_headers

FLOOD = 30


@pytest.fixture
def order(sub_merchant: SubMerchant, partner: Partner) -> Order:
    return place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=1800)


def calls_to(simulator: Simulator) -> int:
    """How often WeChat Pay was called by us."""
    return len(simulator.app.test_client().get("/_simulator/requests").get_json()["data"])


def counted(client: FlaskClient, verdict: str) -> float:
    line = f'platform_notifications_total{{verdict="{verdict}"}} '
    found = [each for each in client.get("/metrics").text.splitlines() if each.startswith(line)]
    return float(found[0].removeprefix(line)) if found else 0.0


def forged(client: FlaskClient, simulator: Simulator, body: bytes) -> TestResponse:
    """A notification whose signature is another message's."""
    headers = signed_headers(simulator, body)
    headers["Wechatpay-Signature"] = signed_headers(simulator, b"else")["Wechatpay-Signature"]
    return post(client, simulator, body, headers)


@pytest.mark.parametrize("ending", [b"\n", b" ", b"\r\n\r\n"])
def test_the_signature_is_over_every_byte_up_to_the_last(
    client: FlaskClient, simulator: Simulator, order: Order, ending: bytes
) -> None:
    body = envelope(simulator, paid_content(order))
    longer = body + ending

    added = post(client, simulator, longer, signed_headers(simulator, body))
    taken_away = post(client, simulator, body, signed_headers(simulator, longer))
    exact = post(client, simulator, longer, signed_headers(simulator, longer))

    assert [each.status_code for each in (added, taken_away, exact)] == [401, 401, 204]
    assert order_now(order).state is OrderState.PAID


@pytest.mark.parametrize(
    "declared", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/xml"]
)
def test_whatever_the_body_is_declared_to_be_it_is_taken_as_bytes(
    client: FlaskClient, simulator: Simulator, order: Order, declared: str
) -> None:
    body = envelope(simulator, paid_content(order))

    answer = post(
        client, simulator, body, {**signed_headers(simulator, body), "Content-Type": declared}
    )

    assert answer.status_code == 204
    assert order_now(order).state is OrderState.PAID


def test_two_values_in_one_header_are_turned_away_though_genuinely_signed(
    client: FlaskClient, simulator: Simulator, order: Order
) -> None:
    body, moment, nonce = envelope(simulator, paid_content(order)), str(int(time.time())), "a1,b2"
    key = simulator.world.rings.first.certificate.signing_key
    signature = key.sign(f"{moment}\n{nonce}\n".encode() + body + b"\n")
    told = {"Timestamp": moment, "Nonce": nonce, "Serial": key.serial, "Signature": signature}

    answer = post(
        client, simulator, body, {f"Wechatpay-{name}": value for name, value in told.items()}
    )

    assert answer.status_code == 401
    assert order_now(order).state is OrderState.PENDING


@pytest.fixture
def others_key(app: Flask) -> rsa.RSAPrivateKey:
    """A key that another provider holds for WeChat Pay's, before ours are read."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    make_partner(wechatpay_keys={"PUB_KEY_ID_0909": pem.decode()})
    return key


def test_a_key_counts_for_the_provider_it_belongs_to_and_for_no_other(
    client: FlaskClient, simulator: Simulator, others_key: rsa.RSAPrivateKey, order: Order
) -> None:
    body, moment = envelope(simulator, paid_content(order)), str(int(time.time()))
    message = f"{moment}\nabc\n".encode() + body + b"\n"
    signed = others_key.sign(message, padding.PKCS1v15(), SHA256())
    told = {"Timestamp": moment, "Nonce": "abc", "Serial": "PUB_KEY_ID_0909"}
    told["Signature"] = base64.b64encode(signed).decode()

    answer = post(
        client, simulator, body, {f"Wechatpay-{name}": value for name, value in told.items()}
    )

    assert answer.status_code == 401
    assert inbox() == []
    assert order_now(order).state is OrderState.PENDING


def test_content_of_another_kind_than_its_event_is_quarantined(
    client: FlaskClient, simulator: Simulator, order: Order
) -> None:
    notify(client, simulator, paid_content(order), kind="refund")

    (entry,) = inbox()
    assert (entry.state, order_now(order).state) == (InboxState.QUARANTINED, OrderState.PENDING)
    assert "original_type" in str(entry.reason)


def test_what_is_turned_away_changes_no_row_calls_nobody_and_is_counted_quietly(
    client: FlaskClient, simulator: Simulator, order: Order
) -> None:
    body, written = envelope(simulator, paid_content(order)), io.StringIO()
    before, calls, seen = everything(), calls_to(simulator), counted(client, "bad_signature")
    listener = logging.StreamHandler(written)
    logging.getLogger().addHandler(listener)

    answers = {forged(client, simulator, body).status_code for _ in range(FLOOD)}

    logging.getLogger().removeHandler(listener)
    assert answers == {401}
    assert everything() == before
    assert calls_to(simulator) == calls
    assert counted(client, "bad_signature") == seen + FLOOD
    assert written.getvalue().count("turned away") <= 1


def test_a_genuine_one_is_applied_without_a_word_to_wechat_pay(
    client: FlaskClient, simulator: Simulator, order: Order
) -> None:
    calls = calls_to(simulator)

    answers = [notify(client, simulator, paid_content(order, **odd)) for odd in ({}, {"amount": 1})]

    assert [each.status_code for each in answers] == [204, 204]
    assert order_now(order).state is OrderState.PAID
    assert calls_to(simulator) == calls


@contextmanager
def missing(table: str) -> Iterator[None]:
    """While inside, the database cannot do what needs this table."""
    _run(f"ALTER TABLE {table} RENAME TO {table}_away")
    try:
        yield
    finally:
        _run(f"ALTER TABLE {table}_away RENAME TO {table}")


def _run(statement: str) -> None:
    release()
    with db.engine.begin() as connection:
        connection.execute(text(statement))


def test_what_cannot_be_stored_gets_no_receipt_and_its_repeat_is_applied(
    client: FlaskClient, simulator: Simulator, order: Order
) -> None:
    body = envelope(simulator, paid_content(order))
    with missing("inbox_entries"):
        unstored = post(client, simulator, body, signed_headers(simulator, body))
    between = order_now(order).state

    repeated = post(client, simulator, body, signed_headers(simulator, body))

    assert unstored.status_code >= 500
    assert between is OrderState.PENDING, "the effect and the inbox row share one commit"
    assert repeated.status_code == 204
    assert order_now(order).state is OrderState.PAID


def test_what_our_own_fault_keeps_back_has_its_receipt_and_is_applied_later(
    client: FlaskClient, simulator: Simulator, order: Order
) -> None:
    _run("UPDATE orders SET trade_type = 'NOBODYS'")  # a row that our code cannot read

    answer = notify(client, simulator, paid_content(order))

    (entry,) = inbox()
    assert (answer.status_code, entry.state) == (204, InboxState.KEPT)
    assert "our own fault" in str(entry.reason)
    _run("UPDATE orders SET trade_type = 'JSAPI'")
    with frozen_at(now() + timedelta(minutes=2)):
        assert replay_kept() == {"tried": 1, "settled": 1}
    assert order_now(order).state is OrderState.PAID
