"""The peer: the usual way, as the usual SDK's own pages show it.

Flask, Flask-SQLAlchemy's ORM, and a Python SDK for WeChat Pay that opens a connection for each
call and writes to a log file, all set up as its README does. It writes the same rows as the
application under test.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, request
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from wechatpayv3 import WeChatPay, WeChatPayType

from tests.benchmarks.stage import Stage

stage = Stage.from_environment()


class Base(DeclarativeBase):
    """The peer's own tables; the stage has made them."""


db = SQLAlchemy(model_class=Base)
app = Flask("peer")
app.config["SQLALCHEMY_DATABASE_URI"] = stage.database_url
app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {"pool_size": 16}
db.init_app(app)
logging.basicConfig(
    filename=stage.folder / "peer-sdk.log",
    level=logging.DEBUG,
    filemode="a",
    format="%(asctime)s - %(process)s - %(levelname)s: %(message)s",
)
wxpay = WeChatPay(
    wechatpay_type=WeChatPayType.JSAPI,
    mchid=stage.facts["sp_mchid"],
    private_key=stage.file("apiclient_key.pem"),
    cert_serial_no=stage.facts["serial_no"],
    apiv3_key=stage.file("api_v3_key"),
    appid=stage.facts["sp_appid"],
    notify_url="https://pay.example.test/notify",
    logger=logging.getLogger("peer"),
    partner_mode=True,
    public_key=stage.file("wechatpay_public_key.pem"),
    public_key_id=stage.facts["wechatpay_public_key_id"],
    timeout=(5, 10),
)
wxpay._core._gate_way = stage.upstream_url


class Order(Base):
    """An order."""

    __tablename__ = "peer_orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    out_trade_no: Mapped[str] = mapped_column(unique=True)
    merchant_order_no: Mapped[str] = mapped_column(unique=True)
    amount: Mapped[int]
    state: Mapped[str]
    prepay_id: Mapped[str | None]
    transaction_id: Mapped[str | None]
    paid_at: Mapped[datetime | None]


class Inbox(Base):
    """A notification."""

    __tablename__ = "peer_inbox"
    id: Mapped[str] = mapped_column(primary_key=True)
    body: Mapped[str]
    at: Mapped[datetime]


class Event(Base):
    """What a tenant will be told."""

    __tablename__ = "peer_events"
    id: Mapped[int] = mapped_column(primary_key=True)
    out_trade_no: Mapped[str] = mapped_column(unique=True)
    data: Mapped[str]
    at: Mapped[datetime]


class Audit(Base):
    """Who did what."""

    __tablename__ = "peer_audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    action: Mapped[str]
    object_id: Mapped[str]
    at: Mapped[datetime]


@app.get("/readyz")
def readyz() -> str:
    return "ready"


@app.post("/notify")
def notify() -> Response:
    result = wxpay.callback(request.headers, request.data)
    if not result or result.get("event_type") != "TRANSACTION.SUCCESS":
        return Response(status=401)
    paid, moment = result["resource"], datetime.now(UTC).replace(tzinfo=None)
    if db.session.get(Inbox, result["id"]) is None:
        order = db.session.query(Order).filter_by(out_trade_no=paid["out_trade_no"]).one()
        if order.state == "PENDING" and order.amount == paid["amount"]["total"]:
            order.state, order.transaction_id = "PAID", paid["transaction_id"]
            order.paid_at = moment
            data = json.dumps(paid)
            db.session.add(Event(out_trade_no=order.out_trade_no, data=data, at=moment))
            db.session.add(Audit(action="order.paid", object_id=order.out_trade_no, at=moment))
        db.session.add(Inbox(id=result["id"], body=request.data.decode(), at=moment))
        db.session.commit()
    return Response(status=204)


@app.post("/orders")
def orders() -> Any:
    asked = request.get_json()
    order = Order(
        out_trade_no=secrets.token_hex(14),
        merchant_order_no=asked["merchant_order_no"],
        amount=asked["amount_fen"],
        state="CREATED",
    )
    db.session.add(order)
    db.session.commit()
    code, message = wxpay.pay(
        description=asked["description"],
        out_trade_no=order.out_trade_no,
        amount={"total": asked["amount_fen"], "currency": "CNY"},
        payer=asked["payer"],
        sub_appid=stage.facts["sub_merchants"][0]["sub_appid"],
        sub_mchid=stage.facts["sub_merchants"][0]["sub_mchid"],
        pay_type=WeChatPayType.JSAPI,
    )
    if code != 200:
        return Response(status=502)
    order.prepay_id, order.state = json.loads(message)["prepay_id"], "PENDING"
    db.session.commit()
    timestamp, nonce = str(int(time.time())), secrets.token_hex(16)
    package = f"prepay_id={order.prepay_id}"
    pay_sign = wxpay.sign([stage.facts["sp_appid"], timestamp, nonce, package])
    return {"out_trade_no": order.out_trade_no, "package": package, "paySign": pay_sign}
