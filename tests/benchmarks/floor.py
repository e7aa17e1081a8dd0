"""The floor: only the work nobody can avoid, by hand.

A raw driver, one transaction a notification, one kept-alive session upstream, keys parsed once. No
tenants, no checks beyond the signature, no audit chain: what the real application costs more than
this is what its safety costs.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from typing import Any, cast

import psycopg
import requests
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from flask import Flask, Response, request

from tests.benchmarks.stage import Stage

stage = Stage.from_environment()
app = Flask("floor")
_padding, _sha256 = PKCS1v15(), SHA256()
_wechatpay_key = cast(
    "RSAPublicKey", load_pem_public_key(stage.file("wechatpay_public_key.pem").encode())
)
_our_key = cast(
    "RSAPrivateKey", load_pem_private_key(stage.file("apiclient_key.pem").encode(), None)
)
_aes = AESGCM(stage.file("api_v3_key").encode())
_session = requests.Session()
_session.trust_env = False
_session.verify = str(stage.authority)
_mine = threading.local()

PATH = "/v3/pay/partner/transactions/jsapi"


def _database() -> psycopg.Connection[Any]:
    if not hasattr(_mine, "connection"):
        _mine.connection = psycopg.connect(stage.driver_url, autocommit=True)
    connection: psycopg.Connection[Any] = _mine.connection
    return connection


def _verify(headers: Any, body: bytes) -> None:
    message = f"{headers['Wechatpay-Timestamp']}\n{headers['Wechatpay-Nonce']}\n".encode()
    signature = base64.b64decode(headers["Wechatpay-Signature"])
    _wechatpay_key.verify(signature, message + body + b"\n", _padding, _sha256)


def _sign(*lines: str) -> str:
    message = "".join(f"{line}\n" for line in lines).encode()
    return base64.b64encode(_our_key.sign(message, _padding, _sha256)).decode()


@app.get("/readyz")
def readyz() -> str:
    return "ready"


@app.post("/notify")
def notify() -> Response:
    body = request.get_data(cache=False)
    _verify(request.headers, body)
    envelope = json.loads(body)
    sealed = envelope["resource"]
    plain = _aes.decrypt(
        sealed["nonce"].encode(),
        base64.b64decode(sealed["ciphertext"]),
        sealed["associated_data"].encode(),
    )
    paid = json.loads(plain)
    connection = _database()
    with connection.transaction():
        connection.execute(
            "UPDATE floor_orders SET state = 'PAID', transaction_id = %s, paid_at = now()"
            " WHERE out_trade_no = %s AND amount = %s AND state = 'PENDING'",
            (paid["transaction_id"], paid["out_trade_no"], paid["amount"]["total"]),
        )
        connection.execute(
            "INSERT INTO floor_inbox VALUES (%s, %s, now()) ON CONFLICT DO NOTHING",
            (envelope["id"], body.decode()),
        )
        connection.execute(
            "INSERT INTO floor_events VALUES (%s, 'order.paid', %s, now())",
            (paid["out_trade_no"], plain.decode()),
        )
        connection.execute(
            "INSERT INTO floor_audit (action, object_id, at) VALUES ('order.paid', %s, now())",
            (paid["out_trade_no"],),
        )
    return Response(status=204)


@app.post("/orders")
def orders() -> dict[str, Any]:
    asked = json.loads(request.get_data(cache=False))
    number = secrets.token_hex(14)
    body = json.dumps(stage.wire_order(number, asked), ensure_ascii=False).encode()
    connection = _database()
    with connection.transaction():
        connection.execute(
            "INSERT INTO floor_orders (out_trade_no, merchant_order_no, amount, state, body)"
            " VALUES (%s, %s, %s, 'CREATED', %s)",
            (number, asked["merchant_order_no"], asked["amount_fen"], body.decode()),
        )
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
    signature = _sign("POST", PATH, timestamp, nonce, body.decode())
    answer = _session.post(
        f"{stage.upstream_url}{PATH}",
        data=body,
        headers={
            "Authorization": f'WECHATPAY2-SHA256-RSA2048 mchid="{stage.facts["sp_mchid"]}",'
            f'nonce_str="{nonce}",signature="{signature}",timestamp="{timestamp}",'
            f'serial_no="{stage.facts["serial_no"]}"',
            "Content-Type": "application/json",
            "Accept": "application/json",
        },
        timeout=(5, 10),
    )
    _verify(answer.headers, answer.content)
    prepay_id = json.loads(answer.content)["prepay_id"]
    with connection.transaction():
        connection.execute(
            "UPDATE floor_orders SET state = 'PENDING', prepay_id = %s WHERE out_trade_no = %s",
            (prepay_id, number),
        )
    package = f"prepay_id={prepay_id}"
    pay_sign = _sign(stage.facts["sp_appid"], timestamp, nonce, package)
    return {"out_trade_no": number, "package": package, "paySign": pay_sign}
