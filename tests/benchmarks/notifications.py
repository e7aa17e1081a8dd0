"""Notifications: CPU for each, how many a second, the slowest hundredth, and growth (G1-G3, G9)."""

from __future__ import annotations

import itertools
import json
import secrets
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from flask import Flask
from sqlalchemy import create_engine, insert, text

from config.clock import now
from partner.models import Partner
from partner.simulator import keys
from partner.simulator.answers import Signature, compact_json
from partner.simulator.clock import rfc3339
from partner.simulator.home import Home, KeyRing
from payments.orders.models import Order, OrderState, TradeType
from submerchants.tenants.models import SubMerchant
from tests.benchmarks.contenders import Contender
from tests.benchmarks.load import post
from tests.benchmarks.stage import Stage

AMOUNT_FEN = 1_800
_numbers = itertools.count(1)


class Town:
    """Orders that wait to be paid, at every contender, and the notifications that pay them."""

    def __init__(
        self, stage: Stage, app: Flask, partner: Partner, sub_merchant: SubMerchant
    ) -> None:
        self._stage, self.app = stage, app
        self._partner, self._sub_merchant = partner, sub_merchant
        self._ring: KeyRing = Home(stage.home).open()
        self._api_v3_key = stage.file("api_v3_key")
        self._engine = create_engine(stage.database_url)

    def notifications(self, contender: Contender, count: int) -> list[bytes]:
        """So many fresh orders, and a signed request for each."""
        numbers = [f"T{next(_numbers):08}{secrets.token_hex(8)}" for _ in range(count)]
        if contender.name == "ours":
            self._insert_ours(numbers)
        else:
            self._insert_theirs(contender.name, numbers)
        return [self._request(contender, number) for number in numbers]

    def grow(self, rows: int) -> None:
        """Fill our table with orders nobody asks about any more, and let the database learn it."""
        columns = ", ".join(column.name for column in Order.__table__.columns)
        changed = {
            "id": "'ord_G' || n || 'X' || CAST(:rows AS text)",
            "merchant_order_no": "'G' || n || 'X' || CAST(:rows AS text)",
            "out_trade_no": "'G' || n || 'X' || CAST(:rows AS text)",
            "transaction_id": "'G' || n || 'X' || CAST(:rows AS text)",
            "state": "'PAID'",
            "next_check_at": "NULL",
        }
        picked = ", ".join(
            f"{changed.get(column.name, 'o.' + column.name)}" for column in Order.__table__.columns
        )
        first = "SELECT * FROM orders ORDER BY id LIMIT 1"
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    f"INSERT INTO orders ({columns}) SELECT {picked} FROM ({first}) o,"
                    " generate_series(1, :rows) n"
                ),
                {"rows": rows},
            )
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE orders"))

    def _request(self, contender: Contender, number: str) -> bytes:
        plain = compact_json(self._paid(number))
        body = compact_json(
            {
                "id": str(uuid.uuid4()),
                "create_time": rfc3339(datetime.now(UTC)),
                "resource_type": "encrypt-resource",
                "event_type": "TRANSACTION.SUCCESS",
                "summary": "支付成功",
                "resource": {
                    "original_type": "transaction",
                    **keys.seal_resource(self._api_v3_key, plain, "transaction"),
                },
            }
        )
        signature = Signature.make(self._ring.public_key, body, time.time())
        return post(contender.notify_path, body, signature.as_headers())

    def _paid(self, number: str) -> dict[str, object]:
        facts, sub = self._stage.facts, self._stage.facts["sub_merchants"][0]
        return {
            "sp_appid": facts["sp_appid"],
            "sp_mchid": facts["sp_mchid"],
            "sub_appid": sub["sub_appid"],
            "sub_mchid": sub["sub_mchid"],
            "out_trade_no": number,
            "transaction_id": f"42{secrets.randbelow(10**26):026}",
            "trade_type": "JSAPI",
            "trade_state": "SUCCESS",
            "trade_state_desc": "支付成功",
            "bank_type": "OTHERS",
            "success_time": rfc3339(datetime.now(UTC)),
            "payer": {"sp_openid": "oPayer", "sub_openid": "oSubPayer"},
            "amount": {
                "total": AMOUNT_FEN,
                "payer_total": AMOUNT_FEN,
                "currency": "CNY",
                "payer_currency": "CNY",
            },
        }

    def _insert_ours(self, numbers: Sequence[str]) -> None:
        sub = self._stage.facts["sub_merchants"][0]
        moment = now()
        rows = [
            {
                "id": f"ord_{number}",
                "sub_merchant_id": self._sub_merchant.id,
                "merchant_order_no": number,
                "out_trade_no": number,
                "partner_id": self._partner.id,
                "sp_mchid": self._partner.sp_mchid,
                "sub_mchid": sub["sub_mchid"],
                "sp_appid": self._stage.facts["sp_appid"],
                "sub_appid": sub["sub_appid"],
                "trade_type": TradeType.JSAPI,
                "state": OrderState.PENDING,
                "trade_state": "NOTPAY",
                "description": "Tea",
                "amount_fen": AMOUNT_FEN,
                "currency": "CNY",
                "refunded_fen": 0,
                "request_hash": "0" * 64,
                "place_body": json.dumps(self._stage.wire_order(number, _TEA)),
                "expires_at": moment.replace(year=moment.year + 1),
                "created_at": moment,
                "next_check_at": moment.replace(year=moment.year + 1),
                "checks": 0,
            }
            for number in numbers
        ]
        with self._engine.begin() as connection:
            connection.execute(insert(Order.__table__), rows)  # type: ignore[arg-type]

    def _insert_theirs(self, name: str, numbers: Sequence[str]) -> None:
        row = text(
            f"INSERT INTO {name}_orders (out_trade_no, merchant_order_no, amount, state, prepay_id)"
            " VALUES (:number, :number, :amount, 'PENDING', 'wx1')"
        )
        with self._engine.begin() as connection:
            connection.execute(
                row, [{"number": number, "amount": AMOUNT_FEN} for number in numbers]
            )


_TEA = {"description": "Tea", "amount_fen": AMOUNT_FEN, "payer": {"sub_openid": "oSubPayer"}}


def order_requests(contender: Contender, count: int) -> list[bytes]:
    """So many orders that were never placed before."""
    return [
        post(
            contender.orders_path,
            compact_json({"merchant_order_no": f"B{next(_numbers)}", **_TEA}),
            contender.headers,
        )
        for _ in range(count)
    ]
