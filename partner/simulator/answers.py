"""How the simulator answers an API call: signed when it succeeded, bare when it refused.

The signature covers the very bytes that leave. Which key signs is said in `key_rings`.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any, Final

from flask import Response

from partner.simulator import keys
from partner.simulator.faults import Fault
from partner.simulator.keys import SigningKey
from partner.simulator.refusals import Refusal

JSON_TYPE: Final = "application/json; charset=utf-8"
PROBE_PREFIX: Final = "WECHATPAY/SIGNTEST/"
STALE_S: Final = 600.0


def compact_json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def request_id(number: int = 0) -> str:
    """`<hex id>-<internal number>`; 0 is success."""
    return f"08{secrets.token_hex(19).upper()}-{number}"


@dataclass(frozen=True)
class Accepted:
    """What was asked is under way: asking the same again tells more."""

    document: dict[str, Any]


@dataclass(frozen=True)
class Signature:
    """The five Wechatpay-* headers over one body."""

    serial: str
    timestamp: str
    nonce: str
    value: str

    @classmethod
    def make(cls, key: SigningKey, body: bytes, wire_time: float) -> Signature:
        timestamp, nonce = str(int(wire_time)), keys.nonce()
        message = f"{timestamp}\n{nonce}\n".encode() + body + b"\n"
        return cls(key.serial, timestamp, nonce, key.sign(message))

    def as_headers(self) -> dict[str, str]:
        return {
            "Wechatpay-Nonce": self.nonce,
            "Wechatpay-Signature": self.value,
            "Wechatpay-Timestamp": self.timestamp,
            "Wechatpay-Serial": self.serial,
            "Wechatpay-Signature-Type": keys.SIGNATURE_TYPE,
        }


def probe_value() -> str:
    """A probe's signature: the tell-tale prefix, and characters no decoder may choke on."""
    return PROBE_PREFIX + keys.nonce(344 - len(PROBE_PREFIX))


def spoiled(value: str) -> str:
    """A signature that still decodes and no longer fits."""
    return ("B" if value[0] == "A" else "A") + value[1:]


def signed_answer(
    document: dict[str, Any] | Accepted | None,
    key: SigningKey,
    wire_time: float,
    fault: Fault | None,
) -> Response:
    """200 with the document (202 when it is not the end), or 204 without; signed, unless a fault
    wants it otherwise."""
    status = 204 if document is None else 200
    if isinstance(document, Accepted):
        status, document = 202, document.document
    body = b"" if document is None else compact_json(document)
    response = Response(body, status)
    if document is not None:
        response.headers["Content-Type"] = JSON_TYPE
    else:
        del response.headers["Content-Type"]
    response.headers.update(_signature_headers(key, body, wire_time, fault))
    return _framed(response, request_id())


def refused(refusal: Refusal) -> Response:
    """An error answer: JSON, no signature, and the internal number in the Request-ID."""
    response = Response(compact_json(refusal.as_dict()), refusal.status)
    response.headers["Content-Type"] = JSON_TYPE
    return _framed(response, request_id(refusal.number))


def _signature_headers(
    key: SigningKey, body: bytes, wire_time: float, fault: Fault | None
) -> dict[str, str]:
    kind = fault.kind if fault else None
    if kind == "unsigned":
        return {}
    if fault is not None and kind == "stale_timestamp":
        wire_time -= fault.seconds(STALE_S)
    headers = Signature.make(key, body, wire_time).as_headers()
    if kind == "bad_signature":
        headers["Wechatpay-Signature"] = spoiled(headers["Wechatpay-Signature"])
    elif kind == "probe_signature":
        headers["Wechatpay-Signature"] = probe_value()
    elif kind == "unknown_serial":
        headers["Wechatpay-Serial"] = f"{keys.new_serial():040X}"
    return headers


def _framed(response: Response, request_id_value: str) -> Response:
    response.headers["Request-ID"] = request_id_value
    response.headers["Cache-Control"] = "no-cache, must-revalidate"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Language"] = "zh-CN"
    return response
