"""Notifications that WeChat Pay might have sent: signed with the simulator's keys, any content."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from werkzeug.test import TestResponse

from partner.simulator import keys
from partner.simulator.simulator import Simulator
from payments.orders.models import Order
from payments.refunds.models import Refund


def paid_content(order: Order, **changes: Any) -> dict[str, Any]:
    """What WeChat Pay says when this order was paid; a change of None leaves the field out."""
    content: dict[str, Any] = {
        "sp_appid": order.sp_appid,
        "sp_mchid": order.sp_mchid,
        "sub_mchid": order.sub_mchid,
        "out_trade_no": order.out_trade_no,
        "transaction_id": f"4200{uuid.uuid4().int % 10**24:024}",
        "trade_type": "JSAPI",
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
        "bank_type": "OTHERS",
        "success_time": "2026-03-01T12:01:02+08:00",
        "payer": {"sp_openid": "oPayer0000000000000000000001"},
        "amount": {
            "total": order.amount_fen,
            "payer_total": order.amount_fen,
            "currency": "CNY",
            "payer_currency": "CNY",
        },
        **({"sub_appid": order.sub_appid} if order.sub_appid else {}),
        **changes,
    }
    return {name: value for name, value in content.items() if value is not None}


def refund_content(refund: Refund, status: str = "SUCCESS", **changes: Any) -> dict[str, Any]:
    """What WeChat Pay says of this refund; a change of None leaves the field out."""
    content: dict[str, Any] = {
        "sp_mchid": refund.sp_mchid,
        "sub_mchid": refund.sub_mchid,
        "out_trade_no": refund.out_trade_no,
        "transaction_id": refund.transaction_id,
        "out_refund_no": refund.out_refund_no,
        "refund_id": refund.refund_id or f"503{uuid.uuid4().int % 10**25:025}",
        "refund_status": status,
        "success_time": "2026-03-02T09:00:20+08:00" if status == "SUCCESS" else None,
        "user_received_account": "支付用户零钱",
        "amount": {
            "total": refund.total_fen,
            "refund": refund.amount_fen,
            "payer_total": refund.total_fen,
            "payer_refund": refund.amount_fen,
        },
        **changes,
    }
    return {name: value for name, value in content.items() if value is not None}


def notify_refund(client: Any, simulator: Simulator, content: Any, **changes: Any) -> TestResponse:
    """Post a genuine notification about a refund."""
    event_type = f"REFUND.{content['refund_status']}"
    return notify(
        client, simulator, content, kind="refund", **{"event_type": event_type, **changes}
    )


def envelope(
    simulator: Simulator, content: object, *, kind: str = "transaction", **changes: Any
) -> bytes:
    """The sealed body of a notification with this content."""
    api_v3_key = (simulator.home / "api_v3_key").read_text()
    plaintext = content if isinstance(content, bytes) else json.dumps(content).encode()
    sealed = keys.seal_resource(api_v3_key, plaintext, kind)
    body = {
        "id": str(uuid.uuid4()),
        "create_time": "2026-03-01T12:01:03+08:00",
        "resource_type": "encrypt-resource",
        "event_type": "TRANSACTION.SUCCESS",
        "summary": "支付成功",
        "resource": {"original_type": kind, **sealed},
        **changes,
    }
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def signed_headers(
    simulator: Simulator, body: bytes, *, timestamp: int | None = None, public_key: bool = False
) -> dict[str, str]:
    """Headers with WeChat Pay's genuine signature over exactly this body."""
    ring = simulator.world.rings.first
    key = ring.public_key if public_key else ring.certificate.signing_key
    moment, nonce = str(timestamp or int(time.time())), keys.nonce()
    message = f"{moment}\n{nonce}\n".encode() + body + b"\n"
    return {
        "Content-Type": "application/json",
        "Wechatpay-Timestamp": moment,
        "Wechatpay-Nonce": nonce,
        "Wechatpay-Serial": key.serial,
        "Wechatpay-Signature": key.sign(message),
        "Wechatpay-Signature-Type": "WECHATPAY2-SHA256-RSA2048",
    }


def notify(client: Any, simulator: Simulator, content: object, **changes: Any) -> TestResponse:
    """Post a genuine notification with this content to the provider's address."""
    body = envelope(simulator, content, **changes)
    return post(client, simulator, body, signed_headers(simulator, body))


def post(client: Any, simulator: Simulator, body: bytes, headers: dict[str, str]) -> TestResponse:
    """Post exactly these bytes and headers to the provider's address."""
    path = f"/notify/wechatpay/{simulator.facts['sp_mchid']}"
    answer: TestResponse = client.post(path, data=body, headers=headers)
    return answer
